"""Replies of chat completions → events.

One `ChatReply` keeps what must be remembered within a reply; `StreamReader` feeds it with the
chunks of a stream, `decode_chat` with a reply in one piece.
https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from headgate_providers.openai_compat.errors import read_stated
from headgate_providers.openai_compat.parts import (
    audio_delta,
    citations_of_search,
    content_events,
    legacy_logprobs,
    reasoning_events,
)
from headgate_providers.sdk import (
    BackendError,
    Citation,
    Event,
    Failed,
    Finish,
    FinishReason,
    Logprobs,
    RefusalDelta,
    SseDecoder,
    SseEvent,
    Start,
    TextDelta,
    ToolCallDelta,
    UsageReported,
    broken_off,
    normalise,
)

FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
}
"""Any other word (`eos`, `end_turn` …) is a regular stop."""

FAILURES = frozenset({"error", "insufficient_system_resource", "abort"})
"""Words of Mistral and OpenRouter, DeepSeek, vLLM for an answer the server gave up."""

_WHOLE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(slots=True)
class _Call:
    """A tool call in the making."""

    id: str
    named: bool = False


@dataclass(slots=True)
class _Choice:
    """What is known of one answer; `slots` leads from the vendor's numbers to ours in `calls`."""

    calls: list[_Call] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)
    finished: bool = False


