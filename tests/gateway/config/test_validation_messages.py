import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from headgate.config.base import Strict
from headgate.config.problems import ConfigError, did_you_mean
from headgate.config.units import DurationS, MoneyUsd, Share, SizeBytes, Tokens
from headgate.config.validation import validate
from headgate.config.yaml import read


class Cat(Strict):
    kind: Literal["cat"]
    lives: int


class Dog(Strict):
    kind: Literal["dog"]
    tricks: tuple[str, ...] = ()


class Wide(Strict):
    size: int


class Tall(Strict):
    height: int
    colour: str = ""


class Thing(Strict):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    shape: Wide | Tall | None = None
    names: str | list[str] | None = None
    mixed: int | Literal["auto", "off"] | None = None
    by_name: dict[str, Tall] = {}
    pair: tuple[int, str] | None = None
    flag: bool = False
    ratio: float | None = None
    day: date | None = None
    long_name: int | None = Field(default=None, alias="long")
    token: int | None = None
    wait: DurationS | None = None
    price: MoneyUsd | None = None
    share: Share | None = None
    size: SizeBytes | None = None
    context: Tokens | None = None


def check(text: str) -> Thing:
    (node,) = read(text.encode(), "t")
    return validate(Thing, node, "t")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pet: {kind: cow}", "t:1:6: `pet`: its `kind` must be `cat` or `dog`"),
        (
            "pet: {kind: dgo}",
            "t:1:6: `pet`: its `kind` must be `cat` or `dog`, did you mean `dog`?",
        ),
        ("pet: {lives: 9}", "t:1:6: `pet`: `kind` is missing"),
        ("pet: {kind: cat}", "t:1:6: `lives` is missing in `pet`"),
        ("pet: {kind: cat, lifes: 9}", None),
        ("shape: {size: big}", 't:1:15: `size` must be a whole number, not "big"'),
        ("shape: {hight: 3}", "t:1:9: unknown key `hight` in `shape`, did you mean `height`?"),
        ("shape: 5", "t:1:8: `shape` must be a mapping, not 5"),
        ("names: 5", "t:1:8: `names` must be text or a list, not 5"),
        ("names: [a, {b: c}]", "t:1:12: `names[1]` must be text, not a mapping"),
        (
            "mixed: atuo",
            "t:1:8: `mixed` must be a whole number, `auto` or `off`, "
            'not "atuo", did you mean `auto`?',
        ),
        ("by_name: {x: {height: tall}}", 't:1:23: `height` must be a whole number, not "tall"'),
        ("by_name: {x: {color: red, height: 1}}", None),
        ("pair: [a, b]", 't:1:8: `pair[0]` must be a whole number, not "a"'),
        ("flag: on", 't:1:7: `flag` must be true or false, not "on"'),
        ("flag: 1", "t:1:7: `flag` must be true or false, not 1"),
        ("flag:", "t:1:6: `flag` must be true or false, not empty"),
        ('ratio: "0.5"', 't:1:8: `ratio` must be a number, not "0.5"'),
        ("day: tomorrow", 't:1:6: `day` must be a date such as 2027-03-31, not "tomorrow"'),
        ("lomg: 1", "t:1:1: unknown key `lomg`, did you mean `long`?"),
        ("token: horse", "t:1:8: `token` must be a whole number, not text"),
        ("wait: 20", "t:1:7: `wait`: write it with its unit, such as 900ms, 20s or 4h"),
        ("price: 5 EUR", "t:1:8: `price`: write it with its unit, such as 0.05 USD"),
        ("share: 0.1", "t:1:8: `share`: write it with its unit, such as 10%"),
        ("context: -1", "t:1:10: `context`: write it with its unit, such as 100k or 2M"),
    ],
)
def test_a_mistake_is_one_sentence_at_its_place(text: str, message: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        check(text)
    problems = [str(problem) for problem in caught.value.problems]
    if message is None:
        assert any("unknown key" in problem for problem in problems)
    else:
        assert problems == [message]


def test_every_mistake_is_told_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        check("share: 1\nflga: true\npair: [1]\n")
    marks = [problem.mark.line for problem in caught.value.problems if problem.mark]
    assert marks == [1, 2, 3]


def test_units_become_plain_numbers() -> None:
    thing = check(
        "{wait: 900ms, price: 0.05 USD, share: 10%, size: 32MiB, context: 100k, ratio: 1}"
    )
    assert (thing.wait, thing.price, thing.share) == (0.9, Decimal("0.05"), 0.1)
    assert (thing.size, thing.context, thing.ratio) == (33554432, 100_000, 1.0)


def test_a_suggestion_ignores_case_and_stays_close() -> None:
    assert did_you_mean("catalog", ["Catalog", "Policy"]) == ", did you mean `Catalog`?"
    assert did_you_mean("xyz", ["Catalog", "Policy"]) == ""


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab:1 %"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Thing.model_fields, "long", "other"]), _VALUES))
def test_every_wrong_document_gives_sentences_with_places(data: dict[str, Any]) -> None:
    try:
        (node,) = read(json.dumps(data).encode(), "t")
        validate(Thing, node, "t")
    except ConfigError as error:
        assert error.problems
        assert all(problem.mark and problem.message for problem in error.problems)
