"""Payloads of `generateContent` and its stream as events.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from headgate_providers.google.candidate import Candidate, mapping, rows, string
from headgate_providers.google.refusal import stated
from headgate_providers.sdk import (
    BackendError,
    Event,
    Failed,
    Start,
    UsageReported,
    normalise,
)

CANDIDATES_MAX = 128


class ReplyReader:
    """One reply: one payload if it is not streamed, else many.

    With `one_call` only the first tool call of a choice is given out: Gemini has no switch against
    parallel calls, and the caller asked for none.
    """

    def __init__(self, one_call: bool = False) -> None:
        self._one_call = one_call
        self._candidates: dict[int, Candidate] = {}
        self._usage: dict[str, Any] = {}
        self._id: str | None = None
        self._started = False

    @property
    def complete(self) -> bool:
        """Whether every choice seen so far has ended."""
        return bool(self._candidates) and all(c.reason for c in self._candidates.values())

    def feed(self, payload: Mapping[str, Any]) -> list[Event]:
        """The events of one payload; `Failed` is the last one if it states a failure."""
        if payload.get("error"):
            return [Failed(stated(payload))]
        events = self._begun(payload)
        for row in rows(payload, "candidates"):
            events += self._candidate(row.get("index")).feed(row)
        events += self._used(payload)
        reason = string(mapping(payload, "promptFeedback"), "blockReason")
        if reason is not None and not self._candidates:
            events.append(Failed(_blocked(reason, mapping(payload, "promptFeedback"))))
        return events

    def finish(self) -> list[Event]:
        """The ends of all choices, or the failure that one of them is.

        They come last, because some models name a reason in every payload of a stream.
        """
        events = [event for c in self._candidates.values() for event in c.finish()]
        failed = next((event for event in events if isinstance(event, Failed)), None)
        return events if failed is None else [failed]

    def _candidate(self, stated: object) -> Candidate:
        """The first candidate often comes without an index."""
        index = stated if isinstance(stated, int) and 0 <= stated < CANDIDATES_MAX else 0
        if index not in self._candidates:
            self._candidates[index] = Candidate(index, self._id, self._one_call)
        return self._candidates[index]

    def _begun(self, payload: Mapping[str, Any]) -> list[Event]:
        if self._started:
            return []
        self._started = True
        self._id = string(payload, "responseId")
        model = string(payload, "modelVersion")
        return [Start(self._id, model, _unix_s(string(payload, "createTime")))]

    def _used(self, payload: Mapping[str, Any]) -> list[Event]:
        """Counts grow over a stream and some come only once: the last value of each holds."""
        raw = mapping(payload, "usageMetadata")
        if not any(key.endswith("TokenCount") for key in raw):
            return []
        self._usage.update(raw)
        return [UsageReported(normalise("google", self._usage))]


def read_whole(body: bytes, one_call: bool = False) -> Sequence[Event]:
    """The events of a reply in one piece; raises `BackendError` if it is none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    reply = ReplyReader(one_call)
    events: list[Event] = []
    for part in payload if isinstance(payload, list) else [payload]:
        if isinstance(part, dict):
            events += reply.feed(part)
    if any(isinstance(event, Failed) for event in events):
        return events
    ended = reply.finish()
    if not ended:
        raise BackendError("malformed", "The upstream answered without any candidate.")
    return [*events, *ended]


def _blocked(reason: str, feedback: Mapping[str, Any]) -> BackendError:
    said = string(feedback, "blockReasonMessage")
    return BackendError(
        "content_filter",
        said or f"The vendor's filter refused the prompt ({reason}). Rephrase it.",
        code=reason,
    )


def _unix_s(moment: str | None) -> int | None:
    if moment is None:
        return None
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except ValueError:
        return None
