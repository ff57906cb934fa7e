"""What usage costs: prices per million tokens by class, and exact arithmetic on them.

Price → Rates          what a token of each class costs
      → Tier           other rates for calls with a long input
charge(usage, price)   → Charge: the amount, where it comes from, by which price

Unknown is `None` and never zero. Nothing here is a float, and nothing is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Literal, TypeAlias

from headgate_providers.sdk import Usage

CostSource: TypeAlias = Literal["list", "override", "vendor", "none"]
"""Where an amount comes from: our price list, the deployment's own price, the vendor's reply."""

EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Money is only added, multiplied and shifted in this context: it raises rather than round."""

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens of each class.

    A class without a rate of its own costs what the class around it costs: `cache_write_1h` →
    `cache_write` → `input`; the others → `input` or `output`. Without that one it is unknown.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_output: Decimal | None = None


CLASSES: tuple[str, ...] = tuple(field.name for field in fields(Rates))
"""The names of the classes, as members of `Rates`."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates of all tokens of a call whose input is longer than `above_tokens`."""

    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Price:
    """What one deployment's model costs.

    `version` names the row of the price list or the override, for the ledger. `tiers` ascend.
    `request` is USD per call on top. `valid_from` is the day it came into force, where known.
    """

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    request: Decimal | None = None
    version: str = ""
    source: Literal["list", "override"] = "list"
    valid_from: date | None = None

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates of a call with that many input tokens, cached ones included."""
        for tier in reversed(self.tiers):
            if input_tokens > tier.above_tokens:
                return tier.rates
        return self.rates


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount in USD (`None`: unknown), its source, and the version of the price used."""

    usd: Decimal | None
    source: CostSource
    price_version: str | None = None


NOT_BILLED = Charge(ZERO, "none")
"""An attempt that the vendor does not bill: it refused, or nothing reached it."""

UNKNOWN = Charge(None, "none")
"""An attempt that may be billed, nobody can say how much."""


def charge(usage: Usage | None, price: Price | None) -> Charge:
    """What an attempt cost.

    The deployment's own price comes first: somebody negotiated it. Then what the vendor states in
    its reply: it knows of fees that are not tokens. Then the price list. Without usage, or where a
    class that was used has no price, it is unknown.
    """
    if usage is None:
        return UNKNOWN
    stated = usage.cost_usd
    if stated is not None and (price is None or price.source == "list"):
        return Charge(stated, "vendor")
    if price is None or usage.source == "none":
        return UNKNOWN
    amount = cost(usage, price)
    return UNKNOWN if amount is None else Charge(amount, price.source, price.version)


def cost(usage: Usage, price: Price) -> Decimal | None:
    """USD for these tokens, exact; `None` if a class that was used has no price.

    Every token is priced once: cached ones first at their rate, then of the rest audio, then
    images, then what is left. Classes larger than their total are cut to what fits.
    """
    rates = price.rates_for(usage.input_tokens)
    total = price.request or ZERO
    for tokens, rate in (*_input_lines(usage, rates), *_output_lines(usage, rates)):
        if tokens == 0:
            continue
        if rate is None:
            return None
        total = EXACT.add(total, EXACT.scaleb(EXACT.multiply(tokens, rate), -6))
    return total


Line: TypeAlias = tuple[int, Decimal | None]


def _input_lines(usage: Usage, rates: Rates) -> list[Line]:
    written = _either(rates.cache_write, rates.input)
    return _split(
        usage.input_tokens,
        rates.input,
        (
            (usage.cache_write_1h_tokens, _either(rates.cache_write_1h, written)),
            (usage.cache_write_tokens, written),
            (usage.cache_read_tokens, _either(rates.cache_read, rates.input)),
            (usage.audio_input_tokens, _either(rates.audio_input, rates.input)),
            (usage.image_input_tokens, _either(rates.image_input, rates.input)),
        ),
    )


def _output_lines(usage: Usage, rates: Rates) -> list[Line]:
    return _split(
        usage.output_tokens,
        rates.output,
        (
            (usage.audio_output_tokens, _either(rates.audio_output, rates.output)),
            (usage.image_output_tokens, _either(rates.image_output, rates.output)),
            (usage.reasoning_tokens, _either(rates.reasoning, rates.output)),
        ),
    )


def _either(own: Decimal | None, around: Decimal | None) -> Decimal | None:
    return around if own is None else own


def _split(total: int, rate: Decimal | None, parts: tuple[Line, ...]) -> list[Line]:
    """Take the parts out of the total one after the other; the rest goes at the plain rate."""
    left = max(total, 0)
    lines = []
    for tokens, own in parts:
        taken = min(max(tokens, 0), left)
        left -= taken
        lines.append((taken, own))
    return [*lines, (left, rate)]


def total_usd(amounts: list[Decimal | None]) -> Decimal | None:
    """The exact sum; unknown as soon as one of them is."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total = EXACT.add(total, amount)
    return total
