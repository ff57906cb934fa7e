"""The content blocks of an answer as events, whether they come whole or in pieces.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    FinishReason,
    MediaDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)

Json = Mapping[str, Any]

FINISH: Mapping[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Stop reasons that are no plain `stop`."""


def mapping(source: Json, *path: str) -> Json:
    """The object at `path`, or an empty one."""
    value: Any = source
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def rows(source: Json, name: str) -> list[Json]:
    """The objects of a list."""
    value = source.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def string(source: Json, name: str) -> str:
    """A string, or the empty one."""
    value = source.get(name)
    return value if isinstance(value, str) else ""


@dataclass(slots=True)
class _Block:
    """What is known of an open block."""

    start: int
    length: int = 0
    signature: str = ""
    citations: list[Json] = field(default_factory=list)
    call: int | None = None
    arguments: bool = False


class BlockReader:
    """Turns the blocks of one answer into events.

    Calls of the vendor's own tools (web search) and their results are not the caller's business.
    With `one_call` only the first tool call is told, because Converse cannot be asked for that.
    """

    def __init__(self, one_call: bool = False) -> None:
        self._one_call = one_call
        self._calls = 0
        self._length = 0
        self._span = (0, 0)
        self._open: dict[int, _Block] = {}

    def whole(self, index: int, block: Json) -> list[Event]:
        """A block of an answer that is not streamed."""
        events = self.start(index, block)
        if call := mapping(block, "toolUse"):
            arguments = orjson.dumps(call.get("input") or {}).decode()
            events += self.delta(index, {"toolUse": {"input": arguments}})
        events += self.delta(index, {"text": string(block, "text")})
        cited = mapping(block, "citationsContent")
        for piece in rows(cited, "content"):
            events += self.delta(index, {"text": string(piece, "text")})
        for citation in rows(cited, "citations"):
            events += self.delta(index, {"citation": citation})
        reasoning = mapping(block, "reasoningContent")
        events += self.delta(index, {"reasoningContent": mapping(reasoning, "reasoningText")})
        events += self.delta(index, {"reasoningContent": reasoning})
        return events + self.stop(index)

    def start(self, index: int, block: Json) -> list[Event]:
        """A block begins. Text and thoughts begin unannounced."""
        image, call = mapping(block, "image"), mapping(block, "toolUse")
        if image:
            return _image(image)
        if not call or call.get("type") == "server_tool_use" or (self._one_call and self._calls):
            return []
        number, self._calls = self._calls, self._calls + 1
        self._at(index).call = number
        identity = string(call, "toolUseId") or f"call_{number}"
        return [ToolCallDelta(number, identity, string(call, "name"))]

    def delta(self, index: int, delta: Json) -> list[Event]:
        """More of a block."""
        if text := string(delta, "text"):
            self._at(index).length += len(text)
            self._length += len(text)
            return [TextDelta(text)]
        if reasoning := mapping(delta, "reasoningContent"):
            return self._reasoning(index, reasoning)
        if citation := mapping(delta, "citation"):
            self._at(index).citations.append(citation)
        if image := mapping(delta, "image"):
            return _image(image)
        block, arguments = self._open.get(index), string(mapping(delta, "toolUse"), "input")
        if block is None or block.call is None or not arguments:
            return []
        block.arguments = True
        return [ToolCallDelta(block.call, arguments=arguments)]

    def stop(self, index: int) -> list[Event]:
        """A block ends: what belongs to the whole of it is told now."""
        block = self._open.pop(index, None)
        if block is None:
            return []
        events: list[Event] = []
        if block.signature:
            events.append(ReasoningDelta(signature=block.signature))
        if block.call is not None and not block.arguments:
            events.append(ToolCallDelta(block.call, arguments="{}"))
        if block.length:
            self._span = (block.start, block.start + block.length)
        return events + [Citation(annotation(row, *self._span)) for row in block.citations]

    def finish(self, reason: str, stop_sequence: object) -> list[Event]:
        """The answer ends, and with it what was not closed."""
        events = [event for index in sorted(self._open) for event in self.stop(index)]
        kind = FINISH.get(reason, "stop")
        if kind in ("stop", "tool_calls"):
            kind = "tool_calls" if self._calls else "stop"
        sequence = stop_sequence if isinstance(stop_sequence, str) else None
        return [*events, Finish(kind, reason, sequence)]

    def _reasoning(self, index: int, reasoning: Json) -> list[Event]:
        self._at(index).signature += string(reasoning, "signature")
        text, redacted = string(reasoning, "text"), string(reasoning, "redactedContent")
        return [ReasoningDelta(text, redacted=redacted or None)] if text or redacted else []

    def _at(self, index: int) -> _Block:
        return self._open.setdefault(index, _Block(self._length))


def _image(image: Json) -> list[Event]:
    data = string(mapping(image, "source"), "bytes")
    return [MediaDelta(f"image/{string(image, 'format') or 'png'}", data)] if data else []


def annotation(citation: Json, start: int, end: int) -> Json:
    """A citation of a web page in OpenAI's shape, with the text before it; others as they are."""
    web = mapping(citation, "location", "web")
    url = string(web, "url")
    if not url:
        return citation
    title = string(citation, "title") or string(web, "domain") or url
    cited = {"url": url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": cited}
