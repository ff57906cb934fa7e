"""Canonical requests → the arguments of litellm, which are OpenAI's.

https://docs.litellm.ai/docs/completion/input
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate_providers.sdk import (
    BackendError,
    ChatRequest,
    EmbeddingRequest,
    Feature,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

Json = dict[str, Any]


def chat_arguments(request: ChatRequest) -> Json:
    """The arguments of `acompletion` without model and address.

    Raises `BackendError` kind `unsupported` for what litellm would lose on the way to some vendors.
    """
    for feature in _beyond(request):
        raise BackendError("unsupported", f"Provider 'litellm' does not carry {feature} reliably.")
    values: Json = {
        "messages": [row for message in request.messages for row in _rows(message)],
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "response_format": _response_format(request.response_format),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logit_bias": dict(request.logit_bias) if request.logit_bias else None,
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs if request.logprobs else None,
        "user": request.user,
        **_reasoning(request.reasoning),
    }
    if request.stream:
        values |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in values.items() if value is not None}


def embedding_arguments(request: EmbeddingRequest) -> Json:
    """The arguments of `aembedding` without model and address; raises kind `unsupported`."""
    if any(not isinstance(text, str) for text in request.inputs):
        raise BackendError("unsupported", "Provider 'litellm' does not carry token_ids reliably.")
    values = {
        "input": list(request.inputs),
        "dimensions": request.dimensions,
        "input_type": request.input_type,
        "user": request.user,
    }
    return {name: value for name, value in values.items() if value is not None}


def _beyond(request: ChatRequest) -> Iterator[Feature]:
    """The features a request uses that some adapters of litellm drop without a word.

    Its streams carry one choice only; JSON without a schema, files and sound are lost in several
    conversions.
    """
    if request.n > 1:
        yield "n"
    if request.response_format is not None and request.response_format.type == "json_object":
        yield "json_object"
    names: dict[str, Feature] = {"Audio": "audio", "Document": "document"}
    for message in request.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            for piece in inner:
                if (name := names.get(type(piece).__name__)) is not None:
                    yield name


def _rows(message: Message) -> Iterator[Json]:
    """The messages one turn becomes: every tool result is one of its own."""
    if message.role == "assistant":
        yield _assistant(message)
        return
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for result in results:
        yield _result(result)
    if not results:
        row: Json = {"role": message.role, "content": _content(message.parts)}
        yield {**row, "name": message.name} if message.name else row


def _content(parts: Sequence[Part]) -> str | list[Json]:
    content = [_part(part) for part in parts]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return str(content[0]["text"])
    return content


def _part(part: Part) -> Json:
    match part:
        case Text():
            row: Json = {"type": "text", "text": part.text}
        case Image():
            row = {"type": "image_url", "image_url": _image(part)}
        case Refusal():
            row = {"type": "text", "text": part.text}
        case _:
            raise BackendError(
                "unsupported", f"A message of this role cannot hold a {type(part).__name__}."
            )
    return {**row, **_cache(getattr(part, "cache", None))}


def _image(image: Image) -> Json:
    url = image.url
    if image.data is not None:
        url = f"data:{image.media_type or 'image/png'};base64,{image.data}"
    return {"url": url, **({"detail": image.detail} if image.detail else {})}


def _cache(hint: str | None) -> Json:
    """litellm takes it out again for vendors that do not know it."""
    if hint is None:
        return {}
    return {"cache_control": {"type": "ephemeral", **({"ttl": hint} if hint != "5m" else {})}}


def _result(result: ToolResult) -> Json:
    if not all(isinstance(part, Text) for part in result.parts):
        raise BackendError("unsupported", "A tool's result must be text for provider 'litellm'.")
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    row = {"role": "tool", "tool_call_id": result.call_id, "content": "\n".join(texts)}
    named = {"name": result.name} if result.name else {}
    return {**row, **named, **_cache(result.cache)}


def _assistant(message: Message) -> Json:
    row: Json = {
        "role": "assistant",
        "content": "".join(p.text for p in message.parts if isinstance(p, Text | Refusal)),
    }
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        row["tool_calls"] = calls
    blocks = [part for part in message.parts if isinstance(part, Reasoning)]
    if text := "".join(block.text for block in blocks):
        row["reasoning_content"] = text
    if proven := [_thinking(b) for b in blocks if b.signature or b.redacted]:
        row["thinking_blocks"] = proven
    return row


def _call(call: ToolCall) -> Json:
    row: Json = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if call.signature:
        row["provider_specific_fields"] = {"thought_signature": call.signature}
    return row


def _thinking(block: Reasoning) -> Json:
    if block.redacted:
        return {"type": "redacted_thinking", "data": block.redacted}
    return {"type": "thinking", "thinking": block.text, "signature": block.signature}


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name, "parameters": dict(tool.parameters or {"type": "object"})}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function, **_cache(tool.cache)}


def _tool_choice(choice: ToolChoice | None) -> str | Json | None:
    if choice is not None and choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode if choice is not None else None


def _response_format(wanted: ResponseFormat | None) -> Json | None:
    if wanted is None:
        return None
    schema: Json = {"name": wanted.name, "schema": dict(wanted.schema or {})}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _reasoning(options: ReasoningOptions | None) -> Json:
    """A budget in Anthropic's words, which litellm knows for several vendors, or an effort.

    https://docs.litellm.ai/docs/reasoning_content
    """
    if options is None:
        return {}
    if options.enabled is False:
        return {"reasoning_effort": "none"}
    if options.effort is None and options.budget_tokens is not None:
        return {"thinking": {"type": "enabled", "budget_tokens": options.budget_tokens}}
    return {"reasoning_effort": options.effort or "medium"}
