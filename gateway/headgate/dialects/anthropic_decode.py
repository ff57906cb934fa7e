"""Translates a Messages request to the canonical form.

What only Anthropic can do is refused by name: the vendor's own tools and the blocks they left in
the conversation, search results as sources of citations, MCP servers and containers. Members that
only tune the vendor (`context_management`, `inference_geo`, `speed` …) are left out.
https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, NoReturn

import orjson

from headgate.dialects.anthropic_check import inspect
from headgate.dialects.base import JsonBody
from headgate.dialects.openai_shared import (
    cache_hint,
    optional,
    refuse_untranslatable,
    required,
    text_metadata,
)
from headgate.errors import InvalidRequest
from headgate_providers.sdk import (
    ChatRequest,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

Block = Mapping[str, Any]

_UNTRANSLATABLE = {
    "mcp_servers": "An MCP server that the vendor calls",
    "container": "A container at the vendor",
}


def decode(body: JsonBody, model: str) -> ChatRequest:
    """See `ClientDialect.decode`."""
    inspect(body, limit_required=False)
    for name, what in _UNTRANSLATABLE.items():
        if body.get(name):
            refuse_untranslatable(name, what)
    choice, parallel = _tool_choice(body.get("tool_choice"))
    metadata = text_metadata(body)
    messages = [*_system(body.get("system")), *_Conversation().read(body["messages"])]
    if (hint := cache_hint(body)) is not None:
        messages[-1] = _cached_to_the_end(messages[-1], hint)
    return ChatRequest(
        model=model,
        messages=tuple(messages),
        stream=body.get("stream") is True,
        tools=tuple(_tools(body.get("tools") or [])),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=_response_format(body),
        reasoning=_reasoning_options(body),
        max_tokens=body.get("max_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop_sequences") or ()),
        user=metadata.get("user_id"),
        service_tier=_SERVICE_TIERS.get(body.get("service_tier") or "", body.get("service_tier")),
        metadata=metadata,
    )


_SERVICE_TIERS = {"standard_only": "default"}
"""The canonical words are OpenAI's."""


def _cached_to_the_end(message: Message, hint: Any) -> Message:
    """Automatic caching: the request's own `cache_control` marks the last part that can be marked.

    https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    last = message.parts[-1] if message.parts else None
    if not isinstance(last, Text | Image | Document | ToolResult):
        return message
    return replace(message, parts=(*message.parts[:-1], replace(last, cache=last.cache or hint)))


# Options


def _tools(tools: list[Block]) -> Iterator[Tool]:
    for index, tool in enumerate(tools):
        kind = tool.get("type")
        if kind not in (None, "custom"):
            refuse_untranslatable(f"tools.{index}", f"The vendor's own tool `{kind}`")
        yield Tool(
            name=tool["name"],
            description=tool.get("description"),
            parameters=tool["input_schema"],
            strict=optional(tool, "strict", bool, f"tools.{index}"),
            cache=cache_hint(tool),
        )


_CHOICES: dict[str, Any] = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}


def _tool_choice(choice: Block | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    mode = _CHOICES.get(choice["type"])
    if mode is None:
        raise InvalidRequest(
            "`tool_choice.type` must be auto, any, tool or none.", "tool_choice.type"
        )
    one_at_a_time = choice.get("disable_parallel_tool_use")
    parallel = None if one_at_a_time is None else not one_at_a_time
    return ToolChoice(mode, choice["name"] if mode == "tool" else None), parallel


def _response_format(body: JsonBody) -> ResponseFormat | None:
    at, form = "output_config.format", (body.get("output_config") or {}).get("format")
    if form is None:
        at, form = "output_format", body.get("output_format")
    if form is None:
        return None
    if form["type"] != "json_schema":
        refuse_untranslatable(at, f"An output format of type `{form['type']}`")
    return ResponseFormat("json_schema", schema=form["schema"], strict=True)


_SUMMARIES = {"summarized": "auto", "omitted": "none"}
"""`thinking.display` in OpenAI's words for a reasoning summary; `none` is ours."""


def _reasoning_options(body: JsonBody) -> ReasoningOptions | None:
    """Anthropic's switch, budget and effort. `adaptive` alone leaves the amount to the model."""
    effort = (body.get("output_config") or {}).get("effort")
    thinking = body.get("thinking")
    if thinking is None:
        return None if effort is None else ReasoningOptions(effort=effort)
    if thinking["type"] == "disabled":
        return ReasoningOptions(enabled=False)
    return ReasoningOptions(
        effort=effort,
        budget_tokens=thinking["budget_tokens"] if thinking["type"] == "enabled" else None,
        enabled=True,
        summary=_SUMMARIES.get(str(thinking.get("display"))),
    )


# Messages


