"""From documents to something that decides quickly: all that can be settled before a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headgate.config import policy as spec
from headgate.config.catalog import Window
from headgate.config.experiment import Experiment
from headgate.config.policy import (
    Match,
    Otherwise,
    Overlay,
    Policy,
    Route,
)
from headgate.config.problems import did_you_mean
from headgate.routing.decision import DIRECT, Contract
from headgate.routing.documents import Documents, placed_routes
from headgate.routing.expressions import Expression, ExpressionError, parse
from headgate.routing.findings import Finding, PolicyError
from headgate.routing.globs import globbed
from headgate.routing.objectives import Objective, prepare
from headgate.routing.sites import NO_SURROUNDINGS, Fleet, Surroundings, build_site
from headgate.routing.terms import (
    LISTED_MUSTS,
    Terms,
    Tier,
    Wish,
    add_guards,
    build_terms,
    tiers_of,
    tighten,
    wishes,
)

_MATCHED = ("operation", "team", "project", "key", "region", "label", "language")


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """Which requests a route takes, besides the model name."""

    allowed: tuple[tuple[str, frozenset[str]], ...]
    when: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRoute:
    """A route with its terms for everyone and for teams with overlays, and for each arm."""

    name: str
    matcher: Matcher
    deny: bool
    wishes: tuple[Wish, ...]
    objectives: tuple[Objective, ...]
    droppable: frozenset[str]
    otherwise: Otherwise
    experiment: Experiment | None
    terms: Mapping[tuple[str | None, str | None], Terms]
    """(team, arm) → terms; `None` for teams without an overlay, and for no arm."""
    teams: frozenset[str]
    """The teams with terms of their own."""
    implied: bool = False
    """Made from the name of a deployment or its model, not from a policy."""


class Patterns:
    """The value of `match.model`; `None` fits every name."""

    def __init__(self, models: Sequence[str] | None) -> None:
        names = models or ()
        self.every = models is None
        self.exact = frozenset(name for name in names if "*" not in name)
        starts = [name for name in names if name.find("*") == len(name) - 1]
        self._prefixes = tuple(name[:-1] for name in starts)
        self._globs = [globbed(name) for name in names if "*" in name[:-1]]

    @property
    def open(self) -> bool:
        """Whether it fits names that are not written out."""
        return self.every or bool(self._prefixes) or bool(self._globs)

    def fit(self, model: str) -> bool:
        """Whether it fits this name."""
        if self.every or model in self.exact or model.startswith(self._prefixes):
            return True
        return bool(self._globs) and any(fits(model) for fits in self._globs)


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A whole configuration, ready to decide. Immutable: a reload makes a new one."""

    fleet: Fleet
    labels: tuple[str, ...]
    ranks: Mapping[str, int]
    windows: Mapping[str, Window]
    """The windows that expressions ask for."""
    routes: tuple[CompiledRoute, ...]
    by_model: Mapping[str, tuple[CompiledRoute, ...]]
    """The routes to ask for the model names that are written out anywhere."""
    by_pattern: tuple[tuple[Patterns, CompiledRoute], ...]
    """The routes that can take other model names."""
    direct: Mapping[str, CompiledRoute]
    """The implied routes, by the name a client asks for."""
    policy_digest: str
    catalog_digest: str

    @property
    def model_names(self) -> tuple[str, ...]:
        """What clients may ask for: names in routes, and everything that can be asked directly."""
        return tuple(self.by_model)

    def knows(self, model: str) -> bool:
        """Whether any route names or fits this model, or it can be asked directly."""
        fits = (p.fit(model) for p, _ in self.by_pattern if not p.every)
        return model in self.by_model or any(fits)

    def routes_for(self, model: str) -> Iterable[CompiledRoute]:
        """The routes whose `match.model` fits, in order."""
        found = self.by_model.get(model)
        if found is not None:
            return found
        return (route for patterns, route in self.by_pattern if patterns.fit(model))


def compile_documents(
    documents: Documents, surroundings: Surroundings = NO_SURROUNDINGS
) -> Compiled:
    """Check and prepare; raises `PolicyError` with everything that is wrong."""
    expressions, findings = _expressions(documents)
    catalog = documents.catalog
    ranks = {label: rank for rank, label in enumerate(catalog.sensitivity)}
    fleet = Fleet(
        [build_site(d, catalog.models, ranks, surroundings) for d in catalog.deployments],
        catalog.models,
    )
    builder = _Builder(documents, fleet, expressions)
    specs = [route for _, _, route in placed_routes(documents)]
    routes = [builder.route(policy, route) for policy, _, route in placed_routes(documents)]
    findings += [*builder.findings, *_check_experiments(documents), *_reserved(documents)]
    if findings:
        raise PolicyError(findings)
    patterns = [Patterns(route.match.model) for route in specs]
    direct = _direct_routes(fleet)
    asked_windows = {name for e in expressions.values() for name in e.mentions.windows}
    return Compiled(
        fleet=fleet,
        labels=catalog.sensitivity,
        ranks=ranks,
        windows={name: w for name, w in catalog.windows.items() if name in asked_windows},
        routes=tuple(routes),
        by_model=_by_model(patterns, routes, direct),
        by_pattern=tuple((p, r) for p, r in zip(patterns, routes, strict=True) if p.open),
        direct=direct,
        policy_digest=documents.policy_digest,
        catalog_digest=documents.catalog_digest,
    )


def _by_model(
    patterns: Sequence[Patterns], routes: Sequence[CompiledRoute], direct: Iterable[str]
) -> dict[str, tuple[CompiledRoute, ...]]:
    exact: dict[str, list[int]] = {name: [] for name in direct}
    for position, pattern in enumerate(patterns):
        for name in pattern.exact:
            exact.setdefault(name, []).append(position)
    wide = [position for position, pattern in enumerate(patterns) if pattern.open]
    return {
        name: tuple(
            routes[position]
            for position in sorted({*positions, *(p for p in wide if patterns[p].fit(name))})
        )
        for name, positions in exact.items()
    }


