"""Whatever the world: no must is violated, order is stable, the same input decides the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.config.policy import Must, Prefer
from headgate.routing.facts import RequestFacts, World
from headgate.routing.objectives import prepare
from headgate.routing.plan import plan
from headgate.routing.ranking import Ranked, ordered
from headgate.routing.terms import violation
from tests.gateway.routing.routing_documents import NOW, compiled, facts, overlay, route

LABELS = ("public", "internal", "confidential", "restricted")
NAMES = [f"d{n}" for n in range(6)]
maybe = st.none


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=3, unique=True)


deployments = st.lists(
    st.fixed_dictionaries(
        {"model": st.sampled_from(["small", "large"])},
        optional={
            "jurisdiction": st.sampled_from(["EU", "US"]),
            "region": st.sampled_from(["x", "y"]),
            "operator": st.sampled_from(["self", "v"]),
            "clearance": st.sampled_from(LABELS),
            "data": st.fixed_dictionaries(
                {"training": st.booleans(), "retention_days": st.sampled_from([0, 30, 90])}
            ),
            "price": st.fixed_dictionaries({"in": st.integers(0, 5), "out": st.integers(0, 5)}),
        },
    ),
    min_size=1,
    max_size=6,
).map(lambda given: [{**one, "name": name} for name, one in zip(NAMES, given, strict=False)])

musts = st.fixed_dictionaries(
    {},
    optional={
        "jurisdiction": some(st.sampled_from(["EU", "US"])),
        "region": some(st.sampled_from(["x", "y"])),
        "operator": some(st.sampled_from(["self", "v"])),
        "data": st.sampled_from(
            [
                {"training": False},
                {"retention_days": {"max": 30}},
                {"training": False, "retention_days": {"max": 0}},
            ]
        ),
    },
)
objectives = st.lists(
    st.builds(
        lambda goal, what, within: {goal: what, "within": f"{within}%"},
        st.sampled_from(["minimize", "maximize"]),
        st.sampled_from(["cost", "ttft_p95", "queue", "eval.score"]),
        st.sampled_from([0, 10, 100]),
    ),
    max_size=3,
)
worlds = st.builds(
    World,
    now=st.just(NOW),
    down=st.dictionaries(st.sampled_from(NAMES), st.just("circuit open"), max_size=3),
    metrics=st.dictionaries(
        st.sampled_from(NAMES),
        st.dictionaries(st.sampled_from(["ttft_p95", "queue"]), st.floats(0, 1e6), max_size=2),
        max_size=6,
    ),
)
requests = st.builds(
    facts,
    st.just("m"),
    team=st.sampled_from([None, "strict"]),
    label=st.sampled_from([None, *LABELS, "strange"]),
    features=st.frozensets(st.sampled_from(["tools", "seed"]), max_size=2),
    tokens_in=st.integers(0, 3000),
    tokens_out=st.integers(0, 100),
    request_id=st.sampled_from([None, "r1", "r2"]),
)
MODELS = {
    "small": {"capabilities": ["chat"], "context": 2000, "evals": {"score": 0.5}},
    "large": {"evals": {"score": 0.9}},
}


@given(deployments, musts, musts, objectives, worlds, requests)
def test_no_candidate_ever_violates_a_must(
    sites: list[dict[str, Any]],
    must: dict[str, Any],
    tighter: dict[str, Any],
    prefer: list[dict[str, Any]],
    world: World,
    request: RequestFacts,
) -> None:
    rules = route(must=must, prefer=prefer, should=[{"queue": {"max": 8}}], droppable=["seed"])
    shared = [k for k in must if k in tighter and k != "data" and not {*must[k]} & {*tighter[k]}]
    extra = overlay(
        **{"for": {"team": "strict"}},
        over="r",
        must={key: value for key, value in tighter.items() if key not in shared},
    )
    decision = plan(compiled(sites, rules, overlays=(extra,), models=MODELS), request, world)
    assert {*decision.order} | {*decision.reasons} == {site["name"] for site in sites}
    assert not {*decision.order} & {*decision.reasons}
    keeps = [Must.model_validate(must)]
    if request.caller.team == "strict":
        keeps.append(extra.spec.must)
    for candidate in decision.candidates:
        deployment = candidate.deployment
        assert all(violation(rule, deployment) is None for rule in keeps)
        assert request.label is None or request.label in LABELS
        cleared = LABELS.index(deployment.clearance or "public")
        assert cleared >= LABELS.index(request.label or "public")
        assert candidate.name not in world.down
        if deployment.model == "small":
            assert "tools" not in request.features
            assert request.tokens_in + request.tokens_out <= 2000


@given(deployments, objectives, worlds, requests)
def test_the_same_input_gives_the_same_decision(
    sites: list[dict[str, Any]],
    prefer: list[dict[str, Any]],
    world: World,
    request: RequestFacts,
) -> None:
    one, two = (
        plan(compiled(order, route(prefer=prefer), models=MODELS), request, world)
        for order in (sites, sites[::-1])
    )
    assert one.order == two.order
    assert one.reasons == two.reasons


values = st.none() | st.sampled_from([0.0, 1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 9.0])
items = st.lists(
    st.tuples(st.integers(-2, 0), st.integers(0, 1), values, values), min_size=1, max_size=6
)


class _Stub:
    """What ranking reads of a site."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seed = 0
        self.domain = (name, None)


