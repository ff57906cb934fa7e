"""Which price applies: provider, model and moment → `Price`.

The price list is the data file beside this module (see `price_build.py` for how it is made). It is
read at the first question, and each model's row is looked at only when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from headgate.ledger.prices import CLASSES, Price, Rates, Tier

if TYPE_CHECKING:
    from headgate.config.catalog import Price as PriceOverride

DEFAULT_PATH = Path(__file__).with_name("prices.json")

ALIASES = {
    "aws": "bedrock",
    "azure_openai": "azure",
    "bedrock_mantle": "bedrock",
    "dashscope": "alibaba",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google_vertex": "vertex",
    "moonshotai": "moonshot",
    "qwen": "alibaba",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "voyageai": "voyage",
    "x-ai": "xai",
}
"""Other names in use for the providers of the price list."""

_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)")

NAMES_MAX = 4096
"""How many looked-up names are remembered."""

Entry = Mapping[str, Any]
"""A model's row of the data file: `id`, `match`, `prices`, `from`, `other`."""


class PriceBook:
    """The price list of a data file. Cheap to make; safe to share between threads."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        self._path = path
        self._model = lru_cache(NAMES_MAX)(self._look_up)

    def price(self, provider: str, model: str, at: datetime | None = None) -> Price | None:
        """The list price of a model at a moment (now); `None` if it is not in the list.

        `provider` is a deployment's, `model` the name that the vendor is asked for. Behind the
        provider `litellm` the model's first part is the vendor.
        """
        found = self._model(provider, model)
        return found.price(at or datetime.now(UTC)) if found else None

    @property
    def version(self) -> str:
        """The day the list was made, `YYYY-MM-DD`."""
        return str(self._data["version"])

    @property
    def sources(self) -> Mapping[str, str]:
        """What it was made from, with versions."""
        sources: Mapping[str, str] = self._data["sources"]
        return sources

    @cached_property
    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads(self._path.read_bytes())
        return data

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self._data["providers"])

    def _look_up(self, provider: str, model: str) -> _Model | None:
        vendor, slash, rest = model.partition("/")
        if provider == "litellm" and slash:
            provider, model = vendor, rest
        found = self._finder.find(ALIASES.get(provider, provider), model)
        if found is None:
            return None
        seller, entry = found
        return _Model(entry, f"{self.version}/{seller}/{entry['id']}")


class _Model:
    """One model's prices over time, parsed when they are first in force."""

    def __init__(self, entry: Entry, version: str) -> None:
        self._rows: Sequence[Entry] = entry["prices"]
        self._version = version
        self._parsed: dict[int, Price] = {}

    def price(self, at: datetime) -> Price:
        row = in_force(self._rows, at)
        price = self._parsed.get(id(row))
        if price is None:
            price = self._parsed[id(row)] = _price(row, self._version)
        return price


class Finder:
    """Finds a model's entry by the name an API call uses, as the sources' rules say.

    An exact name wins over a pattern; then the first pattern in the file's order. A provider that
    also sells others' models is asked first, then those others. A compact date (`-20260131`) is
    tried as `-2026-01-31` too.
    """

    def __init__(self, providers: Mapping[str, Any]) -> None:
        self._providers = providers
        self._index = lru_cache(None)(self._make_index)

    def find(self, provider: str, model: str) -> tuple[str, Entry] | None:
        """The seller whose row it is, and the row."""
        if provider not in self._providers:
            return None
        sellers = (provider, *self._providers[provider].get("fallback", ()))
        name = model.lower()
        for spelling in dict.fromkeys((name, _COMPACT_DATE.sub(r"-\1-\2-\3", name))):
            for seller in sellers:
                entry = self._index(seller).find(spelling)
                if entry is not None:
                    return seller, entry
        return None

    def _make_index(self, provider: str) -> _Index:
        return _Index(self._providers.get(provider, {}).get("models", ()))


class _Index:
    def __init__(self, models: Sequence[Entry]) -> None:
        self._exact: dict[str, Entry] = {}
        self._patterns: list[tuple[Any, Entry]] = []
        for entry in models:
            for rule in entry["match"]:
                if isinstance(rule, str) and rule[0] == "=":
                    self._exact.setdefault(rule[1:], entry)
                else:
                    self._patterns.append((rule, entry))

    def find(self, name: str) -> Entry | None:
        entry = self._exact.get(name)
        if entry is not None:
            return entry
        return next((entry for rule, entry in self._patterns if matches(rule, name)), None)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda name, text: name == text,
    "^": lambda name, text: name.startswith(text),
    "$": lambda name, text: name.endswith(text),
    "*": lambda name, text: text in name,
    "~": lambda name, text: re.search(text, name) is not None,
}


def matches(rule: Any, name: str) -> bool:
    """Whether a rule of the file fits a lower-case name.

    A rule is a sign and a text: `=` is, `^` begins with, `$` ends with, `*` contains, `~` fits the
    regular expression. A list of rules fits if all of them do.
    """
    if isinstance(rule, str):
        return _TESTS[rule[0]](name, rule[1:])
    return all(matches(part, name) for part in rule)


def in_force(rows: Sequence[Entry], at: datetime) -> Entry:
    """The row that applies at a moment: the last one whose condition holds, else the first.

    `from` is the first day (UTC) of a price, `hours` the daily span (UTC) in which it applies.
    """
    moment = at.astimezone(UTC)
    for row in reversed(rows):
        if "from" in row and moment.date().isoformat() < row["from"]:
            continue
        if "hours" in row and not _within(row["hours"], moment.strftime("%H:%M")):
            continue
        return row
    return rows[0]


def _within(hours: Sequence[str], clock: str) -> bool:
    start, end = hours
    return start <= clock < end if start <= end else clock >= start or clock < end


def _price(row: Entry, version: str) -> Price:
    rates = {name: Decimal(row[name]) for name in CLASSES if name in row}
    tiers = []
    for tier in row.get("tiers", ()):
        rates_above = {name: Decimal(tier[name]) for name in CLASSES if name in tier}
        tiers.append(Tier(tier["above"], Rates(**{**rates, **rates_above})))
    return Price(
        Rates(**rates),
        tuple(tiers),
        Decimal(row["request"]) if "request" in row else None,
        version,
        "list",
        date.fromisoformat(row["from"]) if "from" in row else None,
    )


def override(price: PriceOverride) -> Price:
    """A deployment's own price; its version is a digest, so that rows tell two prices apart."""
    rates = Rates(
        input=price.input,
        output=price.output,
        cache_read=price.cache_read,
        cache_write=price.cache_write,
        cache_write_1h=price.cache_write_1h,
        audio_input=price.audio_in,
        audio_output=price.audio_out,
        image_input=price.image_in,
        image_output=price.image_out,
    )
    amounts = (getattr(rates, name) for name in CLASSES)
    text = ",".join("" if amount is None else format(amount, "f") for amount in amounts)
    digest = sha256(text.encode()).hexdigest()[:12]
    return Price(rates, version=f"override/{digest}", source="override")
