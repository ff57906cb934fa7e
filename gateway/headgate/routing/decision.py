"""What a decision says: the candidates in order, and a reason for everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from headgate.config.catalog import Deployment
from headgate.config.policy import Advance, Guards, Must
from headgate.config.policy_test import ReasonCode
from headgate.routing.facts import RequestFacts
from headgate_providers.sdk import Timeouts

Outcome: TypeAlias = Literal["planned", "refused", "denied", "no_match", "unknown_model"]
"""`planned`: there are candidates; `refused`: a route took it and nothing is left; `denied`: a
`deny` route took it; `no_match`: the name is known, but no route takes this request of it;
`unknown_model`: nothing has that name."""

DIRECT = "direct"
"""The name of the implied route of a request that names a deployment or its model."""

FEMTO_USD = -15
"""Exponent of the unit in which estimates are compared: exact for prices per million tokens."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A deployment that may be asked, at its place in the plan.

    `missed` are the wishes it does not meet, most important first. `ignored` are parameters of the
    caller that it will not honour and the route allows to drop. `timeouts` combine route and
    deployment.
    """

    deployment: Deployment
    tier: str
    missed: tuple[str, ...]
    ignored: tuple[str, ...]
    timeouts: Timeouts
    cost_femto_usd: int | None

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.deployment.name

    @property
    def cost_usd(self) -> Decimal | None:
        """The estimate for the facts' tokens; `None` if the price is unknown."""
        cost = self.cost_femto_usd
        return None if cost is None else Decimal(cost).scaleb(FEMTO_USD)


class Dropped(NamedTuple):
    """A deployment that is no candidate, the code of the reason, and the reason in words."""

    name: str
    code: ReasonCode
    reason: str


class Refusal(NamedTuple):
    """What the caller is told."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """What holds for every attempt on a route, for one team: also for its cache and guards."""

    must: Must
    guards: Guards
    advance: Advance


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The sorted list of candidates and how it came about.

    `label` is the sensitivity that was used. `failed_expressions` are the routes whose expression
    had no truth value, with the reason. `fleet` names all deployments there are.
    """

    outcome: Outcome
    facts: RequestFacts
    label: str
    policy_digest: str
    catalog_digest: str
    snapshot_id: str
    fleet: tuple[str, ...]
    failed_expressions: Mapping[str, str]
    route: str | None = None
    arm: str | None = None
    contract: Contract | None = None
    candidates: tuple[Candidate, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    refusal: Refusal | None = None

    @property
    def unrouted(self) -> bool:
        """Whether no route of a policy takes it; it may have been asked directly."""
        return self.route is None or self.route == DIRECT

    @property
    def chosen(self) -> Candidate | None:
        """The first candidate."""
        return self.candidates[0] if self.candidates else None

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the candidates, in order."""
        return tuple(candidate.name for candidate in self.candidates)

    @property
    def others(self) -> tuple[str, ...]:
        """The deployments that no tier of the route selects."""
        looked_at = {drop.name for drop in self.dropped}.union(self.order)
        return tuple(name for name in self.fleet if name not in looked_at)

    @property
    def reasons(self) -> dict[str, ReasonCode]:
        """Deployment → why it is no candidate."""
        reasons: dict[str, ReasonCode] = dict.fromkeys(self.others, "tier")
        reasons.update((drop.name, drop.code) for drop in self.dropped)
        return reasons
