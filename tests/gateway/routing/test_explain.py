"""A decision in words and as a record; reach; the reports of embedded tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.routing.compile import compile_documents
from headgate.routing.explain import to_record, to_text
from headgate.routing.facts import Caller, RequestFacts, World
from headgate.routing.plan import plan
from headgate.routing.reach import reach
from headgate.routing.testing import coverage, run_tests
from tests.gateway.routing.routing_documents import (
    EXAMPLES,
    NOW,
    WORLD,
    Documents,
    catalog,
    compiled,
    facts,
    loaded,
    policy,
    route,
)


def test_text_names_every_deployment_with_its_rank_or_reason() -> None:
    routing = compile_documents(loaded(EXAMPLES / "eu-assistant.yaml"))
    asked = RequestFacts(
        "assistant",
        tokens_in=3000,
        tokens_out=500,
        caller=Caller(team="finance", region="eu"),
        label="confidential",
    )
    world = World(NOW, down={"large-fra": "circuit open (3 connect errors in 20 s)"})
    lines = to_text(plan(routing, asked, world)).splitlines()
    assert lines[0].startswith("route eu-assistant   label confidential   policy ")
    assert lines[1:] == [
        "  1  large-eu   tier cloud   should: all met   "
        "cost 0.0125 USD (3000 in, 500 out est.)   <- chosen",
        "  x  large-us   must.jurisdiction: US not in [EU]",
        "  x  large-fra  circuit open (3 connect errors in 20 s)",
        "  x  small-fra, ft-fra   not selected by any tier",
    ]


def test_text_of_a_refusal() -> None:
    text = to_text(plan(compiled([{"name": "a"}], route()), facts(label="internal"), WORLD))
    assert "  x  a  cleared for public, not internal" in text
    assert "  => 503 no_capacity: " in text
    unknown = to_text(plan(compiled([{"name": "a"}]), facts("nothing"), WORLD))
    assert unknown.startswith("no route   label public")
    assert "404 model_not_found" in unknown


def test_the_record_is_json_and_complete() -> None:
    sites = [
        {"name": "a", "price": {"in": 1, "out": 2}},
        {"name": "b", "operator": "x"},
        {"name": "c", "model": "other"},
    ]
    rules = route(
        must={"operator": ["self"]}, tiers=[{"select": {"model": "chat"}}], droppable=["seed"]
    )
    routing = compiled([{**sites[0], "operator": "self"}, *sites[1:]], rules)
    asked = facts(features=frozenset({"seed"}), tokens_in=100, metadata={"k": "v"}, team="web")
    record = json.loads(json.dumps(to_record(plan(routing, asked, WORLD))))
    assert record["outcome"] == "planned"
    assert record["facts"]["caller"]["team"] == "web"
    assert record["facts"]["features"] == ["seed"]
    assert record["candidates"] == [
        {
            "deployment": "a",
            "provider": "openai",
            "model": "chat",
            "tier": "tier-1",
            "relaxed": [],
            "ignored": [],
            "cost_usd": "0.0001",
        }
    ]
    assert [(drop["name"], drop["code"]) for drop in record["dropped"]] == [
        ("b", "operator"),
        ("c", "tier"),
    ]
    assert record["refusal"] is None


def test_reach_by_label() -> None:
    rows = reach(compile_documents(loaded(EXAMPLES / "general.yaml")))
    shown = {row.label: str(row) for row in rows if row.route == "general"}
    assert shown == {
        "public": "EU, US",
        "internal": "EU, US",
        "confidential": "EU",
        "restricted": "EU (own only)",
    }
    narrow = reach(compiled([{"name": "a"}], route(match={"label": "public"})))
    assert [str(row) for row in narrow] == ["unknown", "-", "-", "-"]


def mistakes_of(expect: dict[str, Any], world: dict[str, Any] | None = None) -> tuple[str, ...]:
    test = {
        "name": "t",
        "given": {"request": {"model": "m"}},
        "world": world or {},
        "expect": expect,
    }
    documents = Documents(
        catalog([{"name": "a"}, {"name": "b", "operator": "x"}]),
        (policy(route(must={"operator": "x"}), tests=[test]),),
    )
    (result,) = run_tests(documents)
    return result.mistakes


@pytest.mark.parametrize(
    ("expect", "mistakes"),
    [
        ({"deployment": "b", "tier": "tier-1", "plan": ["b"], "route": "r", "relaxed": []}, ()),
        ({"skipped": {"a": "operator"}, "no_match": False}, ()),
        ({"deployment": "a"}, ("deployment: expected a, got b",)),
        ({"plan": ["b", "a"]}, ("plan: expected [b, a], got [b]",)),
        ({"tier": "own"}, ("tier: expected own, got tier-1",)),
        ({"route": "x"}, ("route: expected x, got r",)),
        ({"deny": "no_capacity"}, ("deny: expected no_capacity, got nothing",)),
        ({"relaxed": ["tag"]}, ("relaxed: expected [tag], got []",)),
        ({"no_match": True}, ("no_match: expected True, got False",)),
        ({"arm": "x"}, ("arm: expected x, got nothing",)),
        (
            {"because": {"a": "region"}},
            ("because: expected a to be dropped for region, got operator",),
        ),
        (
            {"skipped": {"b": "tier"}},
            ("skipped: expected b to be dropped for tier, got it is a candidate",),
        ),
    ],
)
def test_what_an_embedded_test_reports(expect: dict[str, Any], mistakes: tuple[str, ...]) -> None:
    assert mistakes_of(expect) == mistakes


def test_an_embedded_test_about_a_deployment_nobody_has_fails() -> None:
    (mistake,) = mistakes_of({"deployment": "b"}, {"down": ["aa"]})
    assert mistake == "there is no deployment `aa`, did you mean `a`?"


def test_coverage_names_each_gap() -> None:
    test = {"name": "t", "given": {"request": {"model": "m"}}, "expect": {"route": "r"}}
    rules = policy(
        route(should=[{"queue": {"max": 8}}]), route("s", match={"model": "n"}), tests=[test]
    )
    documents = Documents(catalog([{"name": "a"}]), (rules,))
    gaps = [(gap.place[2:], gap.message) for gap in coverage(documents, run_tests(documents))]
    assert gaps == [
        ((0, "otherwise", "code"), "no test of route `r` expects its refusal"),
        ((0, "should", 0), "no test of route `r` has a candidate that misses it"),
        ((1, "name"), "no test reaches route `s`"),
    ]
