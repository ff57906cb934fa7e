"""What a call used, counted once for all vendors.

Vendors disagree on whether cached, reasoning or tool tokens are inside their totals. Here they
always are: `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning
(the OpenTelemetry GenAI convention). The classes inside are therefore never larger than the total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

UsageSource: TypeAlias = Literal["vendor", "estimated", "none"]

UsageFormat: TypeAlias = Literal["openai", "anthropic", "google", "bedrock", "cohere", "tgi"]
"""The shape of a vendor's usage object."""

TOKENS_MAX = 10_000_000_000
"""Counts beyond this are taken for nonsense and clamped: no context or output is that long."""


TOKEN_CLASSES = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_output_tokens",
)
"""The counts of a `Usage`: the two totals, then the classes inside them."""


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
    usage = _READERS[format](raw)
    return usage if _fits(usage) else _trimmed(usage)


def _fits(usage: Usage) -> bool:
    cached = usage.cache_read_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens
    return (
        cached <= usage.input_tokens
        and usage.reasoning_tokens <= usage.output_tokens
        and usage.audio_input_tokens + usage.image_input_tokens <= usage.input_tokens
        and usage.audio_output_tokens + usage.image_output_tokens <= usage.output_tokens
    )


def _trimmed(usage: Usage) -> Usage:
    """The same totals with classes cut down to what fits into them, dearer classes first."""
    inputs, outputs = usage.input_tokens, usage.output_tokens
    long_lived = min(usage.cache_write_1h_tokens, inputs)
    written = min(usage.cache_write_tokens, inputs - long_lived)
    heard, said = min(usage.audio_input_tokens, inputs), min(usage.audio_output_tokens, outputs)
    return replace(
        usage,
        cache_read_tokens=min(usage.cache_read_tokens, inputs - long_lived - written),
        cache_write_tokens=written,
        cache_write_1h_tokens=long_lived,
        reasoning_tokens=min(usage.reasoning_tokens, outputs),
        audio_input_tokens=heard,
        audio_output_tokens=said,
        image_input_tokens=min(usage.image_input_tokens, inputs - heard),
        image_output_tokens=min(usage.image_output_tokens, outputs - said),
    )


def _count(raw: Any, *path: str) -> int:
    value = raw
    for key in path:
        if not isinstance(value, Mapping):
            return 0
        value = value.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), TOKENS_MAX)) if value == value else 0  # NaN is no count


def _openai(raw: Mapping[str, Any]) -> Usage:
    """Chat completions, completions, embeddings, responses and everyone who copied them.

    Perplexity and xAI count reasoning beside `completion_tokens`, Mistral audio beside
    `prompt_tokens`; it shows when `total_tokens` exceeds prompt + completion by just that number.
    A total alone (Voyage's embeddings) is all input. More cached than given tokens (Grok on Azure)
    are those of a hidden prompt that comes first, so nothing is known of ours.
    https://platform.openai.com/docs/api-reference/chat/object
    """
    given = "input" if "input_tokens" in raw else "prompt"
    made = "output" if "output_tokens" in raw else "completion"
    inputs, outputs = _count(raw, f"{given}_tokens"), _count(raw, f"{made}_tokens")
    given_details, made_details = f"{given}_tokens_details", f"{made}_tokens_details"
    reasoning = _count(raw, made_details, "reasoning_tokens") or _count(raw, "reasoning_tokens")
    total = _count(raw, "total_tokens")
    audio = _count(raw, given_details, "audio_tokens")
    beside = total - inputs - outputs
    if reasoning and beside == reasoning:
        outputs += reasoning
    elif audio and beside == audio:
        inputs += audio
    elif beside == total:
        inputs = total
    cached = (
        _count(raw, given_details, "cached_tokens")
        or _count(raw, "prompt_cache_hit_tokens")
        or _count(raw, "cached_tokens")
        or _count(raw, "num_cached_tokens")
    )
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=cached if cached <= inputs else 0,
        cache_write_tokens=_count(raw, given_details, "cache_write_tokens"),
        reasoning_tokens=reasoning,
        audio_input_tokens=audio,
        audio_output_tokens=_count(raw, made_details, "audio_tokens"),
        image_input_tokens=_count(raw, given_details, "image_tokens"),
        image_output_tokens=_count(raw, made_details, "image_tokens"),
        cost_usd=_stated_cost(raw),
    )


