"""Runs the tests inside documents: no network, no clock, no environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from headgate.config.experiment import Experiment
from headgate.config.policy import Policy
from headgate.config.policy_test import Expect, Given, GivenWorld, PolicyTest
from headgate.config.problems import did_you_mean
from headgate.routing.compile import Compiled, compile_documents
from headgate.routing.decision import Decision
from headgate.routing.documents import Documents, Place, placed_routes
from headgate.routing.experiments import assign
from headgate.routing.facts import Caller, RequestFacts, World
from headgate.routing.findings import Finding
from headgate.routing.plan import plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment of a test that does not give one."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One test with what was not as expected; `decision` is `None` for an experiment's test."""

    document: Policy | Experiment
    place: Place
    name: str
    mistakes: tuple[str, ...]
    decision: Decision | None = None

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.mistakes


def run_tests(documents: Documents) -> list[Result]:
    """All tests of all policies and experiments. Raises `PolicyError`."""
    compiled = compile_documents(documents)
    results = [
        _run(compiled, policy, index, test)
        for policy in documents.policies
        for index, test in enumerate(policy.spec.tests)
    ]
    return results + [r for experiment in documents.experiments for r in _arms(experiment)]


def coverage(documents: Documents, results: list[Result]) -> list[Finding]:
    """Routes, refusal codes and wishes that no test has looked at.

    A wish is looked at when a candidate misses it in some test; a refusal when it is given.
    """
    decisions = [result.decision for result in results if result.decision is not None]
    routes = {decision.route for decision in decisions}
    refused = {(d.route, d.refusal.code) for d in decisions if d.refusal is not None}
    missed = {(d.route, name) for d in decisions for c in d.candidates for name in c.missed}
    gaps: list[Finding] = []
    for policy, place, route in placed_routes(documents):
        if route.name not in routes:
            gaps.append(Finding(policy, (*place, "name"), f"no test reaches route `{route.name}`"))
            continue
        if (route.name, route.otherwise.code) not in refused:
            message = f"no test of route `{route.name}` expects its refusal"
            gaps.append(Finding(policy, (*place, "otherwise", "code"), message))
        for index, wish in enumerate(route.should):
            if (route.name, wish.name) not in missed:
                message = f"no test of route `{route.name}` has a candidate that misses it"
                gaps.append(Finding(policy, (*place, "should", index), message))
    return gaps


def facts_of(given: Given) -> RequestFacts:
    """The facts a test describes."""
    request = given.request
    return RequestFacts(
        model=request.model,
        operation=request.operation,
        features=frozenset(request.features),
        modalities=frozenset(request.modalities),
        tokens_in=request.tokens_in,
        tokens_out=request.tokens_out,
        language=request.language,
        metadata=request.metadata,
        caller=Caller(**given.caller.model_dump()),
        label=given.label,
        stream=request.stream,
        conversation=given.conversation,
    )


def world_of(given: GivenWorld) -> World:
    """The world a test describes."""
    return World(
        now=given.now or NOW,
        down=given.down,
        metrics={name: metrics.known for name, metrics in given.metrics.items()},
        budgets=given.budget,
        snapshot_id="test",
    )


def _run(compiled: Compiled, policy: Policy, index: int, test: PolicyTest) -> Result:
    decision = plan(compiled, facts_of(test.given), world_of(test.world))
    mistakes = (*_unknown_names(compiled, test), *_compared(test.expect, decision))
    return Result(policy, ("spec", "tests", index), test.name, mistakes, decision)


def _unknown_names(compiled: Compiled, test: PolicyTest) -> Iterator[str]:
    """Deployments that a test speaks of and nobody has: it would pass for the wrong reason."""
    known = compiled.fleet.names
    spoken = (*test.world.down, *test.world.metrics, *test.expect.because, *test.expect.skipped)
    for name in dict.fromkeys(spoken):
        if name not in known:
            yield f"there is no deployment `{name}`{did_you_mean(name, known)}"


_COMPARED: dict[str, Callable[[Decision], object]] = {
    "route": lambda d: d.route,
    "tier": lambda d: d.chosen and d.chosen.tier,
    "deployment": lambda d: d.chosen and d.chosen.name,
    "plan": lambda d: d.order,
    "deny": lambda d: d.refusal and d.refusal.code,
    "no_match": lambda d: d.unrouted,
    "arm": lambda d: d.arm,
}


def _compared(expect: Expect, decision: Decision) -> Iterator[str]:
    for key, found in _COMPARED.items():
        wanted = getattr(expect, key)
        if wanted is not None and wanted != found(decision):
            yield f"{key}: expected {_shown(wanted)}, got {_shown(found(decision))}"
    if expect.relaxed is not None:
        missed = decision.chosen.missed if decision.chosen else ()
        if sorted(expect.relaxed) != sorted(missed):
            yield f"relaxed: expected {_shown(expect.relaxed)}, got {_shown(missed)}"
    reasons = decision.reasons
    for key, wanted_reasons in (("because", expect.because), ("skipped", expect.skipped)):
        for name, code in wanted_reasons.items():
            if reasons.get(name) != code:
                got = reasons.get(name, "it is a candidate")
                yield f"{key}: expected {name} to be dropped for {code}, got {got}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "nothing" if value is None else str(value)


def _arms(experiment: Experiment) -> Iterator[Result]:
    for index, test in enumerate(experiment.spec.tests):
        arm = assign(experiment.spec, test.given.conversation)
        wanted = test.expect.arm
        mistakes = () if arm == wanted else (f"arm: expected {wanted}, got {arm}",)
        name = f"{test.given.conversation} is in arm {wanted}"
        yield Result(experiment, ("spec", "tests", index), name, mistakes)
