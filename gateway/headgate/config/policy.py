"""Kinds `Policy` and `Overlay`: which requests go where, and what is never allowed.

A route reads `match → must → should → tiers → prefer → advance → otherwise`: its candidates are
filtered by `must`, sorted by (`should`, tier, `prefer`), and tried from the top.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from headgate.config.base import Strict
from headgate.config.catalog import ApiVersion, Metadata, Name, Names, TimeoutLimits
from headgate.config.policy_test import PolicyTest
from headgate.config.units import DurationS, MoneyUsd, Share
from headgate_providers.sdk import ErrorKind, Operation

Code: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
"""A stable code that clients may depend on."""

Droppable: TypeAlias = Literal[
    "parallel_tool_calls",
    "reasoning",
    "n",
    "stop",
    "seed",
    "logprobs",
    "logit_bias",
    "penalties",
    "top_k",
]
"""Parameters a reply can do without."""

EXPRESSION_CHARACTERS_MAX = 512


class Match(Strict):
    """Which requests a route takes: all keys that are given must hold."""

    model: Names | None = None
    """The model name the client asks for; `*` stands for any characters."""
    operation: Annotated[tuple[Operation, ...], Field(min_length=1)] | None = None
    """What is asked for."""
    team: Names | None = None
    """The caller's team."""
    project: Names | None = None
    """The caller's project."""
    key: Names | None = None
    """The name of the caller's key."""
    region: Names | None = None
    """The caller's region."""
    label: Names | None = None
    """The sensitivity label of the request."""
    language: Names | None = None
    """The language of the request, as a two-letter code."""
    when: Annotated[str, Field(max_length=EXPRESSION_CHARACTERS_MAX)] | None = None
    """An expression over `req`, `caller`, `label` and `now`, in a subset of CEL."""


class RetentionLimit(Strict):
    """How long data may be kept."""

    max: Annotated[int, Field(ge=0)]
    """Days."""


class MustData(Strict):
    """What the operator may do with the data."""

    training: Literal[False] | None = None
    """`false`: deployments that train on it, or do not say, are out."""
    retention_days: RetentionLimit | None = None
    """Deployments that keep it longer, or do not say, are out."""


class Must(Strict):
    """Law and contract: never relaxed, whatever fails."""

    jurisdiction: Names | None = None
    """Whose law a deployment may be under."""
    region: Names | None = None
    """Where it may run."""
    operator: Names | None = None
    """Who may run it."""
    provider: Names | None = None
    """Which providers are allowed."""
    data: MustData | None = None
    """What may happen to the data."""


class MaxDuration(Strict):
    """An upper limit of a time."""

    max: DurationS


class MaxShare(Strict):
    """An upper limit of a share."""

    max: Share


class MaxNumber(Strict):
    """An upper limit of a number."""

    max: Annotated[float, Field(ge=0)]


class Should(Strict):
    """One wish: exactly one key. A candidate that misses it is sorted behind those that do not."""

    ttft_p50: MaxDuration | None = None
    """Median time to the first token."""
    ttft_p95: MaxDuration | None = None
    """95th percentile of the time to the first token."""
    latency_p50: MaxDuration | None = None
    """Median time to the whole reply."""
    latency_p95: MaxDuration | None = None
    """95th percentile of the time to the whole reply."""
    queue: MaxNumber | None = None
    """Requests waiting at the deployment."""
    error_rate: MaxShare | None = None
    """Share of failed attempts."""
    max_cost: MoneyUsd | None = None
    """Estimated cost of the request; an unknown cost misses it."""
    tag: Names | None = None
    """The deployment has one of these tags."""

    @model_validator(mode="after")
    def _one(self) -> Should:
        if len(self.model_fields_set) != 1 or getattr(self, self.name) is None:
            raise ValueError("a wish has exactly one key; write several as several list items")
        return self

    @property
    def name(self) -> str:
        """The key, which is what records and tests call the wish."""
        return next(iter(self.model_fields_set))


class Select(Strict):
    """Which deployments: all keys that are given must hold; of a list, any; `*` in a name stands
    for any characters."""

    model: Names | None = None
    """A model of the catalog, or a deployment's model."""
    deployment: Names | None = None
    """By name."""
    operator: Names | None = None
    """Who runs it."""
    provider: Names | None = None
    """Which backend speaks to it."""
    region: Names | None = None
    """Where it runs."""
    jurisdiction: Names | None = None
    """Whose law it is under."""
    tag: Names | None = None
    """It has one of these tags."""


class Tier(Strict):
    """A class of deployments that comes before those of the next tier."""

    name: Name | None = None
    """Shown in decision records; the first tier is `tier-1` if it has none."""
    select: Select
    """The deployments in it; `{}` is all of them."""


_OBJECTIVE = (
    r"^(cost|ttft_p50|ttft_p95|latency_p50|latency_p95|queue|error_rate|eval\.[A-Za-z0-9_.-]+)$"
)
Objective: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=_OBJECTIVE),
    Field(examples=["cost", "ttft_p95", "eval.helpdesk"]),
]
"""What to compare: `cost`, a metric, or `eval.NAME` of the model."""


