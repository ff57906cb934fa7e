"""Values with their unit inside: `900ms`, `0.05 USD`, `10%`, `100k`, `32MiB`.

Each type parses from text, is a plain number afterwards, and has a JSON Schema pattern.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$")
_DURATION_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MONEY = re.compile(r"^([0-9]+(?:\.[0-9]+)?) USD$")
_SHARE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)%$")
_COUNT = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([kM]?)$")
_COUNT_FACTOR = {"": 1, "k": 1000, "M": 1_000_000}
_SIZE = re.compile(r"^([0-9]+)(B|KiB|MiB|GiB)$")
_SIZE_FACTOR = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _match(pattern: re.Pattern[str], value: Any, example: str) -> re.Match[str]:
    found = pattern.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"write it with its unit, such as {example}")
    return found


def _duration(value: Any) -> float:
    number, unit = _match(_DURATION, value, "900ms, 20s or 4h").groups()
    return float(number) * _DURATION_S[unit]


def _money(value: Any) -> Decimal:
    return Decimal(_match(_MONEY, value, "0.05 USD")[1])


def _share(value: Any) -> float:
    return float(_match(_SHARE, value, "10%")[1]) / 100.0


def _tokens(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number, factor = _match(_COUNT, value, "100k or 2M").groups()
    return int(Decimal(number) * _COUNT_FACTOR[factor])


def _size(value: Any) -> int:
    number, unit = _match(_SIZE, value, "64KiB or 32MiB").groups()
    return int(number) * _SIZE_FACTOR[unit]


def _schema(pattern: re.Pattern[str], *examples: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern.pattern, "examples": list(examples)}
    )


DurationS = Annotated[float, BeforeValidator(_duration), _schema(_DURATION, "900ms", "20s", "4h")]
"""A length of time, kept in seconds."""

MoneyUsd = Annotated[Decimal, BeforeValidator(_money), _schema(_MONEY, "0.05 USD")]
"""An amount of money, kept in US dollars."""

SizeBytes = Annotated[int, BeforeValidator(_size), _schema(_SIZE, "64KiB", "32MiB")]
"""A size of data, kept in bytes."""

Share = Annotated[float, BeforeValidator(_share), _schema(_SHARE, "10%")]
"""A percentage, kept as a fraction of 1."""

Tokens = Annotated[
    int,
    BeforeValidator(_tokens),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": _COUNT.pattern},
            ]
        }
    ),
]
"""A number of tokens, such as `131072` or `100k`."""