class ChatReply:
    """One reply of `/chat/completions` or `/completions`, streamed or not."""

    def __init__(self) -> None:
        self.started = False
        self.failed = False
        self._id: str | None = None
        self._choices: dict[int, _Choice] = {}
        self._found: list[Event] = []

    @property
    def finished(self) -> bool:
        """Whether every answer that began has ended."""
        return bool(self._choices) and all(c.finished for c in self._choices.values())

    def read(self, payload: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one chunk, or of the whole reply; nothing more after a `Failed`."""
        if is_error(payload):
            yield self.fail(read_stated(payload))
            return
        choices = [c for c in _list(payload.get("choices")) if isinstance(c, Mapping)]
        if not self.started and (choices or payload.get("id")):
            self.started = True
            self._id = _text(payload.get("id")) or None
            created = payload.get("created")
            yield Start(
                self._id,
                _text(payload.get("model")) or None,
                created if isinstance(created, int) else None,
            )
        self._found = citations_of_search(payload) or self._found
        for choice in choices:
            yield from self._choice(choice)
            if self.failed:
                return
        if isinstance(usage := _usage(payload, choices), Mapping):
            yield UsageReported(normalise("openai", usage))

    def fail(self, error: BackendError) -> Failed:
        """End the reply with a failure."""
        self.failed = True
        return Failed(error)

    def close_choices(self) -> Iterator[Event]:
        """Finish what the vendor left open although it said that it was done."""
        for index, choice in self._choices.items():
            if not choice.finished:
                yield from self._finish(index, choice, None, None)

    def _choice(self, raw: Mapping[str, Any]) -> Iterator[Event]:
        index = raw.get("index")
        index = index if isinstance(index, int) and 0 <= index < 1024 else 0
        choice = self._choices.setdefault(index, _Choice())
        error = raw.get("error")
        reason = raw.get("finish_reason")
        if isinstance(error, Mapping) or (isinstance(reason, str) and reason in FAILURES):
            details = error if isinstance(error, Mapping) else {}
            message = details.get("message") or "The upstream gave up before its answer was done."
            yield self.fail(read_stated({"error": {**details, "message": message}}))
            return
        message = raw["delta"] if isinstance(raw.get("delta"), Mapping) else raw.get("message")
        if isinstance(message, Mapping):
            yield from self._message(message, index, choice)
        if text := _text(raw.get("text")):
            yield TextDelta(text, index)
        if content := _logprobs(raw.get("logprobs")):
            yield Logprobs(content, index)
        if isinstance(reason, str) and reason and not choice.finished:
            yield from self._finish(index, choice, reason, raw.get("stop_reason"))

    def _message(self, raw: Mapping[str, Any], index: int, choice: _Choice) -> Iterator[Event]:
        yield from reasoning_events(raw, index)
        yield from content_events(raw.get("content"), index)
        if refusal := _text(raw.get("refusal")):
            yield RefusalDelta(refusal, index)
        calls = _list(raw.get("tool_calls"))
        if isinstance(raw.get("function_call"), Mapping):
            calls = [*calls, {"index": 0, "function": raw["function_call"]}]
        for position, call in enumerate(calls):
            if isinstance(call, Mapping):
                yield self._tool_call(call, position, index, choice)
        if isinstance(raw.get("audio"), Mapping):
            yield from audio_delta(raw["audio"], choice.audio, index)
        yield from content_events(raw.get("images"), index)
        for annotation in _list(raw.get("annotations")):
            if isinstance(annotation, Mapping):
                yield Citation(dict(annotation), index)

    def _tool_call(
        self, raw: Mapping[str, Any], position: int, index: int, choice: _Choice
    ) -> Event:
        """A new id beside a name is a new call: some servers number all parallel calls 0."""
        function = raw.get("function")
        function = function if isinstance(function, Mapping) else {}
        name, identity = _text(function.get("name")), _text(raw.get("id"))
        number = raw.get("index")
        number = number if isinstance(number, int) else position
        slot = choice.slots.get(number)
        new = slot is None or bool(name and identity and identity != choice.calls[slot].id)
        if slot is None or new:
            slot = choice.slots[number] = len(choice.calls)
            choice.calls.append(_Call(identity or self._made_up(index, slot)))
        call = choice.calls[slot]
        fresh_name = name if name and not call.named else None
        call.named = call.named or bool(name)
        arguments = function.get("arguments")
        if isinstance(arguments, Mapping | list):
            arguments = orjson.dumps(arguments).decode()
        return ToolCallDelta(
            slot, call.id if new else None, fresh_name, _text(arguments), choice=index
        )

    def _made_up(self, index: int, slot: int) -> str:
        """An id for a call that came without one: always the same for the same reply."""
        reply = re.sub(r"[^A-Za-z0-9_-]", "", self._id or "")
        return f"call_{reply or 'reply'}_{index}_{slot}"

    def _finish(
        self, index: int, choice: _Choice, native: str | None, stopped_by: object
    ) -> Iterator[Event]:
        """Some servers say `stop` although they ask for tools."""
        choice.finished = True
        yield from audio_delta({}, choice.audio, index, complete=True)
        found, self._found = self._found, []
        yield from found
        reason = FINISH.get(native or "", "stop")
        if reason == "stop" and choice.calls:
            reason = "tool_calls"
        yield Finish(reason, native, stopped_by if isinstance(stopped_by, str) else None, index)


class StreamReader:
    """A stream of chunks. A server that ignores `stream` and answers in one piece is read too."""

    def __init__(self) -> None:
        self._reply = ChatReply()
        self._decoder = SseDecoder()
        self._done = False
        self._begun = False
        self._whole: bytearray | None = None

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events of the chunks completed by these bytes."""
        if not self._begun and (head := chunk.lstrip()):
            self._begun = True
            if head.startswith(b"{"):
                self._whole = bytearray()
        if self._whole is not None:
            self._whole += chunk
            if len(self._whole) > _WHOLE_BYTES_MAX:
                raise BackendError("malformed", "The upstream's reply is over the size limit.")
            return ()
        return [event for sse in self._decoder.feed(chunk) for event in self._event(sse)]

    def close(self) -> Sequence[Event]:
        """What is left; `Failed` if the stream ended before its end."""
        if self._whole is not None:
            return decode_chat(bytes(self._whole))
        events = [event for sse in self._decoder.close() for event in self._event(sse)]
        if not self._done and not self._reply.failed and not self._reply.finished:
            events.append(broken_off())
        return events

    def _event(self, sse: SseEvent) -> Iterator[Event]:
        if self._done or self._reply.failed:
            return
        if sse.data.strip() == b"[DONE]":
            self._done = True
            if not self._reply.started:
                yield self._reply.fail(_empty())
            else:
                yield from self._reply.close_choices()
            return
        stated = dict(sse.extra).get("error")
        payload = _object(sse.data if stated is None else stated)
        if stated is not None or sse.event == "error":
            words = (sse.data if stated is None else stated).decode("utf-8", "replace")
            yield self._reply.fail(read_stated(payload or {"error": words}))
        elif payload is not None:
            yield from self._reply.read(payload)


def decode_chat(body: bytes) -> Sequence[Event]:
    """A reply in one piece; raises `BackendError` if it is none."""
    payload = _object(body)
    if payload is None:
        raise BackendError("malformed", "The upstream's reply is not a JSON object.")
    if is_error(payload):
        raise read_stated(payload)
    if not _list(payload.get("choices")):
        raise _empty()
    reply = ChatReply()
    events = list(reply.read({**payload, "choices": [_as_whole(c) for c in payload["choices"]]}))
    return events if reply.failed else [*events, *reply.close_choices()]


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether a payload tells of a failure."""
    return bool(payload.get("error")) or "error" in (payload.get("object"), payload.get("type"))


def _as_whole(choice: Any) -> Any:
    """Perplexity sends an empty `delta` beside the whole `message`."""
    if isinstance(choice, Mapping) and isinstance(choice.get("message"), Mapping):
        return {key: value for key, value in choice.items() if key != "delta"}
    return choice


def _empty() -> BackendError:
    return BackendError("malformed", "The upstream answered without any choice.")


def _usage(payload: Mapping[str, Any], choices: Sequence[Mapping[str, Any]]) -> object:
    """Beside the choices; Groq also in `x_groq`, Moonshot in the last choice of a stream."""
    if payload.get("usage"):
        return payload["usage"]
    groq = payload.get("x_groq")
    if isinstance(groq, Mapping) and groq.get("usage"):
        return groq["usage"]
    return next((choice["usage"] for choice in choices if choice.get("usage")), None)


def _logprobs(raw: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(raw, Mapping):
        return ()
    if isinstance(raw.get("content"), list):
        return [row for row in raw["content"] if isinstance(row, Mapping)]
    return legacy_logprobs(raw)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None
