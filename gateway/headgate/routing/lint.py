"""What is doubtful in documents that are valid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from headgate.config.policy import Match, Policy, Prefer, Route, Select, Should
from headgate.config.problems import did_you_mean
from headgate.routing.compile import Compiled, CompiledRoute, compile_documents
from headgate.routing.documents import Documents, Place, placed_routes
from headgate.routing.findings import Document, Finding, Severity
from headgate.routing.globs import globbed
from headgate.routing.terms import LISTED_MUSTS
from headgate_providers.sdk import FEATURES

_KEYS = ("operation", "team", "project", "key", "region", "label", "language")


def lint(documents: Documents, today: date) -> list[Finding]:
    """Everything worth a look. Raises `PolicyError` if the documents are not even valid."""
    compiled = compile_documents(documents)
    findings = [*_overdue(documents, today), *_unreachable(documents)]
    for (policy, place, spec), route in zip(placed_routes(documents), compiled.routes, strict=True):
        findings += _Linter(compiled, documents, policy, place).route(spec, route)
    return [*findings, *_idle_arms(documents, compiled)]


def _overdue(documents: Documents, today: date) -> Iterator[Finding]:
    reviewed: list[Document] = [
        *documents.policies,
        *documents.overlays,
        *documents.experiments,
        *documents.budgets,
    ]
    for document in reviewed:
        review_by = document.metadata.review_by if document.metadata else None
        if review_by is not None and review_by < today:
            message = f"the review was due on {review_by}; read it again and set a new date"
            yield Finding(document, ("metadata", "review_by"), message, "warning")


def _unreachable(documents: Documents) -> Iterator[Finding]:
    earlier: list[Route] = []
    for policy, place, route in placed_routes(documents):
        for other in earlier:
            if _covers(other.match, route.match):
                message = f"nothing gets here: route `{other.name}` takes all of it before"
                yield Finding(policy, (*place, "name"), message, "warning")
                break
        earlier.append(route)


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether `wide` certainly takes everything that `narrow` takes."""
    if wide.when is not None and wide.when != narrow.when:
        return False
    for key in _KEYS:
        allowed, asked = getattr(wide, key), getattr(narrow, key)
        if allowed is not None and (asked is None or not set(asked) <= set(allowed)):
            return False
    if wide.model is None or narrow.model is None:
        return wide.model is None
    return all(any(globbed(w)(name) for w in wide.model) for name in narrow.model)


def _idle_arms(documents: Documents, compiled: Compiled) -> Iterator[Finding]:
    routes = {route.name: route for route in compiled.routes}
    for experiment in documents.experiments:
        terms = routes[experiment.spec.route].terms
        for name in experiment.spec.arms:
            if not any(entry.tier == 0 for entry in terms[None, name].entries):
                message = f"no deployment may serve arm `{name}`; the route's tiers answer for it"
                yield Finding(experiment, ("spec", "arms", name, "select"), message, "warning")


