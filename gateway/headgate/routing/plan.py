"""The decision: from facts and world to an ordered list of candidates. Pure.

The same documents, facts and world always give the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.routing import refusals
from headgate.routing.compile import Compiled, CompiledRoute
from headgate.routing.decision import Candidate, Decision, Dropped, Refusal
from headgate.routing.experiments import assign
from headgate.routing.expressions import EvaluationError, bind
from headgate.routing.facts import RequestFacts, World
from headgate.routing.ranking import Ranked, ordered
from headgate.routing.sites import MODEL_FEATURES, Site, primary_language, seed
from headgate.routing.terms import Entry, Terms

_TEXT = frozenset({"text"})
_NO_METRICS: Mapping[str, float] = {}


def plan(compiled: Compiled, facts: RequestFacts, world: World) -> Decision:
    """Decide one request. Never raises for what a caller can send."""
    label = compiled.labels[0] if facts.label is None else facts.label
    matching = _Matching(compiled, facts, label, world)
    route = matching.first() or compiled.direct.get(facts.model)
    common: dict[str, Any] = {
        "facts": facts,
        "label": label,
        "policy_digest": compiled.policy_digest,
        "catalog_digest": compiled.catalog_digest,
        "snapshot_id": world.snapshot_id,
        "fleet": compiled.fleet.names,
        "failed_expressions": matching.failed,
    }
    if route is None:
        if compiled.knows(facts.model):
            return Decision("no_match", refusal=refusals.no_match(facts.model), **common)
        return Decision("unknown_model", refusal=refusals.unknown_model(facts.model), **common)
    common["route"] = route.name
    if route.deny:
        return Decision("denied", refusal=refusals.denied(route.otherwise), **common)
    arm, terms = _terms(route, facts)
    candidates, dropped = _Eligibility(compiled, facts, label, world).sort(route, terms)
    return Decision(
        "planned" if candidates else "refused",
        arm=arm,
        contract=terms.contract,
        candidates=candidates,
        dropped=dropped,
        refusal=None if candidates else _refusal(facts.model, route, dropped),
        **common,
    )


def _refusal(model: str, route: CompiledRoute, dropped: Sequence[Dropped]) -> Refusal:
    if route.implied:
        return refusals.nothing_left_of(model, route.otherwise, dropped)
    return refusals.nothing_left(route.otherwise, dropped)


class _Matching:
    """Asks the routes in order; binds the expressions' values at first need."""

    def __init__(self, compiled: Compiled, facts: RequestFacts, label: str, world: World) -> None:
        self._compiled = compiled
        self._facts = facts
        self._label = label
        self._world = world
        self._bindings: Any = None
        self.failed: dict[str, str] = {}

    def first(self) -> CompiledRoute | None:
        """The first route that takes the request."""
        facts, caller = self._facts, self._facts.caller
        language = facts.language
        known: dict[str, str | None] = {
            "operation": facts.operation,
            "team": caller.team,
            "project": caller.project,
            "key": caller.key,
            "region": caller.region,
            "label": self._label,
            "language": None if language is None else primary_language(language),
        }
        for route in self._compiled.routes_for(facts.model):
            if all(known[key] in allowed for key, allowed in route.matcher.allowed) and (
                route.matcher.when is None or self._holds(route)
            ):
                return route
        return None

    def _holds(self, route: CompiledRoute) -> bool:
        assert route.matcher.when is not None
        if self._bindings is None:
            self._bindings = bind(self._facts, self._label, self._world, self._compiled.windows)
        try:
            return route.matcher.when.holds(self._bindings)
        except EvaluationError as error:
            self.failed[route.name] = str(error)
            return route.deny


def _terms(route: CompiledRoute, facts: RequestFacts) -> tuple[str | None, Terms]:
    arm = None
    if route.experiment is not None and facts.conversation is not None:
        arm = assign(route.experiment.spec, facts.conversation)
    team = facts.caller.team
    return arm, route.terms[team if team in route.teams else None, arm]