def _expressions(documents: Documents) -> tuple[dict[str, Expression], list[Finding]]:
    """Route name → its expression, and those that are wrong."""
    parsed: dict[str, Expression] = {}
    findings: list[Finding] = []
    windows = documents.catalog.windows
    for policy, place, route in placed_routes(documents):
        if route.match.when is None:
            continue
        where = (*place, "match", "when")
        try:
            expression = parse(route.match.when)
        except ExpressionError as error:
            findings.append(Finding(policy, where, str(error)))
            continue
        parsed[route.name] = expression
        for name in sorted(expression.mentions.windows - windows.keys()):
            message = f"there is no window `{name}`{did_you_mean(name, windows)}"
            findings.append(Finding(policy, where, message))
    return parsed, findings


def _reserved(documents: Documents) -> Iterator[Finding]:
    for policy, place, route in placed_routes(documents):
        if route.name == DIRECT:
            message = "this name is kept for requests that name a deployment; choose another"
            yield Finding(policy, (*place, "name"), message)


def _check_experiments(documents: Documents) -> Iterator[Finding]:
    denying = {route.name for _, _, route in placed_routes(documents) if route.deny}
    taken: set[str] = set()
    for experiment in documents.experiments:
        name = experiment.spec.route
        if name in denying:
            message = f"route `{name}` denies; it has nothing to try"
            yield Finding(experiment, ("spec", "route"), message)
        if name in taken:
            message = f"route `{name}` has an experiment already"
            yield Finding(experiment, ("spec", "route"), message)
        taken.add(name)


class _Builder:
    """Builds routes; collects what is wrong with overlays on the way."""

    def __init__(
        self, documents: Documents, fleet: Fleet, expressions: Mapping[str, Expression]
    ) -> None:
        self._fleet = fleet
        self._expressions = expressions
        self._overlays = documents.overlays
        self._experiments = {e.spec.route: e for e in documents.experiments}
        self.findings: list[Finding] = []

    def route(self, policy: Policy, route: Route) -> CompiledRoute:
        """The route with its terms for every team and arm."""
        experiment = self._experiments.get(route.name)
        overlays = self._overlays_of(policy, route)
        contracts: dict[str | None, Contract] = {}
        contracts[None] = Contract(route.must, route.guards, route.advance)
        contracts |= {team: self._tightened(route, o) for team, o in overlays.items()}
        return CompiledRoute(
            name=route.name,
            matcher=_matcher(route.match, self._expressions.get(route.name)),
            deny=route.deny,
            wishes=wishes(route.should),
            objectives=tuple(map(prepare, route.prefer)),
            droppable=frozenset(route.droppable),
            otherwise=route.otherwise,
            experiment=experiment,
            terms={
                (team, arm): build_terms(self._fleet, route, tiers, contract)
                for team, contract in contracts.items()
                for arm, tiers in _tiers_by_arm(route, experiment)
            },
            teams=frozenset(overlays),
        )

    def _overlays_of(self, policy: Policy, route: Route) -> dict[str, list[Overlay]]:
        names = {route.name, policy.metadata.name if policy.metadata else route.name}
        by_team: dict[str, list[Overlay]] = {}
        for overlay in self._overlays:
            if names.intersection(overlay.spec.over):
                for team in overlay.spec.teams.team:
                    by_team.setdefault(team, []).append(overlay)
        return by_team

    def _tightened(self, route: Route, overlays: Iterable[Overlay]) -> Contract:
        must, guards = route.must, route.guards
        for overlay in overlays:
            must = tighten(must, overlay.spec.must)
            guards = add_guards(guards, overlay.spec.guards)
            for code in LISTED_MUSTS:
                if getattr(must, code) == ():
                    message = f"nothing satisfies both this and `must` of route `{route.name}`"
                    self.findings.append(Finding(overlay, ("spec", "must", code), message))
        return Contract(must, guards, route.advance)


def _tiers_by_arm(
    route: Route, experiment: Experiment | None
) -> Iterator[tuple[str | None, list[Tier]]]:
    own = list(tiers_of(route))
    yield None, own
    if experiment is not None:
        statuses = frozenset({"approved", *experiment.spec.allow_status})
        for name, arm in experiment.spec.arms.items():
            yield name, [Tier(name, arm.select, statuses), *own]


def _matcher(match: Match, when: Expression | None) -> Matcher:
    allowed = ((key, getattr(match, key)) for key in _MATCHED)
    return Matcher(tuple((key, frozenset(v)) for key, v in allowed if v is not None), when)


def _direct_routes(fleet: Fleet) -> dict[str, CompiledRoute]:
    return {name: _direct(fleet, places) for name, places in fleet.directly().items()}


def _direct(fleet: Fleet, positions: Iterable[int]) -> CompiledRoute:
    names = tuple(fleet.names[position] for position in positions)
    route = Route(
        name=DIRECT,
        match=Match(),
        tiers=(spec.Tier(name=DIRECT, select=spec.Select(deployment=names)),),
        otherwise=Otherwise(reject=503, code="no_eligible_deployment"),
    )
    contract = Contract(spec.Must(), spec.Guards(), spec.Advance())
    return CompiledRoute(
        name=DIRECT,
        matcher=Matcher((), None),
        deny=False,
        wishes=(),
        objectives=(),
        droppable=frozenset(),
        otherwise=route.otherwise,
        experiment=None,
        terms={(None, None): build_terms(fleet, route, list(tiers_of(route)), contract)},
        teams=frozenset(),
        implied=True,
    )