class _Linter:
    """The checks of one route."""

    def __init__(
        self, compiled: Compiled, documents: Documents, policy: Policy, place: Place
    ) -> None:
        self._compiled = compiled
        self._documents = documents
        self._policy = policy
        self._place = place

    def route(self, spec: Route, route: CompiledRoute) -> Iterator[Finding]:
        """Everything doubtful about the route."""
        yield from self._expression(route)
        if spec.deny:
            return
        yield from self._capacity(spec, route)
        yield from self._tiers(spec)
        for code in LISTED_MUSTS:
            yield from self._names(code, getattr(spec.must, code) or (), "must", code)
        for index, wish in enumerate(spec.should):
            yield from self._wish(wish, index)
        for index, prefer in enumerate(spec.prefer):
            yield from self._objective(prefer, index)

    def _found(self, message: str, severity: Severity, *below: str | int) -> Finding:
        return Finding(self._policy, (*self._place, *below), message, severity)

    def _capacity(self, spec: Route, route: CompiledRoute) -> Iterator[Finding]:
        for (team, arm), terms in route.terms.items():
            if arm is None and not terms.entries:
                whose = f" of team `{team}`" if team else ""
                message = f"no deployment may serve requests{whose}; every one gets the refusal"
                yield self._found(message, "warning", "name")
        for index, label in enumerate(spec.match.label or ()):
            rank = self._compiled.ranks[label]
            entries = route.terms[None, None].entries
            if entries and all(entry.site.clearance < rank for entry in entries):
                message = f"no deployment of the route is cleared for `{label}`"
                yield self._found(message, "warning", "match", "label", index)

    def _tiers(self, spec: Route) -> Iterator[Finding]:
        before: set[int] = set()
        for index, tier in enumerate(spec.tiers):
            selected = set(self._compiled.fleet.select(tier.select))
            at = ("tiers", index, "select")
            yield from self._selection(tier.select, *at)
            if not selected:
                yield self._found("it selects no deployment", "warning", *at)
            elif selected <= before:
                message = "earlier tiers have all its deployments already"
                yield self._found(message, "warning", *at)
            before |= selected

    def _selection(self, select: Select, *at: str | int) -> Iterator[Finding]:
        for key in ("operator", "provider", "region", "jurisdiction", "tag"):
            yield from self._names(key, getattr(select, key) or (), *at, key)

    def _names(self, key: str, names: Iterable[str], *at: str | int) -> Iterator[Finding]:
        """Words that no deployment has: a warning if none of them is known or one is misspelt."""
        known = self._compiled.fleet.known(key)
        given = tuple(names)
        strange = [name for name in given if not any(map(globbed(name), known))]
        for name in strange:
            hint = did_you_mean(name, known)
            severity: Severity = "warning" if hint or len(strange) == len(given) else "note"
            message = f"no deployment has the {key} `{name}`{hint}"
            yield self._found(message, severity, *at)

    def _wish(self, wish: Should, index: int) -> Iterator[Finding]:
        at = ("should", index, wish.name)
        if wish.tag is not None:
            yield from self._names("tag", wish.tag, *at)
            return
        if wish.error_rate is not None and wish.error_rate.max >= 1:
            yield self._found("no error rate is above 100%; it is never missed", "warning", *at)
        if wish.name.startswith(("ttft", "latency")) and getattr(wish, wish.name).max == 0:
            yield self._found("nothing takes no time; it is always missed", "warning", *at)

    def _objective(self, prefer: Prefer, index: int) -> Iterator[Finding]:
        known = {name for model in self._documents.catalog.models.values() for name in model.evals}
        key = "minimize" if prefer.minimize else "maximize"
        name = prefer.objective.removeprefix("eval.")
        if prefer.objective.startswith("eval.") and name not in known:
            message = f"no model has the evaluation `{name}`{did_you_mean(name, known)}"
            yield self._found(message, "warning", "prefer", index, key)
        elif (key == "minimize") == prefer.objective.startswith("eval."):
            message = f"it prefers the worst: {key} {prefer.objective}"
            yield self._found(message, "warning", "prefer", index, key)

    def _expression(self, route: CompiledRoute) -> Iterator[Finding]:
        if route.matcher.when is None:
            return
        mentions, at = route.matcher.when.mentions, ("match", "when")
        for path in sorted(mentions.unguarded):
            message = f"`{path}` may be absent, and then the comparison is false"
            yield self._found(f"{message}; write has({path}) if you mean that", "note", *at)
        scopes = {row.scope for budget in self._documents.budgets for row in budget.spec.scopes}
        for scope in sorted(mentions.budgets - scopes):
            message = f'no Budget document has the scope `{scope}`; budget("{scope}") is unknown'
            yield self._found(message, "note", *at)
        for path, operator, value in mentions.comparisons:
            yield from self._comparison(path, operator, value)

    def _comparison(self, path: str, operator: str, value: str | float) -> Iterator[Finding]:
        """Comparisons that can never be true."""
        known = self._vocabulary(path)
        if isinstance(value, str):
            if known is not None and value not in known:
                message = f"`{path}` is never `{value}`{did_you_mean(value, known)}"
                yield self._found(message, "warning", "match", "when")
        elif path.startswith("budget(") and operator in (">", ">=") and value > 1:
            message = f"{path} is a fraction, 1.0 when all is used; {value:g} is never reached"
            yield self._found(message, "warning", "match", "when")

    def _vocabulary(self, path: str) -> Iterable[str] | None:
        return {
            "label": self._compiled.labels,
            "req.operation": ("chat", "completion", "embeddings"),
            "req.features": FEATURES,
            "req.modalities": ("text", "image", "audio", "document"),
        }.get(path)
