"""What a call used, counted once for all vendors.

Vendors disagree on whether cached, reasoning or tool tokens are inside their totals. Here they
always are: `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning
(the OpenTelemetry GenAI convention). The classes inside are therefore never larger than the total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

UsageSource: TypeAlias = Literal["vendor", "estimated", "none"]

UsageFormat: TypeAlias = Literal["openai", "anthropic", "google", "bedrock", "cohere", "tgi"]
"""The shape of a vendor's usage object."""

TOKENS_MAX = 10_000_000_000
"""Counts beyond this are taken for nonsense and clamped: no context or output is that long."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one attempt. `cost_usd` is a price the vendor itself stated, if any."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    cost_usd: Decimal | None = None
    source: UsageSource = "vendor"

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


def normalise(format: UsageFormat, raw: Mapping[str, Any]) -> Usage:
    """Read a vendor's usage object; missing or negative counts are 0, absurd ones are capped."""
    return _READERS[format](raw)


def _count(raw: Any, *path: str) -> int:
    value = raw
    for key in path:
        if not isinstance(value, Mapping):
            return 0
        value = value.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return min(max(int(value), 0), TOKENS_MAX) if value == value else 0


def _openai(raw: Mapping[str, Any]) -> Usage:
    """Chat completions, completions, embeddings, responses and everyone who copied them.

    Perplexity and xAI count reasoning beside `completion_tokens`; it shows when `total_tokens`
    exceeds prompt + completion by just that number.
    https://platform.openai.com/docs/api-reference/chat/object
    """
    given = "input" if "input_tokens" in raw else "prompt"
    made = "output" if "output_tokens" in raw else "completion"
    inputs, outputs = _count(raw, f"{given}_tokens"), _count(raw, f"{made}_tokens")
    given_details, made_details = f"{given}_tokens_details", f"{made}_tokens_details"
    reasoning = _count(raw, made_details, "reasoning_tokens") or _count(raw, "reasoning_tokens")
    total = _count(raw, "total_tokens")
    if reasoning and total == inputs + outputs + reasoning:
        outputs += reasoning
    cached = (
        _count(raw, given_details, "cached_tokens")
        or _count(raw, "prompt_cache_hit_tokens")
        or _count(raw, "cached_tokens")
        or _count(raw, "num_cached_tokens")
    )
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=cached,
        cache_write_tokens=_count(raw, given_details, "cache_write_tokens"),
        reasoning_tokens=reasoning,
        audio_input_tokens=_count(raw, given_details, "audio_tokens"),
        audio_output_tokens=_count(raw, made_details, "audio_tokens"),
        image_input_tokens=_count(raw, given_details, "image_tokens"),
        image_output_tokens=_count(raw, made_details, "image_tokens"),
        cost_usd=_stated_cost(raw),
    )


def _stated_cost(raw: Mapping[str, Any]) -> Decimal | None:
    """OpenRouter states `cost` as a number, Perplexity as `cost.total_cost`; both in USD."""
    cost = raw.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < 1e9:
        return None
    return Decimal(repr(cost))


def _anthropic(raw: Mapping[str, Any]) -> Usage:
    """`input_tokens` excludes cache reads and writes; the 1 h writes are a part of the writes.

    https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    read = _count(raw, "cache_read_input_tokens")
    written = _count(raw, "cache_creation_input_tokens")
    long_lived = min(_count(raw, "cache_creation", "ephemeral_1h_input_tokens"), written)
    return Usage(
        input_tokens=_count(raw, "input_tokens") + read + written,
        output_tokens=_count(raw, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=written - long_lived,
        cache_write_1h_tokens=long_lived,
        reasoning_tokens=_count(raw, "output_tokens_details", "thinking_tokens"),
    )


def _google(raw: Mapping[str, Any]) -> Usage:
    """Tool-use prompt tokens and thoughts are counted beside the prompt and the candidates.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    thoughts = _count(raw, "thoughtsTokenCount")
    given, made = (
        _modalities(raw, "promptTokensDetails"),
        _modalities(raw, "candidatesTokensDetails"),
    )
    return Usage(
        input_tokens=_count(raw, "promptTokenCount") + _count(raw, "toolUsePromptTokenCount"),
        output_tokens=_count(raw, "candidatesTokenCount") + thoughts,
        cache_read_tokens=_count(raw, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        audio_input_tokens=given.get("AUDIO", 0),
        audio_output_tokens=made.get("AUDIO", 0),
        image_input_tokens=given.get("IMAGE", 0),
        image_output_tokens=made.get("IMAGE", 0),
    )


def _modalities(raw: Mapping[str, Any], key: str) -> dict[str, int]:
    rows = raw.get(key)
    if not isinstance(rows, list):
        return {}
    return {
        row["modality"]: _count(row, "tokenCount")
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("modality"), str)
    }


def _bedrock(raw: Mapping[str, Any]) -> Usage:
    """Converse: `inputTokens` excludes cache reads and writes, as with Anthropic.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    read, written = _count(raw, "cacheReadInputTokens"), _count(raw, "cacheWriteInputTokens")
    return Usage(
        input_tokens=_count(raw, "inputTokens") + read + written,
        output_tokens=_count(raw, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def _cohere(raw: Mapping[str, Any]) -> Usage:
    """Billed units are what is paid; the token counts include Cohere's own prompt text.

    https://docs.cohere.com/docs/how-does-cohere-pricing-work
    """
    billed = raw.get("billed_units") or raw.get("tokens") or {}
    inputs = _count(billed, "input_tokens")
    return Usage(
        input_tokens=inputs + _count(billed, "image_tokens"),
        output_tokens=_count(billed, "output_tokens"),
        cache_read_tokens=min(_count(raw, "cached_tokens"), inputs),
        image_input_tokens=_count(billed, "image_tokens"),
    )


def _tgi(raw: Mapping[str, Any]) -> Usage:
    """`details` of `/generate`: `generated_tokens`, and the prefill list or `input_length`."""
    prefill = raw.get("prefill")
    inputs = _count(raw, "input_length") or (len(prefill) if isinstance(prefill, list) else 0)
    return Usage(input_tokens=inputs, output_tokens=_count(raw, "generated_tokens"))


_READERS: dict[UsageFormat, Callable[[Mapping[str, Any]], Usage]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "bedrock": _bedrock,
    "cohere": _cohere,
    "tgi": _tgi,
}
