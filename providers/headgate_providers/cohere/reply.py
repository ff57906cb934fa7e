"""Replies of `/v2/chat` → events.

https://docs.cohere.com/reference/chat
https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from headgate_providers.cohere.refusal import given_up, stated
from headgate_providers.sdk import (
    BackendError,
    Citation,
    Event,
    Failed,
    Finish,
    FinishReason,
    Logprobs,
    ReasoningDelta,
    SseDecoder,
    SseEvent,
    Start,
    TextDelta,
    ToolCallDelta,
    UsageReported,
    broken_off,
    normalise,
)

Json = Mapping[str, Any]

FINISH: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
}
GIVEN_UP = frozenset({"ERROR", "TIMEOUT", "USER_CANCEL"})
"""Finish reasons of an answer that was abandoned."""


class Answer:
    """Turns the parts of one answer into events, whether they come whole or in pieces.

    The plan before tool calls is told as reasoning. With `one_call` only the first tool call is
    told, because Cohere cannot be asked for that.
    """

    def __init__(self, one_call: bool = False) -> None:
        self._one_call = one_call
        self._calls: dict[int, str] = {}

    def content(self, content: Json, logprobs: object = None) -> list[Event]:
        """A content block, or more of it."""
        events: list[Event] = []
        if thinking := string(content, "thinking"):
            events.append(ReasoningDelta(thinking))
        if text := string(content, "text"):
            events.append(TextDelta(text))
        if rows := [row for item in _rows(logprobs) for row in _logprobs(item)]:
            events.append(Logprobs(rows))
        return events

    def plan(self, message: Json) -> list[Event]:
        """The tool plan, or more of it."""
        plan = string(message, "tool_plan")
        return [ReasoningDelta(plan)] if plan else []

    def call(self, position: int, call: Json) -> list[Event]:
        """A tool call begins; it may bring its arguments."""
        if position in self._calls or (self._one_call and self._calls):
            return []
        function = mapping(call, "function")
        self._calls[position] = ""
        index = len(self._calls) - 1
        identity = string(call, "id") or f"call_{index}"
        started = ToolCallDelta(index, identity, string(function, "name"))
        return [started, *self.arguments(position, string(function, "arguments"))]

    def arguments(self, position: int, piece: str) -> list[Event]:
        """More arguments of a call. `null` stands for none at all, and is told at the end."""
        if position not in self._calls or not piece:
            return []
        before = self._calls[position]
        self._calls[position] = before + piece
        if _says_nothing(before + piece):
            return []
        held = before if _says_nothing(before) else ""
        return [ToolCallDelta(self._index(position), arguments=held + piece)]

    def call_end(self, position: int) -> list[Event]:
        """A call is complete: one without arguments gets the empty object that JSON demands."""
        said = self._calls.get(position)
        if said is None or not _says_nothing(said):
            return []
        self._calls[position] = "{}"
        return [ToolCallDelta(self._index(position), arguments="{}")]

    def finish(self, reason: str, usage: object, said: object) -> list[Event]:
        """The answer ends, well or not."""
        events = [event for position in list(self._calls) for event in self.call_end(position)]
        if isinstance(usage, Mapping) and usage:
            events.append(UsageReported(normalise("cohere", usage)))
        if reason in GIVEN_UP:
            return [*events, Failed(given_up(reason, said))]
        kind = FINISH.get(reason, "stop")
        if kind == "stop" and self._calls:
            kind = "tool_calls"
        return [*events, Finish(kind, reason or None)]

    def _index(self, position: int) -> int:
        return list(self._calls).index(position)


def read_whole(body: bytes, one_call: bool = False) -> Sequence[Event]:
    """The events of a reply that is not streamed; raises `BackendError` if it is none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    payload = payload if isinstance(payload, dict) else {}
    message, reason = mapping(payload, "message"), string(payload, "finish_reason")
    if not message and string(payload, "message"):
        raise stated(payload)
    if not message or not reason:
        raise BackendError("malformed", "The upstream answered without any message.")
    answer = Answer(one_call)
    events: list[Event] = [Start(string(payload, "id") or None)]
    events += answer.plan(message)
    for block in _rows(message.get("content")):
        events += answer.content(block)
    events += answer.content({}, payload.get("logprobs"))
    for position, call in enumerate(_rows(message.get("tool_calls"))):
        events += [*answer.call(position, call), *answer.call_end(position)]
    for row in _rows(message.get("citations")):
        events += citations_of(row)
    return [*events, *answer.finish(reason, payload.get("usage"), payload.get("error"))]