class Prefer(Strict):
    """One objective: either `minimize` or `maximize`."""

    minimize: Objective | None = None
    maximize: Objective | None = None
    within: Share = 0.0
    """Candidates this close to the best count as equal, and the next objective decides."""

    @model_validator(mode="after")
    def _one(self) -> Prefer:
        if (self.minimize is None) == (self.maximize is None):
            raise ValueError("write either minimize or maximize")
        return self

    @property
    def objective(self) -> str:
        """What is compared."""
        return self.minimize or self.maximize or ""


Failure: TypeAlias = ErrorKind | Literal["no_candidate"]

_ALSO: dict[str, tuple[ErrorKind, ...]] = {
    "connect": ("connect", "reset"),
    "rate_limited": ("rate_limited", "quota"),
    "http_5xx": ("http_5xx", "overloaded", "malformed"),
    "no_candidate": (),
}
"""The words stand for what an operator means by them, whichever way a vendor puts it."""

DEFAULT_FAILURES: tuple[Failure, ...] = (
    "connect",
    "timeout",
    "http_5xx",
    "rate_limited",
    "auth",
    "not_found",
)


class Advance(Strict):
    """Which failures move on to the next candidate; nothing else does."""

    after: tuple[Failure, ...] = DEFAULT_FAILURES
    """`connect` includes broken connections, `rate_limited` used-up quotas, `http_5xx` overload and
    replies that make no sense. `no_candidate` (an empty tier) always moves on."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How many attempts in all."""
    deadline_s: DurationS = Field(default=120.0, alias="deadline")
    """How long all attempts may take together."""

    @property
    def kinds(self) -> frozenset[ErrorKind]:
        """The error kinds that move on."""
        return frozenset(
            kind
            for word in self.after
            for kind in _ALSO.get(word, (word,))
            if kind != "no_candidate"
        )


class Otherwise(Strict):
    """The refusal when no deployment may or can answer."""

    reject: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status."""
    code: Code
    """The stable code in the error envelope."""
    retry_after_s: DurationS | None = Field(default=None, alias="retry_after")
    """What `retry-after` says."""
    message: Annotated[str, Field(max_length=500)] | None = None
    """The sentence for the caller; one is made from the reasons if it is left out."""


class Guard(Strict):
    """A plugin that looks at content."""

    use: Name
    """The plugin, as `Gateway.spec.plugins` names it."""
    action: Literal["redact", "block"]
    """`redact` sends the text as the plugin changed it; `block` refuses where it would change."""


class Guards(Strict):
    """Plugins before and after the model. A guard that fails refuses the request."""

    input: tuple[Guard, ...] = ()
    """What looks at requests, in order."""
    output: tuple[Guard, ...] = ()
    """What looks at replies, in order."""


class Route(Strict):
    """Where the requests it takes may go. Routes are asked in order; the first match decides."""

    name: Name
    """Unique in the configuration."""
    match: Match
    """Which requests it takes; `{}` is all of them."""
    deny: bool = False
    """It refuses what it takes, also when its expression cannot be evaluated."""
    must: Must = Must()
    """Law and contract, never relaxed."""
    should: tuple[Should, ...] = ()
    """Wishes, most important first; candidates are compared by the first one they miss."""
    tiers: tuple[Tier, ...] = ()
    """The candidates, best class first."""
    prefer: tuple[Prefer, ...] = ()
    """The order inside a tier: the first objective decides, then the next."""
    droppable: tuple[Droppable, ...] = ()
    """Parameters a candidate may ignore; without this it must honour all that the caller set."""
    advance: Advance = Advance()
    """When the next candidate is tried."""
    timeouts: TimeoutLimits = TimeoutLimits()
    """Limits of one attempt, before those of the deployment."""
    guards: Guards = Guards()
    """Plugins that look at content."""
    otherwise: Otherwise
    """The refusal when nothing is left."""

    @model_validator(mode="after")
    def _tiers_or_deny(self) -> Route:
        if self.deny and self.tiers:
            raise ValueError("a route with `deny: true` has no tiers; remove one of the two")
        if not self.deny and not self.tiers:
            raise ValueError("a route needs tiers; `tiers: [{select: {}}]` takes every deployment")
        return self


class PolicySpec(Strict):
    """What a policy holds."""

    include: tuple[str, ...] = ()
    """Files to read with this one, by relative path."""
    routes: tuple[Route, ...] = ()
    """Asked in order; the first match decides."""
    tests: tuple[PolicyTest, ...] = ()
    """Cases that must hold; `headgate policy test` runs them without network."""

    @model_validator(mode="after")
    def _something(self) -> PolicySpec:
        if not self.routes and not self.tests:
            raise ValueError("a policy needs routes, or at least tests of other policies' routes")
        return self


class Policy(Strict):
    """Routes, and the tests that pin them down."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata | None = None
    spec: PolicySpec

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.metadata is not None:
            return self.metadata.name
        return self.spec.routes[0].name if self.spec.routes else "tests"


class Teams(Strict):
    """Whom an overlay is for."""

    team: Names
    """Names of teams."""


class OverlaySpec(Strict):
    """What an overlay tightens."""

    teams: Teams = Field(alias="for")
    """Whom it is for."""
    over: Names
    """The routes it tightens, or policies, by name."""
    must: Must = Must()
    """Intersected with the route's own."""
    guards: Guards = Guards()
    """Added to the route's own; of two actions for one plugin, `block` holds."""


class Overlay(Strict):
    """A team's own, stricter terms. It can only tighten: it adds no candidate."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Overlay"]
    metadata: Metadata
    spec: OverlaySpec
