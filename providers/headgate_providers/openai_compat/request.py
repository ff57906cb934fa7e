"""Canonical requests → bodies of chat completions, completions and embeddings.

The bodies are written in OpenAI's current words; `adapted` then puts them, and relayed bodies of
clients too, into the words of one vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate_providers.catalog import Vendor
from headgate_providers.openai_compat.messages import chat_messages
from headgate_providers.sdk import (
    Audio,
    BackendError,
    ChatRequest,
    Document,
    EmbeddingRequest,
    Feature,
    Image,
    ReasoningOptions,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolResult,
)

Json = dict[str, Any]

SERVICE_TIERS = frozenset({"auto", "default", "flex", "priority", "scale", "on_demand"})
"""OpenAI's and Groq's words; other dialects use words of their own that mean nothing here."""


def chat_body(request: ChatRequest, vendor: Vendor) -> Json:
    """The body of `/chat/completions`, without `stream`.

    `metadata` is left out: it is the caller's word to the gateway, and OpenAI takes it only for
    stored completions. Raises `BackendError` kind `unsupported`.
    """
    body: Json = {
        "model": request.model,
        "messages": chat_messages(request.messages, vendor),
        **_tools(request, vendor),
        **_sampling(request),
    }
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    if request.reasoning is not None:
        body.update(_reasoning(request.reasoning, vendor))
    if request.logprobs:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs
    return body


def completion_body(request: ChatRequest) -> Json:
    """The body of `/completions`: the messages are the prompt."""
    body: Json = {"model": request.model, "prompt": "".join(m.text for m in request.messages)}
    body.update(_sampling(request))
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if request.logprobs:
        body["logprobs"] = request.top_logprobs or 1
    return body


def embeddings_body(request: EmbeddingRequest, vendor: Vendor) -> Json:
    """The body of `/embeddings`. `input_type` goes to models that make a difference by it."""
    body: Json = {
        "model": request.model,
        "input": [text if isinstance(text, str) else list(text) for text in request.inputs],
    }
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.input_type is not None and "input_type" in vendor.quirks:
        body["input_type"] = request.input_type
    if request.user is not None:
        body["user"] = request.user
    return body


def adapted(body: Mapping[str, Any], vendor: Vendor) -> Json:
    """The body in the vendor's words: members renamed, those it refuses left out. Makes a copy."""
    renames, drops = vendor.renames, vendor.drops
    if renames or drops:
        out = {renames.get(key, key): value for key, value in body.items() if key not in drops}
    else:
        out = dict(body)
    if isinstance(out.get("messages"), list):
        out["messages"] = _adapted_messages(out["messages"], vendor)
    if "no_strict" in vendor.quirks and isinstance(out.get("tools"), list):
        out["tools"] = [_without_strict(tool) for tool in out["tools"]]
    if "no_float_encoding" in vendor.quirks and out.get("encoding_format") == "float":
        del out["encoding_format"]
    return out


def _adapted_messages(messages: list[Any], vendor: Vendor) -> list[Any]:
    drops, renamed = vendor.message_drops, "no_developer_role" in vendor.quirks
    if not drops and not renamed:
        return messages
    return [
        _adapted_message(message, drops, renamed) if isinstance(message, Mapping) else message
        for message in messages
    ]


def _adapted_message(message: Mapping[str, Any], drops: frozenset[str], renamed: bool) -> Any:
    developer = renamed and message.get("role") == "developer"
    if not developer and drops.isdisjoint(message):
        return message
    kept = {key: value for key, value in message.items() if key not in drops}
    return {**kept, "role": "system"} if developer else kept


