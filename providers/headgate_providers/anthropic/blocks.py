"""The content blocks of one reply, as events: the same for a stream and a whole message.

A whole block is a block that is opened with everything in it and closed at once. Blocks of the
vendor's own tools (searches, code execution, compaction) are passed over: what they found is in the
text and its citations. https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import Citation, Event, ReasoningDelta, TextDelta, ToolCallDelta

Json = Mapping[str, Any]


def string(source: Json, member: str) -> str:
    """A member that should be a string; empty if it is none."""
    value = source.get(member)
    return value if isinstance(value, str) else ""


class Blocks:
    """Reads the blocks of one reply."""

    def __init__(self) -> None:
        self._open: dict[int, _Block] = {}
        self._calls = 0
        self._written = 0

    def start(self, index: int, block: Json) -> list[Event]:
        """A block begins; what it already holds is given on."""
        kind = block.get("type")
        opened: _Block
        if kind == "text":
            opened = _Text(self._written)
        elif kind == "thinking":
            opened = _Thinking()
        elif kind == "tool_use":
            opened = _ToolUse(self._calls)
            self._calls += 1
        elif kind == "redacted_thinking":
            data = string(block, "data")
            return [ReasoningDelta(redacted=data)] if data else []
        else:
            return []
        self._open[index] = opened
        return self._counted(opened.start(block))

    def delta(self, index: int, delta: Json) -> list[Event]:
        """More of a block; a delta of an unknown block gives nothing."""
        block = self._open.get(index)
        return self._counted(block.delta(delta)) if block is not None else []

    def stop(self, index: int) -> list[Event]:
        """The block is complete."""
        block = self._open.pop(index, None)
        return block.stop() if block is not None else []

    def stop_all(self) -> list[Event]:
        """The message is complete, whether or not every block was closed."""
        return [event for index in list(self._open) for event in self.stop(index)]

    def _counted(self, events: list[Event]) -> list[Event]:
        self._written += sum(len(e.text) for e in events if isinstance(e, TextDelta))
        return events


class _Block(ABC):
    @abstractmethod
    def start(self, block: Json) -> list[Event]: ...

    @abstractmethod
    def delta(self, delta: Json) -> list[Event]: ...

    @abstractmethod
    def stop(self) -> list[Event]: ...


class _Text(_Block):
    """Citations come before or among the text they belong to; they are told when it is complete."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._length = 0
        self._citations: list[Json] = []

    def start(self, block: Json) -> list[Event]:
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            self._cite(citation)
        return self._more(string(block, "text"))

    def delta(self, delta: Json) -> list[Event]:
        if delta.get("type") == "citations_delta":
            self._cite(delta.get("citation"))
            return []
        return self._more(string(delta, "text"))

    def stop(self) -> list[Event]:
        span = (self._offset, self._offset + self._length)
        return [Citation(annotation(citation, *span)) for citation in self._citations]

    def _cite(self, citation: object) -> None:
        if isinstance(citation, Mapping):
            self._citations.append(citation)

    def _more(self, text: str) -> list[Event]:
        self._length += len(text)
        return [TextDelta(text)] if text else []


def annotation(citation: Json, start: int, end: int) -> Json:
    """A web citation in OpenAI's shape, with the text it stands behind; others as they are.

    `encrypted_index` and `cited_text` stay, so that the citation can be handed back.
    """
    if citation.get("type") != "web_search_result_location":
        return citation
    cited = {key: value for key, value in citation.items() if key != "type"}
    return {
        "type": "url_citation",
        "url_citation": cited | {"start_index": start, "end_index": end},
    }


class _Thinking(_Block):
    """The signature comes whole and last, however it was cut."""

    def __init__(self) -> None:
        self._signature = ""

    def start(self, block: Json) -> list[Event]:
        return self.delta(block)

    def delta(self, delta: Json) -> list[Event]:
        self._signature += string(delta, "signature")
        text = string(delta, "thinking")
        return [ReasoningDelta(text)] if text else []

    def stop(self) -> list[Event]:
        return [ReasoningDelta(signature=self._signature)] if self._signature else []


class _ToolUse(_Block):
    """The input comes as pieces of JSON, or whole at the start; a tool without any gets `{}`."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._input: object = None
        self._pieces = False

    def start(self, block: Json) -> list[Event]:
        self._input = block.get("input")
        identity = string(block, "id") or f"toolu_{self._index}"
        return [ToolCallDelta(self._index, identity, string(block, "name"))]

    def delta(self, delta: Json) -> list[Event]:
        piece = string(delta, "partial_json")
        self._pieces = self._pieces or bool(piece)
        return [ToolCallDelta(self._index, arguments=piece)] if piece else []

    def stop(self) -> list[Event]:
        if self._pieces:
            return []
        arguments = orjson.dumps(self._input if self._input is not None else {}).decode()
        return [ToolCallDelta(self._index, arguments=arguments)]
