"""Puts the pieces of a reply into content blocks, one after the other.

Canonical events may interleave (text between the pieces of a tool call, two calls at once); in an
Anthropic stream one block ends before the next begins. The block in front is written as it comes;
what belongs behind it waits until it is complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import MediaDelta, ReasoningDelta, ToolCallDelta

StreamEvent = dict[str, Any]


class _Block:
    """A content block. `start` is its `content_block`, `waiting` its deltas not yet written."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.waiting: list[dict[str, Any]] = []
        self.opened = False
        self.closed = False
        self.sealed = False

    @property
    def type(self) -> str:
        return str(self.start["type"])

    def add(self, kind: str, member: str, value: object) -> None:
        self.waiting.append({"type": kind, member: value})

    def ready(self) -> bool:
        """Whether its start can be written."""
        return True

    def complete(self) -> bool:
        """Whether nothing more can come for it once something else has come."""
        return True


class _Call(_Block):
    """A tool call is complete when its arguments are a JSON object."""

    def __init__(self, identity: str) -> None:
        super().__init__({"type": "tool_use", "id": identity, "name": "", "input": {}})
        self._arguments: list[str] = []
        self._complete: bool | None = None

    def argue(self, piece: str) -> None:
        self._arguments.append(piece)
        self._complete = None
        self.add("input_json_delta", "partial_json", piece)

    def ready(self) -> bool:
        return bool(self.start["name"])

    def complete(self) -> bool:
        if self._complete is None:
            try:
                arguments = orjson.loads("".join(self._arguments))
            except orjson.JSONDecodeError:
                arguments = None
            self._complete = isinstance(arguments, dict)
        return self._complete


class BlockWriter:
    """Turns pieces of one reply into the events of its content blocks."""

    def __init__(self, reply_id: str) -> None:
        self._reply_id = reply_id
        self._queue: deque[_Block] = deque()
        self._last: _Block | None = None
        self._calls: dict[int, _Call] = {}
        self._uncited: list[Mapping[str, Any]] = []
        self._text: list[str] = []
        self._index = 0
        self.called = False

    def text(self, text: str) -> list[StreamEvent]:
        """More text; after a citation it is the text of a new block."""
        if not text:
            return []
        block = self._last
        if block is None or block.type != "text" or block.sealed:
            block = self._push(_Block({"type": "text", "text": ""}))
            for annotation in self._uncited:
                block.add("citations_delta", "citation", annotation)
            self._uncited.clear()
        block.add("text_delta", "text", text)
        self._text.append(text)
        return self._write()

    def citation(self, annotation: Mapping[str, Any]) -> list[StreamEvent]:
        """A citation of the text before it, or of the first text where there is none before."""
        location = _location(annotation, self._text)
        if location is None:
            return []
        if self._last is None or self._last.type != "text":
            self._uncited.append(location)
            return []
        self._last.add("citations_delta", "citation", location)
        self._last.sealed = True
        return self._write()

    def reasoning(self, event: ReasoningDelta) -> list[StreamEvent]:
        """More thinking; its proof ends the block."""
        if event.text or event.signature:
            block = self._last
            if block is None or block.type != "thinking" or block.sealed:
                block = self._push(_Block({"type": "thinking", "thinking": "", "signature": ""}))
            if event.text:
                block.add("thinking_delta", "thinking", event.text)
            if event.signature:
                block.add("signature_delta", "signature", event.signature)
                block.sealed = True
        if event.redacted:
            self._push(_Block({"type": "redacted_thinking", "data": event.redacted}))
        return self._write()

    def tool_call(self, event: ToolCallDelta) -> list[StreamEvent]:
        """More of a tool call, wherever its block stands."""
        block = self._calls.get(event.index)
        if block is None:
            block = self._calls[event.index] = _Call(f"toolu_{self._reply_id}_{event.index}")
            self._push(block)
            self.called = True
        if block.closed:
            return []
        if not block.opened:
            block.start["id"] = event.id or block.start["id"]
            block.start["name"] = event.name or block.start["name"]
        if event.arguments:
            block.argue(event.arguments)
        return self._write()

    def media(self, event: MediaDelta) -> list[StreamEvent]:
        """There is no block for what a model painted or spoke: it becomes a link in the text."""
        mark = "!" if event.media_type.startswith("image/") else ""
        return self.text(f"{mark}[{event.media_type}](data:{event.media_type};base64,{event.data})")

    def finish(self) -> list[StreamEvent]:
        """Write what waits, in order, and close every block."""
        return self._write(last=True)

    def _push(self, block: _Block) -> _Block:
        self._queue.append(block)
        self._last = block
        return block

    def _write(self, *, last: bool = False) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        while self._queue:
            block = self._queue[0]
            if not (block.ready() or last):
                break
            events += self._opened(block)
            if not (last or (len(self._queue) > 1 and block.complete())):
                break
            events.append({"type": "content_block_stop", "index": self._index})
            block.closed = True
            self._queue.popleft()
            self._index += 1
        return events

    def _opened(self, block: _Block) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if not block.opened:
            block.opened = True
            start = {"index": self._index, "content_block": block.start}
            events.append({"type": "content_block_start", **start})
        for delta in block.waiting:
            events.append({"type": "content_block_delta", "index": self._index, "delta": delta})
        block.waiting = []
        return events


_LOCATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "search_result_location",
        "web_search_result_location",
    }
)


def _location(annotation: Mapping[str, Any], text: list[str]) -> Mapping[str, Any] | None:
    """A citation in Anthropic's shapes; `None` for a shape its clients do not know.

    OpenAI's `url_citation` says which text it stands behind, where Anthropic's web citation quotes
    the source; without a quotation the text stands in for it.
    """
    if annotation.get("type") in _LOCATIONS:
        return annotation
    if annotation.get("type") != "url_citation":
        return None
    inner = annotation.get("url_citation", annotation)
    start, end = inner.get("start_index"), inner.get("end_index")
    placed = isinstance(start, int) and isinstance(end, int)
    quoted = "".join(text)[start:end] if placed else ""
    return {
        "type": "web_search_result_location",
        "url": inner.get("url") or "",
        "title": inner.get("title"),
        "cited_text": inner.get("cited_text") or quoted,
        "encrypted_index": inner.get("encrypted_index") or "",
    }
