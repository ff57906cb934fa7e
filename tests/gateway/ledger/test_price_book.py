from __future__ import annotations

import importlib.util
import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config.catalog import Price as PriceOverride
from headgate.ledger import price_book
from headgate.ledger.price_book import DEFAULT_PATH, PriceBook, in_force, matches, override
from headgate.ledger.prices import CLASSES, cost
from headgate_providers.sdk import normalise
from tests.recordings import Recording, index, load, needs_recordings

D = Decimal
BOOK = PriceBook()
DATA: dict[str, Any] = json.loads(DEFAULT_PATH.read_text())
ENTRIES = [
    (provider, entry) for provider, row in DATA["providers"].items() for entry in row["models"]
]


@pytest.mark.parametrize(
    ("provider", "model", "rates"),
    [
        ("openai", "gpt-4o", ("2.5", "10", "1.25")),
        ("openai", "gpt-4o-2024-08-06", ("2.5", "10", "1.25")),
        ("openai", "GPT-4o-mini", ("0.15", "0.6", "0.075")),
        ("openai", "text-embedding-3-small", ("0.02", None, None)),
        ("azure", "gpt-4o-mini", ("0.15", "0.6", "0.075")),
        ("anthropic", "claude-haiku-4-5", ("1", "5", "0.1")),
        ("anthropic", "claude-haiku-4-5-20251001", ("1", "5", "0.1")),
        ("gemini", "gemini-2.5-pro", ("1.25", "10", "0.125")),
        ("vertex", "gemini-2.5-flash", ("0.3", "2.5", "0.03")),
        ("vertex", "claude-sonnet-4-5@20250929", ("3", "15", "0.3")),
        ("bedrock", "amazon.nova-lite-v1:0", ("0.06", "0.24", "0.015")),
        ("bedrock", "eu.amazon.nova-lite-v1:0", ("0.078", "0.312", "0.0195")),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", ("1.1", "5.5", "0.11")),
        ("mistral", "mistral-small-latest", None),
        ("groq", "llama-3.3-70b-versatile", ("0.59", "0.79", None)),
        ("openrouter", "anthropic/claude-haiku-4.5", ("1", "5", "0.1")),
        ("litellm", "groq/llama-3.3-70b-versatile", ("0.59", "0.79", None)),
    ],
)
def test_looks_up_as_the_vendors_spell(
    provider: str, model: str, rates: tuple[str, str | None, str | None] | None
) -> None:
    price = BOOK.price(provider, model)
    assert price is not None
    if rates is not None:
        want = tuple(None if rate is None else D(rate) for rate in rates)
        assert (price.rates.input, price.rates.output, price.rates.cache_read) == want


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-but-not-really"),
        ("tgi", "gpt-4o"),
        ("vllm", "llama"),
        ("", ""),
        ("litellm", "x"),
    ],
)
def test_what_is_not_in_the_list_has_no_price(provider: str, model: str) -> None:
    assert BOOK.price(provider, model) is None


def test_the_version_names_list_seller_and_row() -> None:
    price = BOOK.price("azure", "gpt-4o-mini")
    assert price is not None
    assert price.version == f"{BOOK.version}/openai/gpt-4o-mini"
    assert price.source == "list"
    date.fromisoformat(BOOK.version)
    assert set(BOOK.sources) == {"genai-prices", "litellm"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "input_rate", "valid_from"),
    [
        ("2025-09-28T23:59:59", "0.27", None),
        ("2025-09-29T00:00:00", "0.28", date(2025, 9, 29)),
        ("2026-11-24T12:00:00", "0.28", date(2025, 9, 29)),
    ],
)
def test_a_price_counts_from_its_day(moment: str, input_rate: str, valid_from: date | None) -> None:
    price = BOOK.price("deepseek", "deepseek-chat", at(moment))
    assert price is not None
    assert (price.rates.input, price.valid_from) == (D(input_rate), valid_from)


ROWS = [{"id": 0}, {"id": 1, "from": "2026-01-01"}, {"id": 2, "hours": ["22:00", "06:00"]}]