class _Eligibility:
    """What a request needs, and which deployments have it."""

    def __init__(self, compiled: Compiled, facts: RequestFacts, label: str, world: World) -> None:
        self._facts = facts
        self._world = world
        self._label = label
        self._labels = compiled.labels
        self._rank = compiled.ranks.get(label, len(compiled.labels))
        beyond_text = facts.modalities - _TEXT
        self._features = facts.features | beyond_text
        self._of_model = facts.features & MODEL_FEATURES
        self._modalities = facts.modalities
        self._tokens_out = 0 if facts.operation == "embeddings" else facts.tokens_out
        self._tokens = facts.tokens_in + self._tokens_out
        language = facts.language
        self._language = None if language is None else primary_language(language)

    def sort(
        self, route: CompiledRoute, terms: Terms
    ) -> tuple[tuple[Candidate, ...], tuple[Dropped, ...]]:
        """The candidates in order, and the others with their reasons."""
        kept: list[Ranked] = []
        dropped: list[Dropped] = list(terms.dropped)
        for entry in terms.entries:
            drop = self._unfit(entry.site, route.droppable)
            if drop is None:
                kept.append(self._ranked(entry, route))
            else:
                dropped.append(drop)
        request_id = self._facts.request_id
        lot = None if request_id is None else seed(request_id)
        ranked = ordered(kept, route.objectives, lot) if len(kept) > 1 else kept
        return tuple([item.candidate for item in ranked]), tuple(dropped)

    def _unfit(self, site: Site, droppable: frozenset[str]) -> Dropped | None:
        """The first implicit must the deployment does not keep, in the order of `ReasonCode`."""
        name, operation = site.name, self._facts.operation
        if site.clearance < self._rank:
            cleared = self._labels[site.clearance]
            return Dropped(name, "clearance", f"cleared for {cleared}, not {self._label}")
        able, speaks = site.able, site.speaks
        if (able is not None and operation not in able) or (
            speaks is not None and operation not in speaks
        ):
            return Dropped(name, "operation", f"does not do {operation}")
        if site.takes is not None and not self._modalities <= site.takes:
            return Dropped(name, "modality", f"no {_words(self._modalities - site.takes)} input")
        if able is not None and not (lacking := self._of_model - droppable) <= able:
            return Dropped(name, "capability", f"no {_words(lacking - able)}")
        language = self._language
        if language is not None and site.languages is not None and language not in site.languages:
            return Dropped(name, "language", f"{language} is not among its languages")
        if site.context is not None and self._tokens > site.context:
            return Dropped(name, "context", f"{self._tokens} tokens, context {site.context}")
        if speaks is not None and not (lacking := self._features - droppable) <= speaks:
            return Dropped(name, "parameter", f"cannot express {_words(lacking - speaks)}")
        if name in self._world.down:
            return Dropped(name, "circuit", self._world.down[name])
        return None

    def _ranked(self, entry: Entry, route: CompiledRoute) -> Ranked:
        site = entry.site
        cost = self._cost(site)
        metrics = self._world.metrics.get(site.name, _NO_METRICS)
        missed = []
        for place, wish in enumerate(route.wishes):
            if wish.met_by(cost, metrics) and place not in entry.tag_misses:
                continue
            missed.append(place)
        candidate = Candidate(
            site.deployment,
            entry.tier_name,
            tuple([route.wishes[place].name for place in missed]),
            self._ignored(site) if route.droppable else (),
            entry.timeouts,
            cost,
        )
        grade = (-(missed[0] if missed else len(route.wishes)), entry.tier)
        values = tuple([objective.read(site, cost, metrics) for objective in route.objectives])
        return Ranked(candidate, site, grade, values)

    def _cost(self, site: Site) -> int | None:
        """The estimate in femto-USD; `None` if a price that matters is unknown."""
        if site.price_in is None or (self._tokens_out and site.price_out is None):
            return None
        return self._facts.tokens_in * site.price_in + self._tokens_out * (site.price_out or 0)

    def _ignored(self, site: Site) -> tuple[str, ...]:
        """What the caller set and a kept deployment lacks; it can only be droppable."""
        lacking = set() if site.speaks is None else self._features - site.speaks
        if site.able is not None:
            lacking |= self._of_model - site.able
        return tuple(sorted(lacking))


def _words(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