def _system(system: Any) -> Iterator[Message]:
    if not system:
        return
    if type(system) is str:
        yield Message("system", (Text(system),))
        return
    for index, block in enumerate(system):
        if block["type"] != "text":
            raise InvalidRequest(f"`system.{index}` must be a text block.", f"system.{index}.type")
    yield Message("system", tuple(_text(block, "system") for block in system))


class _Conversation:
    """Reads the messages of one request; remembers which tool each call was for."""

    def __init__(self) -> None:
        self._tools: dict[str, str] = {}

    def read(self, messages: list[Block]) -> Iterator[Message]:
        """The canonical messages. A turn with tool results becomes several, in the same order."""
        for index, message in enumerate(messages):
            role = message["role"]
            parts = list(self._parts(message["content"], f"messages.{index}.content"))
            if role != "user":
                yield Message(role, tuple(parts))
                continue
            for is_result, run in groupby(parts, lambda part: isinstance(part, ToolResult)):
                yield Message("tool" if is_result else "user", tuple(run))

    def _parts(self, content: Any, at: str) -> Iterator[Part]:
        if type(content) is str:
            if content:
                yield Text(content)
            return
        for index, block in enumerate(content):
            path = f"{at}.{index}"
            if block["type"] == "tool_use":
                yield self._tool_use(block)
            elif block["type"] == "tool_result":
                yield self._tool_result(block, path)
            elif block["type"] == "document":
                yield from _document(block, path)
            else:
                yield _READERS.get(block["type"], _unknown)(block, path)

    def _tool_use(self, block: Block) -> ToolCall:
        self._tools[block["id"]] = block["name"]
        return ToolCall(block["id"], block["name"], orjson.dumps(block["input"]).decode())

    def _tool_result(self, block: Block, at: str) -> ToolResult:
        parts = tuple(self._parts(block.get("content") or "", f"{at}.content"))
        for part in parts:
            if not isinstance(part, Text | Image | Document):
                raise InvalidRequest(
                    f"`{at}.content` may hold text, image and document blocks only.",
                    f"{at}.content",
                )
        return ToolResult(
            call_id=block["tool_use_id"],
            parts=parts,  # type: ignore[arg-type]
            name=self._tools.get(block["tool_use_id"]),
            is_error=block.get("is_error") is True,
            cache=cache_hint(block),
        )


def _unknown(block: Block, at: str) -> NoReturn:
    refuse_untranslatable(at, f"A content block of type `{block['type']}`")


def _text(block: Block, at: str) -> Text:
    return Text(block["text"], cache_hint(block))


def _thinking(block: Block, at: str) -> Reasoning:
    return Reasoning(block["thinking"], optional(block, "signature", str, at) or None)


def _redacted_thinking(block: Block, at: str) -> Reasoning:
    return Reasoning(redacted=block["data"])


def _image(block: Block, at: str) -> Image | Document:
    """A picture; one in the vendor's file store is a document by its id with an image's type."""
    source, at, cache = block["source"], f"{at}.source", cache_hint(block)
    match required(source, "type", str, at):
        case "url":
            return Image(url=required(source, "url", str, at), cache=cache)
        case "base64":
            data = required(source, "data", str, at)
            return Image(data=data, media_type=optional(source, "media_type", str, at), cache=cache)
        case "file":
            file_id = required(source, "file_id", str, at)
            return Document(file_id=file_id, media_type="image/*", cache=cache)
        case kind:
            refuse_untranslatable(at, f"An image source of type `{kind}`")


def _document(block: Block, at: str) -> Iterator[Part]:
    """The document, after its `context`, which the model reads but does not cite."""
    if context := optional(block, "context", str, at):
        yield Text(context)
    citations = block.get("citations")
    yield Document(
        **_document_source(block["source"], f"{at}.source"),
        name=optional(block, "title", str, at),
        citations=type(citations) is dict and citations.get("enabled") is True,
        cache=cache_hint(block),
    )


def _document_source(source: Block, at: str) -> dict[str, Any]:
    match required(source, "type", str, at):
        case "base64":
            media_type = optional(source, "media_type", str, at) or "application/pdf"
            return {"data": required(source, "data", str, at), "media_type": media_type}
        case "text":
            return {"text": required(source, "data", str, at), "media_type": "text/plain"}
        case "url":
            url = required(source, "url", str, at)
            return {"url": url, "media_type": "application/pdf"}
        case "file":
            return {"file_id": required(source, "file_id", str, at)}
        case "content" if type(source.get("content")) is str:
            return {"text": source["content"], "media_type": "text/plain"}
        case kind:
            refuse_untranslatable(at, f"A document source of type `{kind}`")


_READERS: dict[str, Callable[[Block, str], Part]] = {
    "text": _text,
    "image": _image,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
}
