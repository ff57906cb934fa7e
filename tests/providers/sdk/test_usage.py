"""The usage normaliser against what 1188 recorded replies state about themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate_providers.sdk.usage import TOKEN_CLASSES, TOKENS_MAX, Usage, UsageFormat, normalise
from tests.recordings import Recording, index, load, needs_recordings

FORMATS: dict[str, UsageFormat] = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "gemini": "google",
    "vertex": "google",
}
"""Everyone else copied OpenAI's shape; TGI has its own for `/generate` only."""

NOT_COVERED = {
    ("ollama", "eval_count"): "Ollama's native shape: it is reached through its /v1",
    ("gemini", "cache"): "the size of a stored cache, not the usage of a call",
    ("vertex", "cache"): "the size of a stored cache, not the usage of a call",
    ("tgi", "prefill"): "old TGI: the prompt is counted from the prefill list of the reply",
}
"""What cannot pass, by vendor and either operation or what marks the reply."""

COUNTS = {("ollama", "eval_count"): 12, ("gemini", "cache"): 4, ("vertex", "cache"): 1}


def exception_of(recording: Recording) -> tuple[str, str] | None:
    raw = recording.usage["raw"] if recording.usage else {}
    if (recording.vendor, recording.operation) in NOT_COVERED:
        return recording.vendor, recording.operation
    if recording.vendor == "ollama" and "eval_count" in raw:
        return "ollama", "eval_count"
    if recording.vendor == "tgi" and "generated_tokens" in raw and "input_tokens" in raw:
        return "tgi", "prefill"
    return None


def format_of(recording: Recording) -> UsageFormat:
    if recording.vendor == "tgi" and recording.operation == "generate":
        return "tgi"
    return FORMATS.get(recording.vendor, "openai")


def expected(recording: Recording) -> dict[str, Any]:
    """The counts that the recording's own members give, brought to our one convention."""
    assert recording.usage is not None
    stated, raw = recording.usage, recording.usage["raw"]
    counts = {name: int(stated[name]) for name in TOKEN_CLASSES if name in stated}
    if "input_tokens" in counts and not stated["input_includes_cache"]:
        counts["input_tokens"] += counts.get("cache_read_tokens", 0)
        counts["input_tokens"] += counts.get("cache_write_tokens", 0)
    if format_of(recording) == "google" and "input_tokens" in counts:
        counts["input_tokens"] += raw.get("toolUsePromptTokenCount", 0)
        counts["output_tokens"] = counts.get("output_tokens", 0) + counts.get("reasoning_tokens", 0)
    if recording.vendor == "xai" and "completion_tokens" in raw:
        counts["output_tokens"] += counts["reasoning_tokens"]
    if recording.vendor == "mistral" and "prompt_audio_seconds" in raw:
        counts["input_tokens"] += raw["prompt_tokens_details"]["audio_tokens"]
    if recording.vendor == "azure" and counts.get("cache_read_tokens", 0) > counts["input_tokens"]:
        counts["cache_read_tokens"] = 0  # Grok's: of a prompt that Azure hides
    if recording.vendor == "cohere":
        counts.pop("cache_read_tokens", None)  # counts Cohere's own prompt text; see below
    for step in raw.get("iterations", ()):
        if step["type"] == "compaction":
            counts["input_tokens"] += step["input_tokens"]
            counts["output_tokens"] += step["output_tokens"]
    return counts


def recorded() -> list[Recording]:
    rows = (load(row["vendor"], row["name"]) for row in index() if "usage" in row["tags"])
    return [recording for recording in rows if recording.usage is not None]


@needs_recordings
def test_every_recorded_usage_is_read_as_the_reply_states_it() -> None:
    passed, wrong, skipped = 0, {}, {}
    for recording in recorded():
        if (reason := exception_of(recording)) is not None:
            skipped[reason] = skipped.get(reason, 0) + 1
            continue
        assert recording.usage is not None
        usage = normalise(format_of(recording), recording.usage["raw"])
        want = expected(recording)
        got = {name: getattr(usage, name) for name in want}
        got["cache_write_tokens"] = usage.cache_write_tokens + usage.cache_write_1h_tokens
        want.setdefault("cache_write_tokens", 0)
        if "total_tokens" in recording.usage:
            want["total_tokens"] = recording.usage["total_tokens"]
            got["total_tokens"] = usage.total_tokens
            if any(s["type"] == "compaction" for s in recording.usage["raw"].get("iterations", ())):
                want["total_tokens"] = want["input_tokens"] + want["output_tokens"]
        if "cost" in recording.usage:
            want["cost"] = Decimal(repr(recording.usage["cost"]))
            got["cost"] = usage.cost_usd
        if got == want:
            passed += 1
        else:
            wrong[recording.id] = (want, got)
    assert wrong == {}
    assert skipped == {**COUNTS, ("tgi", "prefill"): 2}
    assert passed == 1188 - sum(skipped.values())


