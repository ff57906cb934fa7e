from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headgate.ledger.prices as module
from headgate.ledger.prices import (
    CLASSES,
    EXACT,
    UNKNOWN,
    Charge,
    Price,
    Rates,
    Tier,
    charge,
    cost,
    total_usd,
)
from headgate_providers.sdk import Usage
from headgate_providers.sdk.usage import TOKENS_MAX

D = Decimal
SONNET = Rates(
    input=D("3"),
    output=D("15"),
    cache_read=D("0.3"),
    cache_write=D("3.75"),
    cache_write_1h=D("6"),
)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(), "0"),
        (Usage(1, 0), "0.000003"),
        (Usage(1000, 500), "0.0105"),
        (Usage(1000, 0, cache_read_tokens=1000), "0.0003"),
        (Usage(1000, 0, cache_read_tokens=400, cache_write_tokens=100), "0.001995"),
        (Usage(1000, 0, cache_write_1h_tokens=1000), "0.006"),
        (Usage(0, 1000, reasoning_tokens=900), "0.015"),
        (Usage(100, 0, cache_read_tokens=400), "0.00003"),
    ],
)
def test_every_token_is_priced_once(usage: Usage, usd: str) -> None:
    assert cost(usage, Price(SONNET)) == D(usd)


def test_classes_with_a_price_of_their_own() -> None:
    rates = Rates(
        input=D("2"),
        output=D("8"),
        reasoning=D("3"),
        audio_input=D("40"),
        audio_output=D("80"),
        image_input=D("5"),
        image_output=D("30"),
    )
    usage = Usage(
        input_tokens=100,
        output_tokens=100,
        audio_input_tokens=10,
        image_input_tokens=20,
        audio_output_tokens=30,
        image_output_tokens=40,
        reasoning_tokens=20,
    )
    given_ = 70 * 2 + 10 * 40 + 20 * 5
    made = 10 * 8 + 30 * 80 + 40 * 30 + 20 * 3
    assert cost(usage, Price(rates)) == D(given_ + made) / 1_000_000


@pytest.mark.parametrize(
    ("rates", "usage", "usd"),
    [
        (Rates(output=D(1)), Usage(1, 0), None),
        (Rates(input=D(1)), Usage(0, 1), None),
        (Rates(input=D(1)), Usage(1_000_000, 0), "1"),
        (Rates(cache_read=D(1)), Usage(10, 0, cache_read_tokens=9), None),
        (Rates(cache_read=D(1)), Usage(10, 0, cache_read_tokens=10), "0.00001"),
        (Rates(input=D(0), output=D(0)), Usage(5, 5), "0"),
        (Rates(), Usage(), "0"),
        (Rates(), Usage(1, 1), None),
    ],
)
def test_unknown_is_never_zero(rates: Rates, usage: Usage, usd: str | None) -> None:
    assert cost(usage, Price(rates)) == (None if usd is None else D(usd))


@pytest.mark.parametrize(
    ("input_tokens", "rate"), [(200_000, 1), (200_001, 2), (500_000, 2), (500_001, 4)]
)
def test_a_tier_applies_to_all_tokens_above_its_threshold(input_tokens: int, rate: int) -> None:
    tiers = (Tier(200_000, Rates(input=D(2))), Tier(500_000, Rates(input=D(4))))
    price = Price(Rates(input=D(1)), tiers)
    assert cost(Usage(input_tokens), price) == D(input_tokens * rate) / 1_000_000


def test_a_request_fee_comes_on_top() -> None:
    assert cost(Usage(10, 10), Price(SONNET, request=D("0.005"))) == D("0.00518")


LIST = Price(SONNET, version="2026-11-24/x/y")
OWN = Price(SONNET, version="override/abc", source="override")
STATED = Usage(1000, 500, cost_usd=D("0.0123"))


@pytest.mark.parametrize(
    ("usage", "price", "charged"),
    [
        (Usage(1000, 500), LIST, Charge(D("0.0105"), "list", LIST.version)),
        (Usage(1000, 500, source="estimated"), LIST, Charge(D("0.0105"), "list", LIST.version)),
        (Usage(1000, 500), OWN, Charge(D("0.0105"), "override", OWN.version)),
        (STATED, LIST, Charge(D("0.0123"), "vendor")),
        (STATED, None, Charge(D("0.0123"), "vendor")),
        (STATED, OWN, Charge(D("0.0105"), "override", OWN.version)),
        (Usage(1, 1, cost_usd=D(0)), LIST, Charge(D(0), "vendor")),
        (Usage(1000, 500), None, UNKNOWN),
        (Usage(source="none"), LIST, UNKNOWN),
        (None, LIST, UNKNOWN),
        (Usage(1, 1), Price(Rates(input=D(1))), UNKNOWN),
    ],
)
def test_whose_price_counts(usage: Usage | None, price: Price | None, charged: Charge) -> None:
    assert charge(usage, price) == charged


amounts = st.decimals(0, 10**6, places=9, allow_nan=False, allow_infinity=False)
maybe = st.none() | amounts
rates = st.builds(Rates, **dict.fromkeys(CLASSES, maybe))
complete = st.builds(Rates, **dict.fromkeys(CLASSES, amounts))
counts = st.integers(0, 10**4) | st.integers(0, TOKENS_MAX)
usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cache_read_tokens=counts,
    cache_write_tokens=counts,
    cache_write_1h_tokens=counts,
    reasoning_tokens=counts,
    audio_input_tokens=counts,
    audio_output_tokens=counts,
    image_input_tokens=counts,
    image_output_tokens=counts,
)


@given(usages, amounts, amounts)
def test_with_one_rate_per_direction_only_the_totals_count(
    usage: Usage, into: Decimal, out: Decimal
) -> None:
    exact = EXACT.add(EXACT.multiply(usage.input_tokens, into), usage.output_tokens * out)
    assert cost(usage, Price(Rates(input=into, output=out))) == exact.scaleb(-6)


@given(usages, complete)
def test_a_cost_lies_between_the_cheapest_and_the_dearest_class(usage: Usage, every: Rates) -> None:
    amount = cost(usage, Price(every))
    assert amount is not None
    each = [getattr(every, name) for name in CLASSES]
    assert usage.total_tokens * min(each) <= amount.scaleb(6) <= usage.total_tokens * max(each)


@given(usages, complete, st.integers(0, 1000), st.integers(0, 1000))
def test_more_tokens_never_cost_less(usage: Usage, every: Rates, more: int, made: int) -> None:
    larger = replace(
        usage,
        input_tokens=usage.input_tokens + more,
        output_tokens=usage.output_tokens + made,
    )
    less, much = cost(usage, Price(every)), cost(larger, Price(every))
    assert less is not None
    assert much is not None
    assert less <= much


@given(usages, rates)
def test_an_unknown_rate_gives_none_and_a_known_one_an_exact_amount(
    usage: Usage, some: Rates
) -> None:
    amount = cost(usage, Price(some))
    assert amount is None or (amount >= 0 and amount.is_finite())
    if amount is None:
        assert some.input is None or some.output is None


@given(st.lists(st.decimals(0, 10**12, places=20), max_size=30))
def test_sums_are_exact(parts: list[Decimal]) -> None:
    digits = sum(int(part.scaleb(20, EXACT)) for part in parts)
    assert total_usd(list(parts)) == Decimal(digits).scaleb(-20, EXACT)
    assert total_usd([*parts, None]) is None


def test_the_arithmetic_has_no_float() -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.Name) and node.id in ("float", "round"))
        assert not isinstance(node, ast.Div)