class ChatStream:
    """Reads a streamed reply; it is complete with `message-end`."""

    def __init__(self, one_call: bool = False) -> None:
        self._decoder = SseDecoder()
        self._answer = Answer(one_call)
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """See `Reader.feed`."""
        return self._read(self._decoder.feed(chunk))

    def close(self) -> Sequence[Event]:
        """See `Reader.close`."""
        events = self._read(self._decoder.close())
        return events if self._ended else [*events, broken_off()]

    def _read(self, found: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for event in found:
            if self._ended:
                break
            try:
                payload = orjson.loads(event.data)
            except orjson.JSONDecodeError:
                continue
            if isinstance(payload, dict):
                events += self._event(string(payload, "type") or event.event, payload)
        return events

    def _event(self, kind: str, payload: Json) -> list[Event]:
        delta, index = mapping(payload, "delta"), payload.get("index")
        message = mapping(delta, "message")
        position = index if isinstance(index, int) else 0
        match kind:
            case "message-start":
                return [Start(string(payload, "id") or None)]
            case "content-start" | "content-delta":
                logprobs = payload.get("logprobs")
                listed = [logprobs] if isinstance(logprobs, Mapping) else logprobs
                return self._answer.content(mapping(message, "content"), listed)
            case "tool-plan-delta":
                return self._answer.plan(message)
            case "tool-call-start":
                return self._answer.call(position, mapping(message, "tool_calls"))
            case "tool-call-delta":
                function = mapping(mapping(message, "tool_calls"), "function")
                return self._answer.arguments(position, string(function, "arguments"))
            case "tool-call-end":
                return self._answer.call_end(position)
            case "citation-start":
                return citations_of(mapping(message, "citations"))
            case "message-end":
                self._ended = True
                reason = string(delta, "finish_reason")
                return self._answer.finish(reason, delta.get("usage"), delta.get("error"))
            case "" | "error" if payload.get("message") or payload.get("error"):
                self._ended = True
                return [Failed(stated(payload))]
            case _:
                return []


def citations_of(row: Json) -> list[Event]:
    """A passage of the answer and its sources: in OpenAI's shape where these have an address."""
    if not row:
        return []
    pages = [
        {
            "url": page["url"],
            "title": string(page, "title") or page["url"],
            "start_index": row.get("start"),
            "end_index": row.get("end"),
        }
        for source in _rows(row.get("sources"))
        for page in (mapping(source, "document"), mapping(source, "tool_output"))
        if string(page, "url")
    ]
    if not pages or row.get("type") not in (None, "TEXT_CONTENT"):
        return [Citation(row)]
    return [Citation({"type": "url_citation", "url_citation": page}) for page in pages]


def _says_nothing(arguments: str) -> bool:
    """Nothing, `null`, or the beginning of it."""
    return "null".startswith(arguments.strip())


def _logprobs(item: Json) -> Iterator[Json]:
    """OpenAI's shape. A piece of several tokens has one text, which goes with its first."""
    numbers, text = item.get("logprobs"), string(item, "text")
    for number in numbers if isinstance(numbers, list) else ():
        if isinstance(number, int | float):
            yield {
                "token": text,
                "logprob": number,
                "bytes": list(text.encode()),
                "top_logprobs": [],
            }
            text = ""


def mapping(source: Json, name: str) -> Json:
    """An object, or an empty one."""
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}


def string(source: Json, name: str) -> str:
    """A string, or the empty one."""
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _rows(value: object) -> list[Json]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