def _stated_cost(raw: Mapping[str, Any]) -> Decimal | None:
    """OpenRouter states `cost` as a number, Perplexity as `cost.total_cost`; both in USD.

    xAI states it in ticks of 1e-10 USD (0 on Azure, where it means nothing). With a key of one's
    own at OpenRouter `cost` is only the fee, and what the vendor behind charges comes on top.
    https://openrouter.ai/docs/use-cases/usage-accounting
    """
    cost = raw.get("cost")
    if isinstance(cost, Mapping):
        return _usd(cost.get("total_cost"))
    if raw.get("is_byok") is True and isinstance(raw.get("cost_details"), Mapping):
        fee, charge = _usd(cost), _usd(raw["cost_details"].get("upstream_inference_cost"))
        return None if fee is None or charge is None else fee + charge
    if cost is None and (ticks := _usd(raw.get("cost_in_usd_ticks"))):
        return ticks.scaleb(-10)
    return _usd(cost)


def _usd(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return Decimal(repr(value))


def _anthropic(raw: Mapping[str, Any]) -> Usage:
    """`input_tokens` excludes cache reads and writes; the 1 h writes are a part of the writes.

    A compaction pass is billed, and stands in `iterations` only.
    https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    https://docs.anthropic.com/en/docs/build-with-claude/compaction
    """
    usage = _anthropic_pass(raw)
    iterations = raw.get("iterations")
    for step in iterations if isinstance(iterations, list) else ():
        if isinstance(step, Mapping) and step.get("type") == "compaction":
            usage = _sum(usage, _anthropic_pass(step))
    return usage


def _anthropic_pass(raw: Mapping[str, Any]) -> Usage:
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


def _sum(first: Usage, second: Usage) -> Usage:
    return replace(
        first,
        **{
            name: min(getattr(first, name) + getattr(second, name), TOKENS_MAX)
            for name in TOKEN_CLASSES
        },
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

    `cacheDetails` tells which writes last an hour. InvokeModel states `inputTokenCount` in its
    metrics and headers; Titan `inputTextTokenCount`.
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    read = _first(raw, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _first(raw, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    inputs = _first(raw, "inputTokens", "input_tokens", "inputTokenCount", "inputTextTokenCount")
    details = raw.get("cacheDetails")
    hourly = sum(
        _count(row, "inputTokens")
        for row in (details if isinstance(details, list) else ())
        if isinstance(row, Mapping) and row.get("ttl") == "1h"
    )
    return Usage(
        input_tokens=inputs + read + written,
        output_tokens=_first(raw, "outputTokens", "output_tokens", "outputTokenCount"),
        cache_read_tokens=read,
        cache_write_tokens=written - min(hourly, written),
        cache_write_1h_tokens=min(hourly, written),
    )


def _first(raw: Mapping[str, Any], *names: str) -> int:
    return next((count for name in names if (count := _count(raw, name))), 0)


def _cohere(raw: Mapping[str, Any]) -> Usage:
    """Billed units are what is paid; the token counts include Cohere's own prompt text.

    That text comes first, so the cached prefix covers it before it covers anything billed.
    Embeddings bill pictures beside the text; a chat bills them in one number with it.
    https://docs.cohere.com/docs/how-does-cohere-pricing-work
    """
    billed = raw.get("billed_units") or raw.get("tokens") or raw
    inputs = _count(billed, "input_tokens") + _count(billed, "image_tokens")
    outputs = _count(billed, "output_tokens")
    all_inputs = _count(raw, "tokens", "input_tokens") + _count(raw, "tokens", "image_tokens")
    cached = _count(raw, "cached_tokens") - max(all_inputs - inputs, 0)
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=min(max(cached, 0), inputs),
        reasoning_tokens=min(_count(raw, "tokens", "reasoning_tokens"), outputs),
        image_input_tokens=min(
            _count(billed, "image_tokens") or _count(raw, "tokens", "image_tokens"), inputs
        ),
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
