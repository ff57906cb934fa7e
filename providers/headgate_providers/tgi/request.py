"""Canonical requests → bodies of `/v1/chat/completions` and `/v1/completions`.

https://huggingface.co/docs/text-generation-inference/reference/api_reference
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate_providers.sdk import (
    Audio,
    BackendError,
    ChatRequest,
    Document,
    Feature,
    Image,
    Message,
    Part,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate_providers.tgi.words import Json, adapted


def chat_body(request: ChatRequest) -> Json:
    """The body of a chat completion, without `stream`. Raises `BackendError` `unsupported`."""
    body: Json = {
        "model": request.model,
        "messages": [row for message in request.messages for row in _rows(message)],
        **_sampling(request),
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
    if (wanted := request.response_format) is not None:
        body["response_format"] = {"type": wanted.type}
        if wanted.type == "json_schema":
            body["response_format"]["json_schema"] = {"schema": dict(wanted.schema or {})}
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return adapted(body)


def completion_body(request: ChatRequest) -> Json:
    """The body of a completion: the text of the messages is the prompt."""
    body: Json = {
        "model": request.model,
        "prompt": "".join(message.text for message in request.messages),
        **_sampling(request),
    }
    if request.logprobs:
        body["logprobs"] = request.top_logprobs or 1
    return adapted(body)


def needs(request: ChatRequest) -> Iterator[Feature]:
    """The features that a request uses."""
    reasoning = request.reasoning
    asked: dict[Feature, object] = {
        "tools": request.tools,
        "n": request.n > 1,
        "stop": request.stop,
        "seed": request.seed is not None,
        "penalties": request.frequency_penalty or request.presence_penalty,
        "logit_bias": request.logit_bias,
        "logprobs": request.logprobs,
        "top_k": request.top_k is not None,
        "reasoning": reasoning is not None
        and reasoning.enabled is not False
        and reasoning.effort != "none",
    }
    yield from (feature for feature, wanted in asked.items() if wanted)
    if request.response_format is not None:
        yield request.response_format.type
    for part in _all_parts(request):
        match part:
            case Image():
                yield "image"
            case Audio():
                yield "audio"
            case Document(text=None):
                yield "document"
            case ToolCall() | ToolResult():
                yield "tools"


def _all_parts(request: ChatRequest) -> Iterator[Part]:
    for message in request.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.parts


def document_text(document: Document) -> str:
    """A document that is plain text, with its name."""
    text = document.text or ""
    return f"<file name='{document.name}'>{text}</file>" if document.name else text


def _sampling(request: ChatRequest) -> Json:
    return {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
    }


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = dict(tool.parameters)
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> str | Json:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _rows(message: Message) -> Iterator[Json]:
    if message.role == "tool":
        yield from _tool_rows(message)
        return
    row: Json = {"role": message.role}
    if message.role == "assistant":
        texts = [part.text for part in message.parts if isinstance(part, Text | Refusal)]
        row["content"] = "".join(texts)
        row["tool_calls"] = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    else:
        row["content"] = _content(message.parts)
    if message.name:
        row["name"] = message.name
    yield row


def _call(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _tool_rows(message: Message) -> Iterator[Json]:
    """One message per result; pictures follow in a message of the user."""
    attachments: list[Json] = []
    for result in message.parts:
        if not isinstance(result, ToolResult):
            raise BackendError("unsupported", "A tool message can hold tool results only.")
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        yield {"role": "tool", "content": "\n".join(texts), "tool_call_id": result.call_id}
        others = [part for part in result.parts if not isinstance(part, Text)]
        if others:
            label = f"Attachments from tool call {result.call_id}:"
            attachments.append({"type": "text", "text": label})
            attachments.extend(_part(part) for part in others)
    if attachments:
        yield {"role": "user", "content": attachments}


def _content(parts: Sequence[Part]) -> str | list[Json]:
    """A lone text stays a string."""
    content = [_part(part) for part in parts]
    if len(content) == 1 and content[0]["type"] == "text":
        return str(content[0]["text"])
    return content or ""


def _part(part: Part) -> Json:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Document() if part.text is not None:
            return {"type": "text", "text": document_text(part)}
        case Image():
            url = part.url
            if part.data is not None:
                url = f"data:{part.media_type or 'image/png'};base64,{part.data}"
            return {"type": "image_url", "image_url": {"url": url}}
    raise BackendError("unsupported", f"Provider 'tgi' cannot take a {type(part).__name__} here.")