@pytest.mark.parametrize(
    ("moment", "row"),
    [
        ("2025-12-31T21:59:59", 0),
        ("2025-12-31T22:00:00", 2),
        ("2026-01-01T05:59:00", 2),
        ("2026-01-01T06:00:00", 1),
    ],
)
def test_the_last_row_in_force_counts(moment: str, row: int) -> None:
    assert in_force(ROWS, at(moment))["id"] == row


def test_without_a_row_in_force_the_first_counts() -> None:
    assert in_force([{"id": 0, "from": "2026-01-01"}], at("2020-01-01"))["id"] == 0


@pytest.mark.parametrize(
    ("rule", "name", "fits"),
    [
        ("=gpt-4o", "gpt-4o", True),
        ("=gpt-4o", "gpt-4o-mini", False),
        ("^gpt-4", "gpt-4o", True),
        ("$-4o", "gpt-4o", True),
        ("*t-4", "gpt-4o", True),
        ("~^g.t-4o$", "gpt-4o", True),
        ("~^pt", "gpt-4o", False),
        (["^gpt", "$o"], "gpt-4o", True),
        (["^gpt", "$x"], "gpt-4o", False),
    ],
)
def test_rules(rule: Any, name: str, fits: bool) -> None:
    assert matches(rule, name) is fits


def test_tiers_inherit_what_they_do_not_change() -> None:
    price = BOOK.price("google", "gemini-2.5-pro")
    assert price is not None
    [tier] = price.tiers
    assert tier.above_tokens == 200_000
    assert (tier.rates.input, tier.rates.output) == (D("2.5"), D("15"))


def test_an_override_has_a_version_of_its_own() -> None:
    first = override(PriceOverride.model_validate({"in": "1", "out": "2"}))
    same = override(PriceOverride.model_validate({"in": "1", "out": "2"}))
    other = override(PriceOverride.model_validate({"in": "1", "out": "2", "cache_read": "0.1"}))
    assert first.source == "override"
    assert first.version == same.version != other.version
    assert (first.rates.input, first.rates.output) == (D(1), D(2))


# --- the data file --------------------------------------------------------------------------


def test_the_file_is_small_and_well_formed() -> None:
    assert DEFAULT_PATH.stat().st_size < 1_500_000
    members = {*CLASSES, "from", "hours", "tiers", "request"}
    for provider, entry in ENTRIES:
        assert set(entry) <= {"id", "match", "prices", "from", "other", "note"}, entry["id"]
        assert set(entry["from"]) <= {"genai-prices", "litellm", "headgate"}
        assert entry["match"], entry["id"]
        assert "from" not in entry["prices"][0]
        for row in entry["prices"]:
            assert set(row) <= members, (provider, entry["id"])
            for name in (*CLASSES, "request"):
                assert D(row.get(name, "0")) >= 0
            starts = [tier["above"] for tier in row.get("tiers", ())]
            assert starts == sorted(set(starts))


def test_every_row_can_be_looked_up_by_its_names() -> None:
    for provider, entry in ENTRIES:
        for rule in entry["match"]:
            if isinstance(rule, str) and rule.startswith("="):
                assert BOOK.price(provider, rule[1:]) is not None, rule


BIG = {
    "openai": "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-5 gpt-5-mini gpt-5-nano gpt-5.4 o3"
    " o4-mini text-embedding-3-small text-embedding-3-large",
    "anthropic": "claude-haiku-4-5 claude-sonnet-4-5 claude-sonnet-4-6 claude-opus-4-5",
    "google": "gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro",
    "bedrock": "amazon.nova-lite-v1:0 amazon.nova-micro-v1:0 amazon.nova-pro-v1:0",
    "xai": "grok-4.3",
    "mistral": "codestral-2508 mistral-embed",
    "cohere": "command-a-03-2025 command-r-plus",
    "groq": "openai/gpt-oss-120b",
    "moonshot": "kimi-k2.6",
    "cerebras": "gpt-oss-120b",
}


