"""Decisions: what is filtered, what is sorted, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headgate.config.catalog import TimeoutLimits
from headgate.routing.compile import compile_documents
from headgate.routing.facts import Caller, RequestFacts, World
from headgate.routing.findings import PolicyError
from headgate.routing.plan import plan
from headgate.routing.sites import Surroundings
from headgate_providers.sdk import Timeouts
from tests.gateway.routing.routing_documents import (
    NOW,
    WORLD,
    Documents,
    catalog,
    compiled,
    experiment,
    facts,
    overlay,
    policy,
    route,
)


@pytest.mark.parametrize(
    ("deployment", "must", "reason"),
    [
        ({"jurisdiction": "US"}, {"jurisdiction": ["EU"]}, "must.jurisdiction: US not in [EU]"),
        ({}, {"jurisdiction": "EU"}, "must.jurisdiction: unknown not in [EU]"),
        ({"region": "a"}, {"region": ["b", "c"]}, "must.region: a not in [b, c]"),
        ({"operator": "x"}, {"operator": "self"}, "must.operator: x not in [self]"),
        ({}, {"provider": "vllm"}, "must.provider: openai not in [vllm]"),
        ({}, {"data": {"training": False}}, "must.data.training: not stated"),
        (
            {"data": {"training": True, "retention_days": 0}},
            {"data": {"training": False}},
            "must.data.training: the operator trains on it",
        ),
        (
            {"data": {"training": False, "retention_days": 31}},
            {"data": {"retention_days": {"max": 30}}},
            "must.data.retention_days: 31 days, over 30",
        ),
        ({}, {"data": {"retention_days": {"max": 30}}}, "must.data.retention_days: not stated"),
    ],
)
def test_must_drops_what_does_not_keep_it(
    deployment: dict[str, Any], must: dict[str, Any], reason: str
) -> None:
    decision = plan(compiled([{"name": "a", **deployment}], route(must=must)), facts(), WORLD)
    assert decision.outcome == "refused"
    assert [drop.reason for drop in decision.dropped] == [reason]
    assert decision.refusal is not None
    assert decision.refusal[:2] == (503, "no_capacity")


CAPABLE: dict[str, Any] = {
    "capabilities": ["chat", "tools"],
    "in": ["text"],
    "context": 1000,
    "languages": ["en", "pt"],
}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"label": "internal"}, "clearance"),
        ({"label": "no such label"}, "clearance"),
        ({"operation": "embeddings"}, "operation"),
        ({"modalities": frozenset({"text", "image"})}, "modality"),
        ({"features": frozenset({"json_schema"})}, "capability"),
        ({"features": frozenset({"reasoning"})}, "capability"),
        ({"language": "de"}, "language"),
        ({"tokens_in": 900, "tokens_out": 101}, "context"),
        ({"features": frozenset({"seed"})}, "parameter"),
        ({}, None),
        ({"features": frozenset({"tools", "parallel_tool_calls"})}, None),
        ({"language": "pt-BR"}, None),
        ({"tokens_in": 900, "tokens_out": 100}, None),
        ({"operation": "completion"}, None),
    ],
)
def test_implicit_musts(more: dict[str, Any], code: str | None) -> None:
    speaks = frozenset({"chat", "completion", "embeddings", "tools", "parallel_tool_calls"})
    routing = compiled(
        [{"name": "a", "clearance": "public"}],
        route(),
        models={"chat": CAPABLE},
        surroundings=Surroundings({"a": speaks}, {}),
    )
    assert plan(routing, facts(**more), WORLD).reasons.get("a") == code


def test_a_protocol_that_lacks_the_operation_or_the_modality() -> None:
    routing = compiled(
        [{"name": "a"}], route(), surroundings=Surroundings({"a": frozenset({"chat"})}, {})
    )
    image = facts(modalities=frozenset({"text", "image"}))
    assert plan(routing, image, WORLD).reasons == {"a": "parameter"}
    assert plan(routing, facts(operation="embeddings"), WORLD).reasons == {"a": "operation"}


@pytest.mark.parametrize("status", ["trial", "deprecated", "blocked"])
def test_only_approved_models_serve(status: str) -> None:
    routing = compiled([{"name": "a"}], route(), models={"chat": {"status": status}})
    assert plan(routing, facts(), WORLD).reasons == {"a": "status"}


def test_what_is_down_is_no_candidate_and_says_why() -> None:
    routing = compiled([{"name": "a"}, {"name": "b"}], route())
    decision = plan(routing, facts(), World(NOW, down={"a": "circuit open (3 connect errors)"}))
    assert decision.order == ("b",)
    assert decision.dropped == (("a", "circuit", "circuit open (3 connect errors)"),)


def test_droppable_parameters_are_ignored_and_recorded() -> None:
    around = Surroundings({"a": frozenset({"chat"}), "b": frozenset({"chat", "seed"})}, {})
    routing = compiled(
        [{"name": "a"}, {"name": "b"}], route(droppable=["seed"]), surroundings=around
    )
    decision = plan(routing, facts(features=frozenset({"seed"})), WORLD)
    assert {c.name: c.ignored for c in decision.candidates} == {"a": ("seed",), "b": ()}
    assert plan(routing, facts(features=frozenset({"n"})), WORLD).outcome == "refused"


def test_candidates_are_compared_by_the_first_wish_they_miss() -> None:
    routing = compiled(
        [{"name": name} for name in "abc"],
        route(should=[{"ttft_p95": {"max": "1s"}}, {"queue": {"max": 8}}]),
    )
    metrics = {"a": {"ttft_p95": 2.0}, "b": {"queue": 9.0}, "c": {"ttft_p95": 1.0, "queue": 8.0}}
    decision = plan(routing, facts(), World(NOW, metrics=metrics))
    assert decision.order == ("c", "b", "a")
    assert [c.missed for c in decision.candidates] == [(), ("queue",), ("ttft_p95",)]


def test_wishes_come_before_tiers_and_tiers_before_preferences() -> None:
    price = {"in": 1, "out": 1}
    routing = compiled(
        [
            {"name": "own", "operator": "self", "price": {"in": 9, "out": 9}},
            {"name": "far", "price": price},
            {"name": "slow", "operator": "self", "price": price},
        ],
        route(
            should=[{"ttft_p50": {"max": "1s"}}],
            tiers=[{"select": {"operator": "self"}}, {"name": "rest", "select": {}}],
            prefer=[{"minimize": "cost"}],
        ),
    )
    world = World(NOW, metrics={"slow": {"ttft_p50": 5.0}})
    decision = plan(routing, facts(tokens_in=10), world)
    assert [(c.name, c.tier) for c in decision.candidates] == [
        ("own", "tier-1"),
        ("far", "rest"),
        ("slow", "tier-1"),
    ]


def test_costs_are_exact_and_an_unknown_one_is_last_and_misses_a_cap() -> None:
    routing = compiled(
        [{"name": "a"}, {"name": "b", "price": {"in": "0.35", "out": "1.05"}}, {"name": "c"}],
        route(should=[{"max_cost": "0.05 USD"}], prefer=[{"minimize": "cost"}]),
        surroundings=Surroundings({}, {"c": (Decimal("0.1"), None)}),
    )
    decision = plan(routing, facts(tokens_in=3000, tokens_out=500), WORLD)
    assert [(c.name, c.cost_usd) for c in decision.candidates] == [
        ("b", Decimal("0.001575")),
        ("a", None),
        ("c", None),
    ]
    assert [c.missed for c in decision.candidates] == [(), ("max_cost",), ("max_cost",)]
    embedding = plan(routing, facts(operation="embeddings", tokens_in=1000), WORLD)
    assert embedding.candidates[0].cost_usd == Decimal("0.0001")


def test_first_match_wins_and_every_key_must_hold() -> None:
    routing = compiled(
        [{"name": "a"}],
        route("legal", match={"model": "m", "team": ["legal"], "label": ["public"]}),
        route("german", match={"model": "m*", "language": "de"}),
        route("rest", match={"operation": ["chat"]}),
    )
    asked = {
        "legal": facts(team="legal"),
        "german": facts("m2", language="de-AT"),
        "rest": facts("anything"),
        "direct": facts("chat", operation="completion"),
        None: facts("other", operation="completion"),
    }
    assert {plan(routing, f, WORLD).route for f in asked.values()} == set(asked)
    for name, given in asked.items():
        assert plan(routing, given, WORLD).route == name
    assert plan(routing, facts(team="legal", label="internal"), WORLD).route == "rest"


def test_a_deny_route_refuses_what_it_takes() -> None:
    refusal = {"reject": 403, "code": "not_here", "message": "Use the other gateway."}
    routing = compiled(
        [{"name": "a"}],
        route("no", deny=True, match={"model": "*", "team": "web"}, otherwise=refusal),
        route("yes", match={"model": "*"}),
    )
    decision = plan(routing, facts(team="web"), WORLD)
    assert (decision.outcome, decision.candidates) == ("denied", ())
    assert decision.refusal == (403, "not_here", "Use the other gateway.", None, None)
    assert plan(routing, facts("chat", team="web"), WORLD).outcome == "denied"
    assert plan(routing, facts(team="legal"), WORLD).outcome == "planned"


def test_an_expression_without_a_truth_value_denies_and_never_allows() -> None:
    routing = compiled(
        [{"name": "a"}],
        route("open", match={"model": "m", "when": 'req.metadata.k == "x"'}),
        route("no", deny=True, match={"model": "m", "when": 'req.metadata.k < "y"'}),
    )
    broken = facts(metadata={"k": 7})
    decision = plan(routing, broken, WORLD)
    assert decision.outcome == "denied"
    assert decision.failed_expressions.keys() == {"no"}
    only_open = compiled(
        [{"name": "a"}], route(match={"model": "m", "when": 'req.metadata.k < "y"'})
    )
    decision = plan(only_open, broken, WORLD)
    assert decision.outcome == "no_match"
    assert decision.failed_expressions.keys() == {"r"}


class TestDirect:
    DEPLOYMENTS = (
        {"name": "one", "model": "gpt", "serves": ["alias"]},
        {"name": "two", "model": "gpt"},
        {"name": "other", "model": "else"},
    )

    @pytest.mark.parametrize(
        ("name", "order"),
        [
            ("gpt", ("one", "two")),
            ("gpt-also", ("one", "two")),
            ("one", ("one",)),
            ("alias", ("one",)),
            ("else", ("other",)),
        ],
    )
    def test_by_model_alias_deployment_or_served_name(
        self, name: str, order: tuple[str, ...]
    ) -> None:
        routing = compiled(self.DEPLOYMENTS, models={"gpt": {"aliases": ["gpt-also"]}})
        decision = plan(routing, facts(name), WORLD)
        assert (decision.route, decision.order) == ("direct", order)
        assert decision.unrouted
        assert name in routing.model_names

    def test_implicit_musts_hold(self) -> None:
        routing = compiled(self.DEPLOYMENTS)
        decision = plan(routing, facts("gpt", label="internal"), WORLD)
        assert decision.refusal is not None
        assert decision.refusal[:2] == (503, "no_eligible_deployment")

    def test_what_asks_too_much_is_the_callers_mistake(self) -> None:
        routing = compiled(self.DEPLOYMENTS, models={"gpt": {"context": 10, "in": ["text"]}})
        long = plan(routing, facts("gpt", tokens_in=11), WORLD).refusal
        assert long is not None
        assert long[:2] == (400, "context_length_exceeded")
        assert "11 tokens, context 10" in long.message
        image = plan(routing, facts("gpt", modalities=frozenset({"image"})), WORLD).refusal
        assert image is not None
        assert image[:2] == (400, "unsupported_by_model")
        down = World(NOW, down={"two": "circuit open"})
        assert plan(routing, facts("gpt", tokens_in=11), down).refusal == long

    def test_an_unknown_name_is_404_and_hints_only_at_what_is_given(self) -> None:
        from headgate.routing.refusals import unknown_model

        refusal = plan(compiled(self.DEPLOYMENTS), facts("gptt"), WORLD).refusal
        assert refusal is not None
        assert (refusal.status, refusal.code, refusal.param) == (404, "model_not_found", "model")
        assert "did you mean" not in refusal.message
        assert "did you mean `gpt`?" in unknown_model("gptt", ["gpt"]).message

    def test_a_huge_name_is_not_repeated(self) -> None:
        refusal = plan(compiled(self.DEPLOYMENTS), facts("x" * 100_000), WORLD).refusal
        assert refusal is not None
        assert len(refusal.message) < 200

    def test_the_name_is_kept_for_it(self) -> None:
        with pytest.raises(PolicyError, match="choose another"):
            compiled(self.DEPLOYMENTS, route("direct"))


def test_a_known_name_that_no_route_takes_is_told_apart() -> None:
    routing = compiled([{"name": "a"}], route(match={"model": "m", "team": "legal"}))
    decision = plan(routing, facts(team="web"), WORLD)
    assert (decision.outcome, decision.route) == ("no_match", None)
    assert decision.refusal is not None
    assert decision.refusal.status == 404


def test_select_takes_any_of_a_list_all_of_the_keys_and_stars() -> None:
    routing = compiled(
        [
            {"name": "a1", "operator": "x", "tags": ["gpu"]},
            {"name": "a2", "operator": "y", "tags": ["gpu", "new"]},
            {"name": "b1", "operator": "x"},
        ],
        route("any", match={"model": "1"}, tiers=[{"select": {"tag": ["gpu", "new"]}}]),
        route("all", match={"model": "2"}, tiers=[{"select": {"tag": "gpu", "operator": "x"}}]),
        route("star", match={"model": "3"}, tiers=[{"select": {"deployment": "*1"}}]),
    )
    assert plan(routing, facts("1"), WORLD).order == ("a1", "a2")
    assert plan(routing, facts("2"), WORLD).order == ("a1",)
    decision = plan(routing, facts("3"), WORLD)
    assert decision.order == ("a1", "b1")
    assert decision.reasons == {"a2": "tier"}


class TestOverlay:
    DEPLOYMENTS = (
        {"name": "own", "operator": "self", "jurisdiction": "EU"},
        {"name": "eu", "operator": "v", "jurisdiction": "EU"},
        {"name": "us", "operator": "v", "jurisdiction": "US"},
    )
    ROUTE = route(
        must={"jurisdiction": ["EU", "US"]}, guards={"input": [{"use": "g", "action": "redact"}]}
    )

    def test_intersects_and_adds_for_its_team_only(self) -> None:
        stricter = overlay(
            **{"for": {"team": ["legal"]}},
            over=["r"],
            must={"jurisdiction": ["EU", "CH"], "operator": ["self"]},
            guards={"input": [{"use": "g", "action": "block"}, {"use": "h", "action": "redact"}]},
        )
        routing = compiled(self.DEPLOYMENTS, self.ROUTE, overlays=(stricter,))
        decision = plan(routing, facts(team="legal"), WORLD)
        assert decision.order == ("own",)
        assert decision.reasons == {"eu": "operator", "us": "jurisdiction"}
        assert decision.contract is not None
        assert decision.contract.must.jurisdiction == ("EU",)
        assert [(g.use, g.action) for g in decision.contract.guards.input] == [
            ("g", "block"),
            ("h", "redact"),
        ]
        assert set(plan(routing, facts(team="web"), WORLD).order) == {"own", "eu", "us"}

    def test_several_add_up_and_a_policy_name_means_all_its_routes(self) -> None:
        one = overlay("one", **{"for": {"team": "t"}}, over="p", must={"operator": ["v", "self"]})
        two = overlay("two", **{"for": {"team": "t"}}, over="r", must={"operator": ["v"]})
        routing = compiled(self.DEPLOYMENTS, self.ROUTE, overlays=(one, two))
        assert set(plan(routing, facts(team="t"), WORLD).order) == {"eu", "us"}

    def test_an_empty_intersection_is_a_mistake(self) -> None:
        empty = overlay(**{"for": {"team": "t"}}, over="r", must={"jurisdiction": "CH"})
        with pytest.raises(PolicyError, match="nothing satisfies both") as caught:
            compiled(self.DEPLOYMENTS, self.ROUTE, overlays=(empty,))
        assert caught.value.findings[0].place == ("spec", "must", "jurisdiction")

    def test_data_terms_take_the_stricter_of_both(self) -> None:
        base = route(must={"data": {"retention_days": {"max": 30}}})
        more = overlay(
            **{"for": {"team": "t"}},
            over="r",
            must={"data": {"training": False, "retention_days": {"max": 90}}},
        )
        terms = {"training": False, "retention_days": 31}
        deployments = [
            {"name": "a", "data": terms},
            {"name": "b", "data": {**terms, "retention_days": 30}},
        ]
        routing = compiled(deployments, base, overlays=(more,))
        assert plan(routing, facts(team="t"), WORLD).order == ("b",)


class TestExperiment:
    def routing(self, **spec: Any) -> Any:
        arms = {
            "a": {"select": {"model": "chat"}},
            "b": {"select": {"model": "new"}, "percent": 50},
        }
        trial = experiment(route="r", salt="s", arms=arms, **spec)
        return compiled(
            [{"name": "old"}, {"name": "new", "model": "new"}, {"name": "third", "model": "t"}],
            route(tiers=[{"select": {"model": ["t", "new"]}}], must={"provider": "openai"}),
            experiments=(trial,),
            models={"new": {"status": "trial"}},
        )

    def test_an_arm_comes_first_and_the_route_answers_where_it_cannot(self) -> None:
        routing = self.routing(allow_status=["trial"])
        orders = {
            decision.arm: decision.order
            for unit in map(str, range(40))
            for decision in [plan(routing, facts(conversation=unit), WORLD)]
        }
        assert orders == {"a": ("old", "third"), "b": ("new", "third")}

    def test_without_a_conversation_there_is_no_arm(self) -> None:
        decision = plan(self.routing(allow_status=["trial"]), facts(), WORLD)
        assert (decision.arm, decision.order) == (None, ("third",))
        assert decision.reasons["new"] == "status"

    def test_a_trial_model_needs_to_be_allowed(self) -> None:
        orders = {plan(self.routing(), facts(conversation=str(n)), WORLD).order for n in range(40)}
        assert orders == {("old", "third"), ("third",)}

    def test_one_per_route_and_none_on_a_deny_route(self) -> None:
        arms = {"a": {"select": {}}, "b": {"select": {}, "percent": 1}}
        one, two = (experiment(n, route="r", salt="s", arms=arms) for n in "xy")
        with pytest.raises(PolicyError, match="has an experiment already"):
            compiled([{"name": "d"}], route(), experiments=(one, two))
        with pytest.raises(PolicyError, match="denies"):
            compiled([{"name": "d"}], route(deny=True), experiments=(one,))


def test_timeouts_come_from_route_then_deployment_then_gateway() -> None:
    around = Surroundings({}, {}, TimeoutLimits.model_validate({"total": "9s", "idle": "8s"}))
    routing = compiled(
        [{"name": "a", "timeouts": {"connect": "1s", "idle": "7s"}}],
        route(timeouts={"connect": "500ms"}),
        surroundings=around,
    )
    assert plan(routing, facts(), WORLD).candidates[0].timeouts == Timeouts(0.5, 20.0, 7.0, 9.0)


def test_equals_are_spread_by_request_and_ordered_by_name_without_one() -> None:
    routing = compiled([{"name": name} for name in "cab"], route())
    assert plan(routing, facts(), WORLD).order == ("a", "b", "c")
    orders = [plan(routing, facts(request_id=str(n)), WORLD).order for n in range(600)]
    shares = [sum(order[0] == name for order in orders) / 600 for name in "abc"]
    assert all(0.25 < share < 0.42 for share in shares)
    assert len(set(orders)) == 6


def test_neighbours_among_equals_fail_apart() -> None:
    routing = compiled(
        [
            {"name": "a1", "operator": "a", "region": "x"},
            {"name": "a2", "operator": "a", "region": "x"},
            {"name": "a3", "operator": "a", "region": "y"},
            {"name": "b1", "operator": "b", "region": "x"},
        ],
        route(),
    )
    assert plan(routing, facts(), WORLD).order == ("a1", "a3", "a2", "b1")
    ranked = compiled(
        [
            {"name": "a1", "operator": "a", "price": {"in": 1, "out": 1}},
            {"name": "a2", "operator": "a", "price": {"in": 2, "out": 2}},
            {"name": "b1", "operator": "b", "price": {"in": 3, "out": 3}},
        ],
        route(prefer=[{"minimize": "cost"}]),
    )
    assert plan(ranked, facts(tokens_in=1), WORLD).order == ("a1", "a2", "b1")


def test_all_mistakes_in_expressions_are_reported_with_their_place() -> None:
    rules = policy(
        route("one", match={"when": "caller.taem == 'x'"}),
        route("two", match={"when": 'in_window("ofice")'}),
    )
    windows = {"office": {"tz": "UTC", "from": "08:00", "to": "09:00"}}
    with pytest.raises(PolicyError) as caught:
        compile_documents(Documents(catalog([{"name": "a"}], windows=windows), (rules,)))
    found = [(finding.place, finding.message) for finding in caught.value.findings]
    assert [place for place, _ in found] == [
        ("spec", "routes", 0, "match", "when"),
        ("spec", "routes", 1, "match", "when"),
    ]
    assert "did you mean `caller.team`?" in found[0][1]
    assert "did you mean `office`?" in found[1][1]


def test_facts_need_no_more_than_a_model() -> None:
    decision = plan(compiled([{"name": "a"}], route()), RequestFacts("m", caller=Caller()), WORLD)
    assert decision.order == ("a",)
    assert decision.label == "public"
    assert (decision.policy_digest, decision.catalog_digest) == ("policy-digest", "catalog-digest")