@needs_recordings
def test_no_class_exceeds_the_total_it_is_inside_of() -> None:
    for recording in recorded():
        assert recording.usage is not None
        check_classes(normalise(format_of(recording), recording.usage["raw"]), recording.id)


def check_classes(usage: Usage, name: str = "") -> None:
    cached = usage.cache_read_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens
    assert cached <= usage.input_tokens, name
    assert usage.reasoning_tokens <= usage.output_tokens, name
    assert usage.audio_input_tokens + usage.image_input_tokens <= usage.input_tokens, name
    assert usage.audio_output_tokens + usage.image_output_tokens <= usage.output_tokens, name


def test_cohere_caches_its_own_prompt_before_what_is_billed() -> None:
    tokens = {"billed_units": {"input_tokens": 98}, "tokens": {"input_tokens": 1508}}
    assert normalise("cohere", {**tokens, "cached_tokens": 448}).cache_read_tokens == 0
    assert normalise("cohere", {**tokens, "cached_tokens": 1472}).cache_read_tokens == 62


def test_anthropic_bills_the_compaction_pass_that_its_totals_leave_out() -> None:
    step = {"input_tokens": 900, "output_tokens": 8, "cache_read_input_tokens": 100}
    raw = {
        "input_tokens": 16,
        "output_tokens": 2,
        "iterations": [{**step, "type": "compaction"}, {"input_tokens": 16, "type": "message"}],
    }
    usage = normalise("anthropic", raw)
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (1016, 10, 100)


@pytest.mark.parametrize(
    ("raw", "cost_usd"),
    [
        ({"cost": 0.000081}, "0.000081"),
        ({"cost": 0}, "0"),
        ({"cost": {"total_cost": 0.006}}, "0.006"),
        ({"cost_in_usd_ticks": 1176500}, "0.00011765"),
        (
            {
                "cost": 0.05,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 1.0},
            },
            "1.05",
        ),
        ({"cost_in_usd_ticks": 0}, None),
        ({}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": "1"}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 0.05, "is_byok": True, "cost_details": {}}, None),
    ],
)
def test_stated_cost(raw: dict[str, Any], cost_usd: str | None) -> None:
    want = None if cost_usd is None else Decimal(cost_usd)
    assert normalise("openai", raw).cost_usd == want


def test_reasoning_and_audio_beside_the_totals_are_added_once() -> None:
    beside = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241}
    details = {"completion_tokens_details": {"reasoning_tokens": 228}}
    assert normalise("openai", {**beside, **details}).output_tokens == 229
    inside = {"prompt_tokens": 12, "completion_tokens": 229, "total_tokens": 241}
    assert normalise("openai", {**inside, **details}).output_tokens == 229
    audio = {"prompt_tokens": 9, "completion_tokens": 248, "total_tokens": 632}
    heard = {"prompt_tokens_details": {"audio_tokens": 375}}
    assert normalise("openai", {**audio, **heard}).input_tokens == 384


MEMBERS = st.sampled_from(
    [
        "input_tokens",
        "output_tokens",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "reasoning_tokens",
        "audio_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "iterations",
        "promptTokenCount",
        "promptTokensDetails",
        "modality",
        "tokenCount",
        "inputTokens",
        "billed_units",
        "tokens",
        "prefill",
        "cost",
        "cost_details",
        "is_byok",
    ]
)

numbers = st.none() | st.booleans() | st.integers(-5, 99) | st.integers() | st.floats()
details = st.dictionaries(MEMBERS, numbers, max_size=3)
junk = numbers | st.text(max_size=3) | details | st.lists(details, max_size=2)


@given(
    st.sampled_from(["openai", "anthropic", "google", "bedrock", "cohere", "tgi"]),
    st.dictionaries(MEMBERS, junk, max_size=8),
)
@example("openai", {"input_tokens": float("inf"), "output_tokens": float("nan")})
def test_nonsense_is_read_as_bounded_counts(format: UsageFormat, raw: dict[str, Any]) -> None:
    usage = normalise(format, raw)
    for name in TOKEN_CLASSES:
        count = getattr(usage, name)
        assert type(count) is int
        assert 0 <= count <= 4 * TOKENS_MAX
    check_classes(usage)
    assert usage.cost_usd is None or usage.cost_usd.is_finite()