def _without_strict(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or "strict" not in function:
        return tool
    return {**tool, "function": {k: v for k, v in function.items() if k != "strict"}}


def require(needed: Iterator[Feature], vendor: Vendor) -> None:
    """Raise `BackendError` for the first feature that the vendor lacks."""
    for feature in needed:
        if feature not in vendor.features:
            raise BackendError("unsupported", f"Provider {vendor.name!r} does not know {feature}.")


def chat_needs(request: ChatRequest) -> Iterator[Feature]:
    """The features a chat request uses."""
    asked: dict[Feature, object] = {
        "tools": request.tools,
        "parallel_tool_calls": request.tools and request.parallel_tool_calls,
        "n": request.n > 1,
        "stop": request.stop,
        "seed": request.seed is not None,
        "penalties": request.frequency_penalty or request.presence_penalty,
        "logit_bias": request.logit_bias,
        "logprobs": request.logprobs,
        "top_k": request.top_k is not None,
        "reasoning": request.reasoning is not None and not _switched_off(request.reasoning),
    }
    yield from (feature for feature, wanted in asked.items() if wanted)
    if request.response_format is not None:
        yield request.response_format.type
    parts = [part for message in request.messages for part in message.parts]
    inner = [p for part in parts if isinstance(part, ToolResult) for p in part.parts]
    for part in (*parts, *inner):
        if isinstance(part, Image):
            yield "image"
        elif isinstance(part, Audio):
            yield "audio"
        elif isinstance(part, Document) and part.text is None:
            yield "document"


def embedding_needs(request: EmbeddingRequest) -> Iterator[Feature]:
    """The features an embedding request uses."""
    if request.dimensions is not None:
        yield "dimensions"
    if any(not isinstance(text, str) for text in request.inputs):
        yield "token_ids"


def _tools(request: ChatRequest, vendor: Vendor) -> Json:
    if not request.tools:
        return {}
    out: Json = {"tools": [_tool(tool, vendor) for tool in request.tools]}
    if request.tool_choice is not None:
        out["tool_choice"] = _tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None and "parallel_tool_calls" in vendor.features:
        out["parallel_tool_calls"] = request.parallel_tool_calls
    return out


def _tool(tool: Tool, vendor: Vendor) -> Json:
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = dict(tool.parameters)
    if tool.strict is not None:
        function["strict"] = tool.strict
    out: Json = {"type": "function", "function": function}
    if tool.cache and "cache_control" in vendor.quirks:
        out["cache_control"] = {"type": "ephemeral"}
    return out


def _tool_choice(choice: ToolChoice) -> str | Json:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _response_format(wanted: ResponseFormat) -> Json:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    schema: Json = {"name": wanted.name, "schema": dict(wanted.schema or {})}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _sampling(request: ChatRequest) -> Json:
    values: Json = {
        "max_completion_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "n": request.n if request.n > 1 else None,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logit_bias": dict(request.logit_bias) if request.logit_bias else None,
        "user": request.user,
        "service_tier": request.service_tier if request.service_tier in SERVICE_TIERS else None,
    }
    return {key: value for key, value in values.items() if value is not None}


_EFFORTS = ((2048, "low"), (8192, "medium"))
"""Thinking budgets up to so many tokens, as an effort; more is `high`."""

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192}
"""Efforts as budgets; a higher one sets no bound."""


def _switched_off(options: ReasoningOptions) -> bool:
    return options.enabled is False or options.effort == "none"


def _effort(options: ReasoningOptions) -> str | None:
    if options.effort is not None or options.budget_tokens is None:
        return options.effort
    budget = options.budget_tokens
    return next((word for most, word in _EFFORTS if budget <= most), "high")


def _reasoning(options: ReasoningOptions, vendor: Vendor) -> Json:
    """How much to think, in the vendor's way of asking (see `catalog.ReasoningRequest`)."""
    off, effort = _switched_off(options), _effort(options)
    word = {"reasoning_effort": effort} if effort and not off else {}
    match vendor.reasoning_request:
        case "effort":
            return {"reasoning_effort": "none"} if off else word or {"reasoning_effort": "medium"}
        case "object":
            return {"reasoning": _reasoning_object(options, off)}
        case "switch":
            return {"thinking": {"type": "disabled" if off else "enabled"}, **word}
        case "template":
            return {"chat_template_kwargs": {"enable_thinking": not off}, **word}
        case "enable_thinking":
            budget = options.budget_tokens or _BUDGETS.get(effort or "")
            bound = {"thinking_budget": budget} if budget and not off else {}
            return {"enable_thinking": not off, **bound}


def _reasoning_object(options: ReasoningOptions, off: bool) -> Json:
    """https://openrouter.ai/docs/use-cases/reasoning-tokens"""
    if off:
        return {"enabled": False}
    if options.budget_tokens is not None:
        return {"max_tokens": options.budget_tokens}
    return {"effort": options.effort} if options.effort else {"enabled": True}
