"""Replies of `/v1/chat/completions` and `/v1/completions` → events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from headgate_providers.sdk import (
    BackendError,
    Event,
    Failed,
    Finish,
    Logprobs,
    SseDecoder,
    SseEvent,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    broken_off,
    normalise,
)
from headgate_providers.tgi.errors import read_stated
from headgate_providers.tgi.stops import StopCutter

CHOICES_MAX = 1024
"""Higher numbers of answers and tool calls are taken for nonsense."""


def added(first: Usage | None, second: Usage) -> Usage:
    """The usage of both: a completion of several prompts reports it for each prompt."""
    if first is None:
        return second
    return replace(
        second,
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
    )


@dataclass(slots=True)
class _Choice:
    """What is known of one answer; `calls` leads from the number of a call to its id."""

    text: StopCutter
    calls: dict[int, str] = field(default_factory=dict)
    finished: bool = False


class _Reply:
    """One reply, streamed or not. `stops` are the caller's stop sequences."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._created = 0

    @property
    def begun(self) -> bool:
        """Whether any answer was seen."""
        return bool(self._choices)

    @property
    def finished(self) -> bool:
        """Whether every answer that began has ended."""
        return self.begun and all(choice.finished for choice in self._choices.values())

    def read(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one chunk, or of the whole reply."""
        choices = [
            choice for choice in _list(payload.get("choices")) if isinstance(choice, Mapping)
        ]
        if choices and not self.begun:
            self._created = created = _int(payload.get("created"))
            yield Start(
                _text(payload.get("id")) or None, _text(payload.get("model")) or None, created
            )
        for raw in choices:
            index = min(_int(raw.get("index")), CHOICES_MAX)
            choice = self._choices.setdefault(index, _Choice(StopCutter(self._stops)))
            yield from self._choice(raw, index, choice)
        if isinstance(usage := payload.get("usage"), Mapping):
            self._usage = added(self._usage, normalise("openai", usage))
            yield UsageReported(self._usage)

    def close_choices(self) -> Iterator[Event]:
        """Finish what TGI leaves open: it ends a call of a tool without a finish reason."""
        for index, choice in self._choices.items():
            yield from self._finish(index, choice, None)

    def _choice(self, raw: Mapping[str, Any], index: int, choice: _Choice) -> Iterator[Event]:
        message = raw.get("delta") or raw.get("message")
        message = message if isinstance(message, Mapping) else {}
        said = _text(message.get("content")) + _text(raw.get("text"))
        if passed := choice.text.feed(said):
            yield TextDelta(passed, index)
        for position, call in enumerate(_list(message.get("tool_calls"))):
            if isinstance(call, Mapping):
                yield self._call(call, position, index, choice)
        logprobs = raw.get("logprobs")
        if isinstance(logprobs, Mapping) and (rows := _rows(logprobs.get("content"))):
            yield Logprobs(rows, index)
        if native := _text(raw.get("finish_reason")):
            yield from self._finish(index, choice, native)

    def _call(self, raw: Mapping[str, Any], position: int, index: int, choice: _Choice) -> Event:
        """TGI numbers its calls from 0 in every reply; ids must differ within a conversation."""
        function = raw.get("function")
        function = function if isinstance(function, Mapping) else {}
        number = min(_int(raw["index"]), CHOICES_MAX) if "index" in raw else position
        new = number not in choice.calls
        if new:
            given = _text(raw.get("id")) or str(number)
            choice.calls[number] = f"call_{self._created}_{given}" if given.isdigit() else given
        arguments = function.get("arguments")
        if isinstance(arguments, Mapping | list):
            arguments = orjson.dumps(arguments).decode()
        return ToolCallDelta(
            number,
            choice.calls[number] if new else None,
            (_text(function.get("name")) or None) if new else None,
            _text(arguments),
            choice=index,
        )

    def _finish(self, index: int, choice: _Choice, native: str | None) -> Iterator[Event]:
        if choice.finished:
            return
        choice.finished = True
        if rest := choice.text.close():
            yield TextDelta(rest, index)
        if choice.text.hit is not None:
            yield Finish("stop", native, choice.text.hit, index)
        elif native == "length":
            yield Finish("length", native, choice=index)
        else:
            yield Finish("tool_calls" if choice.calls else "stop", native, choice=index)


class ChatReader:
    """A streamed reply."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._reply = _Reply(stops)
        self._decoder = SseDecoder()
        self._done = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events of the chunks completed by these bytes."""
        return [event for sse in self._decoder.feed(chunk) for event in self._event(sse)]

    def close(self) -> Sequence[Event]:
        """What is left; `Failed` if the stream ended before its end."""
        events = [event for sse in self._decoder.close() for event in self._event(sse)]
        if not self._done and not self._reply.finished:
            events.append(broken_off())
        return events

    def _event(self, sse: SseEvent) -> Iterator[Event]:
        if self._done:
            return
        if sse.data.strip() == b"[DONE]":
            self._done = True
            if self._reply.begun:
                yield from self._reply.close_choices()
            else:
                yield Failed(_empty())
            return
        payload = as_object(sse.data)
        if payload is None:
            return
        if payload.get("error"):
            self._done = True
            yield Failed(read_stated(payload))
            return
        yield from self._reply.read(payload)


def decode_chat(body: bytes, stops: Sequence[str] = ()) -> Sequence[Event]:
    """A reply in one piece; raises `BackendError` if it is none."""
    payload = as_object(body)
    if payload is None:
        raise BackendError("malformed", "The upstream's reply is not a JSON object.")
    if payload.get("error"):
        raise read_stated(payload)
    reply = _Reply(stops)
    events = list(reply.read(payload))
    if not reply.begun:
        raise _empty()
    return [*events, *reply.close_choices()]


def as_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, if there is one."""
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None


def _empty() -> BackendError:
    return BackendError("malformed", "The upstream answered without any choice.")


def _rows(content: object) -> list[dict[str, Any]]:
    """Rows of log probabilities, completed with the `bytes` that TGI leaves out."""
    return [
        {
            **row,
            "bytes": list(_text(row.get("token")).encode()),
            "top_logprobs": _rows_of_top(row.get("top_logprobs")),
        }
        for row in _list(content)
        if isinstance(row, Mapping)
    ]


def _rows_of_top(rows: object) -> list[dict[str, Any]]:
    return [
        {**row, "bytes": list(_text(row.get("token")).encode())}
        for row in _list(rows)
        if isinstance(row, Mapping)
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _int(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