@pytest.mark.parametrize(
    ("provider", "model"), [(p, m) for p, models in BIG.items() for m in models.split()]
)
def test_both_sources_agree_on_the_big_models(provider: str, model: str) -> None:
    _, entry = BOOK._finder.find(provider, model) or pytest.fail("not in the list")
    assert {"genai-prices", "litellm"} <= set(entry["from"])
    assert f"litellm:{model}" not in entry.get("other", {})


def test_the_sources_disagree_on_few_of_the_models_both_have() -> None:
    both = [entry for _, entry in ENTRIES if "litellm" in entry["from"] and len(entry["from"]) > 1]
    disputed = [entry for _, entry in ENTRIES if "other" in entry]
    assert len(both) > 300
    assert len(disputed) < len(both) / 5


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("genai_prices", "litellm")),
    reason="needs its sources: uv sync --all-packages --group prices --extra litellm",
)
def test_the_file_is_what_its_sources_give() -> None:
    from headgate.ledger.price_build import build, litellm_source

    path, _ = litellm_source(None)
    assert build(path, DATA["version"])["providers"] == DATA["providers"]


@given(st.sampled_from(sorted(DATA["providers"])), st.text(max_size=40))
def test_any_name_is_answered(provider: str, model: str) -> None:
    price = BOOK.price(provider, model)
    assert price is None or price.rates.input is not None


def test_a_file_elsewhere_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    row = {"id": "m", "match": ["=m"], "prices": [{"input": "1"}], "from": []}
    providers = {"own": {"models": [row]}, "reseller": {"models": [], "fallback": ["own"]}}
    path.write_text(json.dumps({"version": "2026-01-01", "sources": {}, "providers": providers}))
    price = PriceBook(path).price("reseller", "m")
    assert price is not None
    assert price.version == "2026-01-01/own/m"
    assert path != price_book.DEFAULT_PATH


# --- what vendors state they charged --------------------------------------------------------


def stated() -> list[tuple[str, Recording, str]]:
    rows = [row for row in index() if row["vendor"] in ("openrouter", "perplexity", "xai")]
    return [
        (row["vendor"], load(row["vendor"], row["name"]), row["model"] or "")
        for row in rows
        if row["operation"] in ("chat", "responses", "embeddings")
    ]


@needs_recordings
def test_the_list_gives_to_the_last_digit_what_vendors_state() -> None:
    """Perplexity rounds each part of its statement to five digits."""
    outcome: Counter[tuple[str, str]] = Counter()
    for vendor, recording, model in stated():
        usage = normalise("openai", recording.usage["raw"]) if recording.usage else None
        if usage is None or usage.cost_usd is None:
            continue
        price = BOOK.price(vendor, model)
        amount = None if price is None else cost(usage, price)
        if amount is None:
            outcome[vendor, "unknown"] += 1
        elif amount == usage.cost_usd:
            outcome[vendor, "equal"] += 1
        elif vendor == "perplexity" and abs(amount - usage.cost_usd) <= D("0.00001"):
            outcome[vendor, "rounded"] += 1
        elif fees(vendor, model, recording):
            outcome[vendor, "fees"] += 1
        else:
            outcome[vendor, f"{recording.id}: {amount} != {usage.cost_usd}"] += 1
    assert outcome == {
        ("openrouter", "equal"): 72,
        ("openrouter", "fees"): 2,
        ("openrouter", "unknown"): 6,
        ("perplexity", "equal"): 5,
        ("perplexity", "rounded"): 13,
        ("xai", "equal"): 56,
        ("xai", "fees"): 2,
    }


def fees(vendor: str, model: str, recording: Recording) -> bool:
    """Whether the reply was charged for more than its tokens: searches, tools, a request fee."""
    raw = recording.usage["raw"] if recording.usage else {}
    searched = (raw.get("server_tool_use_details") or {}).get("web_search_requests")
    return bool(
        searched
        or raw.get("num_server_side_tools_used")
        or (vendor == "openrouter" and model.startswith("perplexity/"))
    )
