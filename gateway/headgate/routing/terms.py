"""Routes, prepared: which deployments each may use, in which tier, and what it drops for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.config.catalog import Deployment
from headgate.config.policy import (
    Guard,
    Guards,
    Must,
    MustData,
    RetentionLimit,
    Route,
    Select,
    Should,
)
from headgate.config.policy_test import ReasonCode
from headgate.routing.decision import Contract, Dropped
from headgate.routing.sites import Fleet, Site, limits
from headgate_providers.sdk import Timeouts

LISTED_MUSTS: tuple[ReasonCode, ...] = ("jurisdiction", "region", "operator", "provider")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A deployment in a tier of a route, as far as it is settled before any request.

    `tag_misses` are the positions of the `tag` wishes it does not meet.
    """

    site: Site
    tier: int
    tier_name: str
    timeouts: Timeouts
    tag_misses: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A route as one team sees it, in one arm of its experiment (or in none)."""

    entries: tuple[Entry, ...]
    dropped: tuple[Dropped, ...]
    contract: Contract


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """A prepared item of `should`; limits in seconds, fractions, counts or femto-USD.

    A tag has no limit here: whether a deployment has it is settled in its `Entry`.
    """

    name: str
    limit: float

    def met_by(self, cost_femto_usd: int | None, metrics: Mapping[str, float]) -> bool:
        """Whether the limit is kept. An unknown metric keeps it, an unknown cost does not."""
        if self.name == "max_cost":
            return cost_femto_usd is not None and cost_femto_usd <= self.limit
        return metrics.get(self.name, 0.0) <= self.limit


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """A tier with the model statuses it admits."""

    name: str
    select: Select
    statuses: frozenset[str]


def wishes(should: Iterable[Should]) -> tuple[Wish, ...]:
    """The wishes of a route."""
    return tuple(Wish(wish.name, _limit(wish)) for wish in should)


def _limit(wish: Should) -> float:
    if wish.tag is not None:
        return 0.0
    if wish.max_cost is not None:
        return float(wish.max_cost.scaleb(15))
    limit: float = getattr(wish, wish.name).max
    return limit


def build_terms(fleet: Fleet, route: Route, tiers: Sequence[Tier], contract: Contract) -> Terms:
    """Settle all that does not depend on the request. The first tier that selects one has it."""
    entries: dict[int, Entry] = {}
    dropped: dict[int, Dropped] = {}
    for rank, tier in enumerate(tiers):
        for position in fleet.select(tier.select):
            if position in entries:
                continue
            site = fleet.sites[position]
            drop = violation(contract.must, site.deployment) or _unfit(site, tier.statuses)
            if drop is not None:
                dropped.setdefault(position, drop)
                continue
            dropped.pop(position, None)
            entries[position] = _entry(site, rank, tier.name, route)
    return Terms(tuple(entries.values()), tuple(dropped.values()), contract)


def _entry(site: Site, rank: int, tier_name: str, route: Route) -> Entry:
    tags = site.deployment.tags
    return Entry(
        site=site,
        tier=rank,
        tier_name=tier_name,
        timeouts=Timeouts(**{**site.timeouts, **limits(route.timeouts)}),
        tag_misses=frozenset(
            place
            for place, wish in enumerate(route.should)
            if wish.tag is not None and not any(tag in tags for tag in wish.tag)
        ),
    )


def _unfit(site: Site, statuses: frozenset[str]) -> Dropped | None:
    if site.status not in statuses:
        return Dropped(site.name, "status", f"model {site.deployment.model} is {site.status}")
    return None


def violation(must: Must, deployment: Deployment) -> Dropped | None:
    """The first line of `must` that the deployment does not keep; unknown never keeps one."""
    for code in LISTED_MUSTS:
        allowed, value = getattr(must, code), getattr(deployment, code)
        if allowed is not None and value not in allowed:
            reason = f"must.{code}: {value or 'unknown'} not in [{', '.join(allowed)}]"
            return Dropped(deployment.name, code, reason)
    return _data_violation(must.data, deployment) if must.data else None


def _data_violation(must: MustData, deployment: Deployment) -> Dropped | None:
    data = deployment.data
    if must.training is False and (data is None or data.training):
        stated = "not stated" if data is None else "the operator trains on it"
        return Dropped(deployment.name, "training", f"must.data.training: {stated}")
    limit = must.retention_days
    if limit is not None and (data is None or data.retention_days > limit.max):
        stated = "not stated" if data is None else f"{data.retention_days} days, over {limit.max}"
        return Dropped(deployment.name, "retention_days", f"must.data.retention_days: {stated}")
    return None


def tighten(must: Must, more: Must) -> Must:
    """What satisfies both. A list without a common name stays empty: nothing satisfies it."""
    both: dict[str, Any] = {
        code: _both(getattr(must, code), getattr(more, code)) for code in LISTED_MUSTS
    }
    return must.model_copy(update={**both, "data": _both_data(must.data, more.data)})


def _both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(name for name in one if name in other)


def _both_data(one: MustData | None, other: MustData | None) -> MustData | None:
    if one is None or other is None:
        return one or other
    limits = [d.retention_days.max for d in (one, other) if d.retention_days is not None]
    return MustData(
        training=False if False in (one.training, other.training) else None,
        retention_days=RetentionLimit(max=min(limits)) if limits else None,
    )


def add_guards(guards: Guards, more: Guards) -> Guards:
    """Both, each plugin once; of two actions `block` holds."""
    return Guards(
        input=_each_once((*guards.input, *more.input)),
        output=_each_once((*guards.output, *more.output)),
    )


def _each_once(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    by_name: dict[str, Guard] = {}
    for guard in guards:
        if guard.use not in by_name or guard.action == "block":
            by_name[guard.use] = guard
    return tuple(by_name.values())


def tiers_of(route: Route) -> Iterator[Tier]:
    """The route's own tiers: approved models only."""
    for number, tier in enumerate(route.tiers, 1):
        yield Tier(tier.name or f"tier-{number}", tier.select, frozenset({"approved"}))
