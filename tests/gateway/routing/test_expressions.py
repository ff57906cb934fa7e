"""The expression subset: what holds, what is absent, what is refused at load."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config.catalog import Window
from headgate.routing.expressions import ExpressionError, bind, parse
from headgate.routing.facts import Caller, RequestFacts, World
from tests.gateway.routing.routing_documents import NOW

OFFICE = Window.model_validate({"tz": "Europe/Berlin", "from": "08:00", "to": "18:00"})
NIGHT = Window.model_validate({"tz": "Europe/Berlin", "from": "20:00", "to": "06:00"})
WINDOWS = {"office": OFFICE, "night": NIGHT}
FACTS = RequestFacts(
    "general",
    features=frozenset({"tools"}),
    modalities=frozenset({"text", "image"}),
    tokens_in=400,
    metadata={"lane": "batch", "x-y": "1", "class": "a"},
    caller=Caller(team="web", region="eu"),
    stream=True,
)


def holds(source: str, facts: RequestFacts = FACTS, **world: Any) -> bool:
    bindings = bind(facts, facts.label or "public", World(NOW, **world), WINDOWS)
    return parse(source).holds(bindings)


@pytest.mark.parametrize(
    "source",
    [
        'caller.region == "eu" || label in ["confidential", "restricted"]',
        'req.metadata.lane == "batch" && in_window("office")',
        '!in_window("night")',
        'req.metadata.class == "a"',
        'req.metadata["x-y"] == "1"',
        '"lane" in req.metadata',
        "req.tokens_in >= 400 && req.tokens_in < 401",
        "-1 < req.tokens_in",
        '"tools" in req.features',
        '"image" in req.modalities && req.stream',
        'glob(req.model, "gen*") && !glob(req.model, "gen")',
        "glob(req.model, 'g*r*l')",
        'caller.team in ["web", "legal"]',
        'has(caller.team) && !has(caller.user) && has(req.stream) && !has(req.metadata["b"])',
        'label != "restricted" && (req.operation == "chat" || false)',
        'caller.team\n  != "legal"',
    ],
)
def test_holds(source: str) -> None:
    assert holds(source)
    assert not holds(f"!({source})")


@pytest.mark.parametrize(
    "comparison",
    [
        'caller.user == "a"',
        'caller.user != "a"',
        'caller.user in ["a"]',
        '"a" in [caller.user]',
        "caller.user == caller.key",
        'req.language == "en"',
        'req.metadata.other < "b"',
        'req.metadata["other"] >= "b"',
        'budget("team").used >= 0.0',
        'glob(caller.user, "*")',
    ],
)
def test_a_comparison_with_an_absent_field_is_false(comparison: str) -> None:
    assert not holds(comparison)
    assert holds(f"!({comparison})")
    assert holds(f"{comparison} || true")
    assert not holds(f"true && {comparison}")


def test_budgets_are_fractions_by_scope() -> None:
    source = 'budget("team").used >= 0.95'
    assert holds(source, budgets={"team": 0.96})
    assert not holds(source, budgets={"team": 0.5})
    assert not holds(source, budgets={"key": 0.96})
    assert holds('budget("team").used >= 1', budgets={"team": 1.0})


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ('caller.regoin == "eu"', "did you mean `caller.region`?", 1, 1),
        ('label == "a" && signal.hard', "not available in this version", 1, 17),
        ("now", "not available in this version", 1, 1),
        ('req.tokens_in > "a"', "found no matching overload", 1, 15),
        ("req.tokens_in > 1.5", "found no matching overload", 1, 15),
        ("has(caller.user) &&\n  caller.user == 3", "found no matching overload", 2, 15),
        ("req.metadata.lane == 3", "found no matching overload", 1, 19),
        ('label >= "internal"', "labels are names", 1, 7),
        ("req.model", "must be true or false", 1, 1),
        ('label.matches("a+")', "not expected here", 1, 6),
        ('matches(label, "a+")', "no function matches()", 1, 1),
        ("[1].all(x, x > 0)", "not expected here", 1, 4),
        ("in_windw('office')", "did you mean `in_window`?", 1, 1),
        ("in_window(label)", "name of a window in quotes", 1, 11),
        ('budget("tem").used > 0.5', "did you mean `team`?", 1, 1),
        ('budget("team").left > 0.5', "'used' is missing", 1, 16),
        ("req.tokens_in + 1 > 2", "'+' cannot stand here", 1, 15),
        ("1 < req.tokens_in < 3", "not expected here", 1, 19),
        ('(label == "a"', "')' is missing", 1, 14),
        ('label == "a', "cannot stand here", 1, 10),
        ("", "a value is missing", 1, 1),
        ("caller", "'.' is missing", 1, 7),
        ("!" * 100 + "true", "nested more than", 1, 17),
        ("(" * 200 + "true" + ")" * 200, "nested more than", 1, 17),
        ("true" + " || true" * 70, "longer than 512", 1, 1),
    ],
)
def test_mistakes_are_found_at_load(source: str, message: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)


def test_mentions_are_what_lint_needs() -> None:
    mentions = parse(
        'in_window("office") && budget("team").used > 0.9 && label in ["a", "b"]'
        ' && has(caller.user) && caller.user == "x" && req.metadata.lane != "y"'
    ).mentions
    assert mentions.windows == {"office"}
    assert mentions.budgets == {"team"}
    assert mentions.unguarded == {"req.metadata.lane"}
    assert ("label", "in", "b") in mentions.comparisons
    assert ('budget("team").used', ">", 0.9) in mentions.comparisons


@given(st.text(max_size=80) | st.text('()[]!&|=<>".,reqcallb_ 019', max_size=80))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        assert error.line >= 1
        assert error.column >= 1


FIELDS: dict[str, str | None] = {
    "caller.team": "a",
    "caller.user": None,
    "req.language": "b",
    "req.metadata.k": None,
    "req.metadata.l": "a",
    "label": "b",
}
OPERATORS = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    ">=": lambda x, y: x >= y,
}


def comparisons() -> st.SearchStrategy[tuple[str, bool]]:
    def build(path: str, operator: str, text: str) -> tuple[str, bool]:
        value = FIELDS[path]
        truth = value is not None and OPERATORS[operator](value, text)
        return f'{path} {operator} "{text}"', truth

    plain = st.builds(
        build, st.sampled_from([*FIELDS]), st.sampled_from(["==", "!="]), st.sampled_from("abc")
    )
    unlabelled = [path for path in FIELDS if path != "label"]
    ordered = st.builds(
        build, st.sampled_from(unlabelled), st.sampled_from([*OPERATORS]), st.sampled_from("abc")
    )
    tests = st.sampled_from([p for p in FIELDS if p != "label"]).map(
        lambda path: (f"has({path})", FIELDS[path] is not None)
    )
    return plain | ordered | tests


def trees() -> st.SearchStrategy[tuple[str, bool]]:
    return st.recursive(
        comparisons(),
        lambda inner: (
            inner.map(lambda e: (f"!({e[0]})", not e[1]))
            | st.tuples(inner, inner).map(
                lambda p: (f"({p[0][0]}) && ({p[1][0]})", p[0][1] and p[1][1])
            )
            | st.tuples(inner, inner).map(lambda p: (f"{p[0][0]} || {p[1][0]}", p[0][1] or p[1][1]))
        ),
        max_leaves=6,
    ).filter(lambda e: len(e[0]) <= 512)


@given(trees())
def test_agrees_with_the_written_meaning(tree: tuple[str, bool]) -> None:
    facts = RequestFacts("m", language="b", metadata={"l": "a"}, caller=Caller(team="a"), label="b")
    source, truth = tree
    assert holds(f"({source})", facts) is truth
