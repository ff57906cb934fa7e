"""What lint remarks on, and that it is silent about what is right."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from headgate.config.budget import Budget
from headgate.config.policy import Policy
from headgate.routing.lint import lint
from tests.gateway.routing.routing_documents import (
    Documents,
    catalog,
    experiment,
    overlay,
    policy,
    route,
)

TODAY = date(2026, 11, 23)
SITES = (
    {"name": "own", "operator": "self", "region": "eu-1", "jurisdiction": "EU", "tags": ["gpu"]},
    {"name": "far", "operator": "vendor", "region": "us-1", "jurisdiction": "US"},
)


def remarks(*routes: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    documents = Documents(
        catalog(SITES, models={"chat": {"evals": {"help": 0.5}}}), (policy(*routes),), **more
    )
    return [
        (f.severity, ".".join(map(str, f.place)).removeprefix("spec.routes."), f.message)
        for f in lint(documents, TODAY)
    ]


def test_a_sound_route_gets_no_remark() -> None:
    sound = route(
        match={"model": "m", "when": 'has(caller.region) && caller.region == "eu"'},
        must={"jurisdiction": ["EU"]},
        should=[{"ttft_p95": {"max": "1s"}}, {"tag": "gpu"}],
        prefer=[{"maximize": "eval.help"}, {"minimize": "cost"}],
        tiers=[{"select": {"operator": "self"}}, {"select": {"region": "us-*"}}],
    )
    assert remarks(sound) == []


@pytest.mark.parametrize(
    ("more", "severity", "place", "message"),
    [
        ({"must": {"operator": "nobody"}}, "warning", "0.name", "no deployment may serve"),
        ({"must": {"operator": "nobody"}}, "warning", "0.must.operator", "no deployment has"),
        ({"must": {"region": ["eu-1", "eu_1"]}}, "warning", "0.must.region", "did you mean `eu-1`"),
        ({"must": {"jurisdiction": ["EU", "CH"]}}, "note", "0.must.jurisdiction", "`CH`"),
        (
            {"match": {"label": ["restricted"]}},
            "warning",
            "0.match.label.0",
            "cleared for `restricted`",
        ),
        ({"tiers": [{"select": {"tag": "gpuu"}}]}, "warning", "0.tiers.0.select", "selects no"),
        (
            {"tiers": [{"select": {"tag": "gpuu"}}]},
            "warning",
            "0.tiers.0.select.tag",
            "did you mean `gpu`?",
        ),
        (
            {"tiers": [{"select": {}}, {"select": {"tag": "gpu"}}]},
            "warning",
            "0.tiers.1.select",
            "earlier tiers",
        ),
        ({"should": [{"tag": "cheap"}]}, "warning", "0.should.0.tag", "the tag `cheap`"),
        (
            {"should": [{"error_rate": {"max": "100%"}}]},
            "warning",
            "0.should.0.error_rate",
            "never missed",
        ),
        (
            {"should": [{"ttft_p95": {"max": "0s"}}]},
            "warning",
            "0.should.0.ttft_p95",
            "always missed",
        ),
        (
            {"prefer": [{"maximize": "eval.halp"}]},
            "warning",
            "0.prefer.0.maximize",
            "did you mean `help`?",
        ),
        ({"prefer": [{"maximize": "cost"}]}, "warning", "0.prefer.0.maximize", "the worst"),
        ({"prefer": [{"minimize": "eval.help"}]}, "warning", "0.prefer.0.minimize", "the worst"),
    ],
)
def test_rules(more: dict[str, Any], severity: str, place: str, message: str) -> None:
    found = remarks(route(**more))
    assert [r for r in found if r[:2] == (severity, place) and message in r[2]]


@pytest.mark.parametrize(
    ("when", "severity", "message"),
    [
        ('caller.region == "eu"', "note", "write has(caller.region)"),
        ('budget("team").used > 0.9', "note", "no Budget document"),
        ('budget("team").used >= 95', "warning", "95 is never reached"),
        ('label in ["publik"]', "warning", "did you mean `public`?"),
        ('req.operation == "chats"', "warning", "did you mean `chat`?"),
        ('"tool" in req.features', "warning", "did you mean `tools`?"),
        ('"video" in req.modalities', "warning", "never `video`"),
    ],
)
def test_expressions(when: str, severity: str, message: str) -> None:
    found = remarks(route(match={"model": "m", "when": when}))
    assert [r for r in found if r[:2] == (severity, "0.match.when") and message in r[2]]


def test_a_budget_document_makes_its_scope_known() -> None:
    budget = Budget.model_validate(
        {
            "apiVersion": "headgate/v1",
            "kind": "Budget",
            "metadata": {"name": "b"},
            "spec": {"scopes": [{"scope": "team", "limit": "5 USD", "per": "day"}]},
        }
    )
    poor = route(match={"model": "m", "when": 'budget("team").used > 0.9'})
    assert remarks(poor, budgets=(budget,)) == []


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ({"model": "m*"}, {"model": ["m", "mm*"]}, True),
        ({}, {"model": "m"}, True),
        ({"model": "m", "team": ["a", "b"]}, {"model": "m", "team": "a"}, True),
        ({"when": "req.stream"}, {"model": "x", "when": "req.stream"}, True),
        ({"model": "m"}, {"model": ["m", "n"]}, False),
        ({"model": "m"}, {}, False),
        ({"model": "m", "team": "a"}, {"model": "m"}, False),
        ({"model": "m", "when": "req.stream"}, {"model": "m"}, False),
    ],
)
def test_unreachable_routes(first: dict[str, Any], second: dict[str, Any], hidden: bool) -> None:
    found = remarks(route("one", match=first), route("two", match=second))
    messages = [message for _, place, message in found if place == "1.name"]
    assert messages == (["nothing gets here: route `one` takes all of it before"] if hidden else [])


def test_a_review_that_is_due() -> None:
    raw = policy(route()).model_dump(by_alias=True, exclude_unset=True)
    raw["metadata"]["review_by"] = "2026-11-22"
    documents = Documents(catalog(SITES), (Policy.model_validate(raw),))
    (finding,) = lint(documents, TODAY)
    assert (finding.severity, finding.place) == ("warning", ("metadata", "review_by"))
    assert lint(documents, date(2026, 11, 22)) == []


def test_a_team_that_is_left_with_nothing() -> None:
    tight = overlay(**{"for": {"team": "legal"}}, over="r", must={"operator": "vendor"})
    found = remarks(route(must={"jurisdiction": "EU"}), overlays=(tight,))
    assert [m for _, place, m in found if place == "0.name"] == [
        "no deployment may serve requests of team `legal`; every one gets the refusal"
    ]


def test_an_arm_that_serves_nothing() -> None:
    arms = {"a": {"select": {}}, "b": {"select": {"tag": "none"}, "percent": 5}}
    trial = experiment(route="r", salt="s", arms=arms)
    found = remarks(route(), experiments=(trial,))
    assert [place for _, place, _ in found] == ["spec.arms.b.select"]