def _ranked(rows: list[tuple[int, int, float | None, float | None]]) -> list[Ranked]:
    return [
        Ranked(None, _Stub(f"n{index}"), (missed, tier), (first, second))  # type: ignore[arg-type]
        for index, (missed, tier, first, second) in enumerate(rows)
    ]


@given(items, st.sampled_from(["minimize", "maximize"]), st.sampled_from(["cost", "queue"]))
def test_without_tolerance_a_newcomer_never_reorders_others(
    rows: list[tuple[int, int, float | None, float | None]], goal: str, what: str
) -> None:
    if what == "queue":
        rows = [(m, t, a or 0.0, b or 0.0) for m, t, a, b in rows]
    goals = [prepare(Prefer.model_validate({goal: what})) for _ in range(2)]
    before = [item.site.name for item in ordered(_ranked(rows[:-1]), goals, None)]
    after = [item.site.name for item in ordered(_ranked(rows), goals, None)]
    assert [name for name in after if name in before] == before


@given(items, st.sampled_from(["minimize", "maximize"]), st.sampled_from([0.05, 0.2, 1.0]))
def test_with_tolerance_only_a_new_best_of_its_group_reorders_others(
    rows: list[tuple[int, int, float | None, float | None]], goal: str, within: float
) -> None:
    """The newcomer repeats another's grade and values, so it is best of no group alone."""
    goals = [
        prepare(Prefer.model_validate({goal: "cost", "within": f"{within * 100:g}%"}))
        for _ in range(2)
    ]
    before = [item.site.name for item in ordered(_ranked(rows), goals, None)]
    for newcomer in rows:
        after = [item.site.name for item in ordered(_ranked([*rows, newcomer]), goals, None)]
        assert [name for name in after if name in before] == before


@given(items, values, st.sampled_from([0.05, 0.2, 1.0]))
def test_with_tolerance_a_newcomer_behind_the_best_reorders_nobody(
    rows: list[tuple[int, int, float | None, float | None]], value: float | None, within: float
) -> None:
    goal = prepare(Prefer.model_validate({"minimize": "cost", "within": f"{within * 100:g}%"}))
    rows = [(0, tier, first, None) for _, tier, first, _ in rows]
    known = [first for _, tier, first, _ in rows if first is not None and tier == 0]
    newcomer = (0, 0, value if value is None else max(value, min(known, default=0.0)), None)
    before = [item.site.name for item in ordered(_ranked(rows), [goal], None)]
    after = [item.site.name for item in ordered(_ranked([*rows, newcomer]), [goal], None)]
    assert [name for name in after if name in before] == before


@given(st.lists(values, min_size=1, max_size=8), st.sampled_from([0.05, 0.1, 0.2, 1.0]))
def test_the_first_class_is_what_is_within_of_the_best(
    given_values: list[float | None], within: float
) -> None:
    known = [value for value in given_values if value]
    goal = prepare(Prefer.model_validate({"minimize": "cost", "within": f"{within * 100:g}%"}))
    classes = goal.classes(given_values)
    for value, number in zip(given_values, classes, strict=True):
        if value:
            assert (number == 0) == (value <= min(known) * (1 + within) + 1e-9)
        elif value == 0:
            assert number < 0 or not known
        else:
            assert number > max(
                (n for v, n in zip(given_values, classes, strict=True) if v), default=0
            )
