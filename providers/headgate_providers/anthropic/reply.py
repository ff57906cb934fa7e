"""Anthropic's messages, whole and streamed, to events.

https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from headgate_providers.anthropic.blocks import Blocks, Json, string
from headgate_providers.anthropic.refusal import stated_refusal
from headgate_providers.sdk import (
    BackendError,
    Event,
    Failed,
    Finish,
    FinishReason,
    RefusalDelta,
    SseDecoder,
    SseEvent,
    Start,
    UsageReported,
    broken_off,
    normalise,
)

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Everything else is a regular end: `end_turn`, `stop_sequence`, `pause_turn` …"""


def decode_message(body: bytes) -> list[Event]:
    """The events of a whole message; raises `BackendError` if it is none or states an error."""
    payload = _object(body)
    if payload is None:
        raise BackendError("malformed", "The upstream's reply is not a JSON object.")
    if payload.get("type") == "error" or payload.get("error"):
        raise stated_refusal(payload)
    content = payload.get("content")
    if not isinstance(content, list) or not (content or payload.get("stop_reason")):
        raise BackendError("malformed", "The upstream answered without any content.")
    blocks = Blocks()
    events: list[Event] = [_start(payload)]
    for index, block in enumerate(content):
        if isinstance(block, Mapping):
            events += [*blocks.start(index, block), *blocks.stop(index)]
    usage = payload.get("usage")
    if isinstance(usage, Mapping):
        events.append(UsageReported(normalise("anthropic", usage)))
    return events + (_finish(payload) or [Finish("stop")])


class MessageStream:
    """Reads a streamed message; see `sdk.Reader`."""

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self._blocks = Blocks()
        self._usage: dict[str, Any] = {}
        self._finished = False
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events completed by this chunk."""
        return self._read(self._decoder.feed(chunk))

    def close(self) -> Sequence[Event]:
        """A stream whose stop reason was told is complete, even without `message_stop`."""
        events = self._read(self._decoder.close())
        if not self._ended and not self._finished:
            events.append(broken_off())
        return events

    def _read(self, received: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for event in received:
            if self._ended:
                break
            payload = _object(event.data)
            if payload is not None:
                events += self._event(payload)
        return events

    def _event(self, payload: Json) -> list[Event]:
        kind = payload.get("type")
        if kind == "content_block_delta":
            return self._blocks.delta(_index(payload), _inner(payload, "delta"))
        if kind == "content_block_start":
            return self._blocks.start(_index(payload), _inner(payload, "content_block"))
        if kind == "content_block_stop":
            return self._blocks.stop(_index(payload))
        if kind == "message_start":
            message = _inner(payload, "message")
            return [_start(message), *self._usage_of(message)]
        if kind == "message_delta":
            return self._message_delta(payload)
        if kind == "message_stop":
            self._ended = True
        elif kind == "error" or payload.get("error"):
            self._ended = True
            return [Failed(stated_refusal(payload))]
        return []

    def _message_delta(self, payload: Json) -> list[Event]:
        events = self._usage_of(payload)
        if finish := _finish(_inner(payload, "delta")):
            self._finished = True
            events += [*self._blocks.stop_all(), *finish]
        return events

    def _usage_of(self, source: Json) -> list[Event]:
        """Usage grows in the course of a stream; the last value of each member counts."""
        told = {k: v for k, v in _inner(source, "usage").items() if v is not None}
        if not told:
            return []
        self._usage.update(told)
        return [UsageReported(normalise("anthropic", self._usage))]


def _start(message: Json) -> Start:
    return Start(string(message, "id") or None, string(message, "model") or None)


def _finish(message: Json) -> list[Event]:
    """The end, and what a classifier that stepped in says about it."""
    native = string(message, "stop_reason")
    if not native:
        return []
    events: list[Event] = []
    explanation = string(_inner(message, "stop_details"), "explanation")
    if native == "refusal" and explanation:
        events.append(RefusalDelta(explanation))
    sequence = string(message, "stop_sequence") or None
    return [*events, Finish(_FINISH.get(native, "stop"), native, sequence)]


def _index(payload: Json) -> int:
    value = payload.get("index")
    return value if isinstance(value, int) else -1


def _inner(payload: Json, member: str) -> Json:
    value = payload.get(member)
    return value if isinstance(value, Mapping) else {}


def _object(data: bytes) -> Json | None:
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None
