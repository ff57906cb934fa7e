"""The document types: what they take, what they refuse, what they mean."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from headgate.config.catalog import Deployment, Window
from headgate.config.experiment import ExperimentSpec
from headgate.config.policy import Advance, Prefer, Route, Should
from headgate.config.policy_test import PolicyTest, WishName
from headgate.routing.experiments import assign, position
from tests.gateway.routing.routing_documents import route


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-23T07:59:59+01:00", False),
        ("2026-11-23T08:00:00+01:00", True),
        ("2026-11-23T16:59:59Z", True),
        ("2026-11-23T17:00:00Z", False),
        ("2026-11-22T12:00:00+01:00", False),
        ("2026-07-06T06:30:00Z", True),
    ],
)
def test_a_window_is_wall_clock_time_of_its_zone(moment: str, inside: bool) -> None:
    office = Window.model_validate(
        {
            "tz": "Europe/Berlin",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "from": "08:00",
            "to": "18:00",
        }
    )
    assert office.contains(datetime.fromisoformat(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-27T21:59:00+00:00", False),
        ("2026-11-27T22:00:00+00:00", True),
        ("2026-11-28T05:59:00+00:00", True),
        ("2026-11-28T06:00:00+00:00", False),
        ("2026-11-28T23:00:00+00:00", False),
        ("2026-11-27T03:00:00+00:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins(moment: str, inside: bool) -> None:
    friday_night = Window.model_validate(
        {"tz": "UTC", "days": ["fri"], "from": "22:00", "to": "06:00"}
    )
    assert friday_night.contains(datetime.fromisoformat(moment)) is inside


def test_a_window_may_last_until_midnight() -> None:
    evening = Window.model_validate({"tz": "UTC", "from": "18:00", "to": "24:00"})
    assert evening.contains(datetime.fromisoformat("2026-11-27T23:59:59+00:00"))


@pytest.mark.parametrize("secret", ["sk-123", "env:", "env:A-B", "file:relative", "vault:x"])
def test_a_secret_is_a_reference(secret: str) -> None:
    with pytest.raises(ValidationError, match="write a reference"):
        Deployment(name="a", provider="p", model="m", secret=secret)


def test_secrets_have_names() -> None:
    one = Deployment(name="a", provider="p", model="m", secret="env:KEY")
    assert one.secret_references == {"key": "env:KEY"}
    two = {"access": "env:A", "secret": "file:/run/b"}
    assert Deployment(name="a", provider="p", model="m", secret=two).secret_references == two
    assert Deployment(name="a", provider="p", model="m").secret_references == {}


def test_the_upstream_name_may_differ_from_the_catalogs() -> None:
    plain = Deployment(name="a", provider="p", model="gpt")
    assert plain.model_name == "gpt"
    other = Deployment(name="a", provider="p", model="chat-large", upstream_model="gpt")
    assert other.model_name == "gpt"


@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        (Should, {}, "exactly one key"),
        (Should, {"tag": "a", "max_cost": "1 USD"}, "exactly one key"),
        (Should, {"tag": None}, "exactly one key"),
        (Prefer, {"within": "5%"}, "either minimize or maximize"),
        (Prefer, {"minimize": "cost", "maximize": "cost"}, "either minimize or maximize"),
        (Prefer, {"minimize": "price"}, "pattern"),
        (Route, route(tiers=[]), "a route needs tiers"),
        (Route, route(deny=True, tiers=[{"select": {}}]), "has no tiers"),
        (Route, route(must={"data": {"training": True}}), "False"),
        (Route, route(cache={"exact": "1h"}), "Extra inputs"),
        (Route, {**route(), "otherwise": {"reject": 200, "code": "x"}}, "greater than"),
        (
            PolicyTest,
            {"name": "t", "given": {"request": {"model": "m"}}, "expect": {}},
            "something",
        ),
    ],
)
def test_what_is_refused(kind: Any, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(raw)


def test_every_wish_can_be_expected_in_a_test() -> None:
    assert set(get_args(WishName)) == set(Should.model_fields)


def test_the_words_of_advance_include_what_they_stand_for() -> None:
    assert Advance(after=("connect", "no_candidate")).kinds == {"connect", "reset"}
    assert Advance(after=("rate_limited",)).kinds == {"rate_limited", "quota"}
    assert {"overloaded", "http_5xx", "timeout", "auth"} <= Advance().kinds
    assert not {"invalid_request", "content_filter", "context_overflow"} & Advance().kinds


ARMS = {"a": {"select": {}}, "b": {"select": {}, "percent": 5}, "c": {"select": {}, "percent": 20}}


def test_the_assignment_is_the_documented_one() -> None:
    assert round(position("helpdesk-ft-canary-1", "c-0001"), 2) == 42.65
    assert round(position("helpdesk-ft-canary-1", "c-0031"), 2) == 3.48


def test_shares_are_kept_and_growing_the_last_moves_nobody_else() -> None:
    spec = ExperimentSpec.model_validate({"route": "r", "salt": "s", "arms": ARMS})
    grown = {**ARMS, "c": {"select": {}, "percent": 50}}
    more = ExperimentSpec.model_validate({"route": "r", "salt": "s", "arms": grown})
    units = [f"u{n}" for n in range(4000)]
    before = [assign(spec, unit) for unit in units]
    after = [assign(more, unit) for unit in units]
    assert 0.035 < before.count("b") / 4000 < 0.065
    assert 0.17 < before.count("c") / 4000 < 0.23
    moves = {(x, y) for x, y in zip(before, after, strict=True) if x != y}
    assert moves == {("a", "c")}


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"a": {"select": {}}, "b": {"select": {}}}, "every arm but one"),
        (
            {
                "a": {"select": {}, "percent": 60},
                "b": {"select": {}, "percent": 50},
                "c": {"select": {}},
            },
            "more than 100",
        ),
    ],
)
def test_shares_must_add_up(arms: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExperimentSpec.model_validate({"route": "r", "salt": "s", "arms": arms})
