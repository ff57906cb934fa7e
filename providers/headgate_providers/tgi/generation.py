"""Replies of `/generate` and `/generate_stream` → events.

https://huggingface.co/docs/text-generation-inference/conceptual/streaming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from headgate_providers.sdk import (
    BackendError,
    Event,
    Failed,
    Finish,
    FinishReason,
    Logprobs,
    SseDecoder,
    SseEvent,
    Start,
    TextDelta,
    UsageReported,
    broken_off,
    normalise,
)
from headgate_providers.tgi.errors import read_stated
from headgate_providers.tgi.reply import as_object
from headgate_providers.tgi.stops import StopCutter

FINISH: Mapping[str, FinishReason] = {
    "length": "length",
    "eos_token": "stop",
    "stop_sequence": "stop",
}


class GenerationReader:
    """A streamed reply: an event per token, the last one with details.

    `stops` are all stop sequences of the request, `asked_stops` those of them that were the
    caller's; `logprobs` says whether to tell them.
    """

    def __init__(
        self,
        stops: Sequence[str] = (),
        asked_stops: Sequence[str] = (),
        logprobs: bool = False,
    ) -> None:
        self._decoder = SseDecoder()
        self._text = StopCutter(stops)
        self._asked_stops = asked_stops
        self._logprobs = logprobs
        self._started = False
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events of the tokens completed by these bytes."""
        return [event for sse in self._decoder.feed(chunk) for event in self._event(sse)]

    def close(self) -> Sequence[Event]:
        """What is left; `Failed` if the stream ended before its end."""
        events = [event for sse in self._decoder.close() for event in self._event(sse)]
        if not self._ended:
            events.append(broken_off())
        return events

    def _event(self, sse: SseEvent) -> Iterator[Event]:
        payload = as_object(sse.data)
        if payload is None or self._ended:
            return
        if payload.get("error"):
            self._ended = True
            yield Failed(read_stated(payload))
            return
        if not self._started:
            self._started = True
            yield Start()
        token = payload.get("token")
        if isinstance(token, Mapping) and not token.get("special"):
            if passed := self._text.feed(_text(token)):
                yield TextDelta(passed)
            if self._logprobs:
                yield Logprobs([logprob_row(token, payload.get("top_tokens"))])
        details = payload.get("details")
        if isinstance(details, Mapping) or payload.get("generated_text") is not None:
            self._ended = True
            yield from finishing(details, self._text, self._asked_stops)


def decode_generation(
    body: bytes,
    stops: Sequence[str] = (),
    asked_stops: Sequence[str] = (),
    logprobs: bool = False,
) -> Sequence[Event]:
    """A reply in one piece; raises `BackendError` if it is none.

    Its details lack the length of the prompt, unless the server was asked for the `prefill`.
    """
    payload = as_object(body)
    if payload is None:
        raise BackendError("malformed", "The upstream's reply is not a JSON object.")
    if payload.get("error"):
        raise read_stated(payload)
    generated, details = payload.get("generated_text"), payload.get("details")
    if not isinstance(generated, str):
        raise BackendError("malformed", "The upstream answered without any text.")
    text = StopCutter(stops)
    events: list[Event] = [Start()]
    if passed := text.feed(generated):
        events.append(TextDelta(passed))
    if logprobs and isinstance(details, Mapping) and (rows := _all_rows(details)):
        events.append(Logprobs(rows))
    return [*events, *finishing(details, text, asked_stops)]


def finishing(details: object, text: StopCutter, asked_stops: Sequence[str]) -> Iterator[Event]:
    """The end of an answer: kept back text, finish reason, usage."""
    if rest := text.close():
        yield TextDelta(rest)
    details = details if isinstance(details, Mapping) else {}
    native = details.get("finish_reason")
    native = native if isinstance(native, str) else None
    reason = "stop" if text.hit is not None else FINISH.get(native or "", "stop")
    yield Finish(reason, native, text.hit if text.hit in asked_stops else None)
    if details:
        yield UsageReported(normalise("tgi", details))


def logprob_row(token: Mapping[str, Any], top: object) -> dict[str, Any]:
    """A token as a row of OpenAI's log probabilities."""
    row = _row(token)
    tops = top if isinstance(top, list) else []
    return {**row, "top_logprobs": [_row(other) for other in tops if isinstance(other, Mapping)]}


def _all_rows(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    tokens, tops = details.get("tokens"), details.get("top_tokens")
    if not isinstance(tokens, list):
        return []
    paired = zip_longest(tokens, tops if isinstance(tops, list) else [])
    return [
        logprob_row(token, top)
        for token, top in paired
        if isinstance(token, Mapping) and not token.get("special")
    ]


def _row(token: Mapping[str, Any]) -> dict[str, Any]:
    text = _text(token)
    return {"token": text, "logprob": token.get("logprob") or 0.0, "bytes": list(text.encode())}


def _text(token: Mapping[str, Any]) -> str:
    text = token.get("text")
    return text if isinstance(text, str) else ""
