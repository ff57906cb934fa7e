"""One candidate of a reply: its parts, its tool calls and its end as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.google.arguments import PartialArguments
from headgate_providers.google.citations import Citations
from headgate_providers.google.ids import own_id
from headgate_providers.sdk import (
    BackendError,
    ErrorKind,
    Event,
    Failed,
    Finish,
    FinishReason,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)

_FINISH: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""https://ai.google.dev/api/generate-content#FinishReason"""

_FAILURES: dict[str, ErrorKind] = {
    "MALFORMED_FUNCTION_CALL": "malformed",
    "UNEXPECTED_TOOL_CALL": "malformed",
    "TOO_MANY_TOOL_CALLS": "malformed",
    "MALFORMED_RESPONSE": "malformed",
    "MISSING_THOUGHT_SIGNATURE": "invalid_request",
    "NO_IMAGE": "malformed",
    "IMAGE_OTHER": "malformed",
    "OTHER": "http_5xx",
}
"""Ends that are a failure when nothing came before them."""

Json = Mapping[str, Any]


def mapping(raw: Json, key: str) -> Json:
    """The object at `key`, empty if there is none."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def rows(raw: Json, key: str) -> list[Json]:
    """The objects of the list at `key`."""
    value = raw.get(key)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def string(raw: Json, key: str) -> str | None:
    """The text at `key`, if it is one and not empty."""
    value = raw.get(key)
    return value if isinstance(value, str) and value else None


class Candidate:
    """State of one choice while its pieces arrive."""

    def __init__(self, index: int, reply_id: str | None, one_call: bool) -> None:
        self.reason: str | None = None
        self._index = index
        self._reply_id = reply_id
        self._one_call = one_call
        self._calls = 0
        self._open: PartialArguments | None = None
        self._has_output = False
        self._message: str | None = None
        self._citations = Citations(index)

    def feed(self, row: Json) -> list[Event]:
        """The events of one piece."""
        events: list[Event] = []
        for part in rows(mapping(row, "content"), "parts"):
            events += self._part(part)
        self._has_output = self._has_output or bool(events)
        if content := _logprobs(mapping(row, "logprobsResult")):
            events.append(Logprobs(content, self._index))
        events += self._citations.found(row)
        self.reason = string(row, "finishReason") or self.reason
        self._message = string(row, "finishMessage") or self._message
        return events

    def finish(self) -> list[Event]:
        """How it ended. Calls that Gemini could not complete are a failure, not an empty answer."""
        reason = self.reason or "STOP"
        if reason in _FAILURES and not self._has_output:
            said = f" {self._message}" if self._message else ""
            message = f"The model gave no usable answer ({reason}).{said}"
            return [Failed(BackendError(_FAILURES[reason], message, code=reason))]
        known = _FINISH.get(reason, "tool_calls" if self._calls else "stop")
        return [*self._close_call(), Finish(known, reason, choice=self._index)]

    def _part(self, part: Json) -> list[Event]:
        signature = string(part, "thoughtSignature")
        if isinstance(part.get("functionCall"), Mapping):
            return self._call(part["functionCall"], signature)
        events: list[Event] = []
        text = string(part, "text")
        if text is not None and part.get("thought") is True:
            return [ReasoningDelta(text, signature, choice=self._index)]
        if signature is not None:
            events.append(ReasoningDelta(signature=signature, choice=self._index))
        if text is not None:
            self._citations.add_text(text)
            events.append(TextDelta(text, self._index))
        blob = mapping(part, "inlineData")
        media_type, data = string(blob, "mimeType"), string(blob, "data")
        if media_type is not None and data is not None:
            events.append(MediaDelta(media_type, data, self._index))
        return events

    def _call(self, call: Json, signature: str | None) -> list[Event]:
        """A whole call, or a piece of one: the name comes first, an empty object ends it.

        https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
        """
        events: list[Event] = []
        opening: dict[str, Any] = {}
        if (name := string(call, "name")) is not None:
            events += self._close_call()
            self._open = PartialArguments(mapping(call, "args"))
            self._calls += 1
            facts = (self._reply_id, self._index, self._calls, name, call.get("args"))
            identity = string(call, "id") or own_id(*facts)
            opening = {"id": identity, "name": name, "signature": signature}
        for piece in rows(call, "partialArgs"):
            if self._open is not None:
                self._open.add(piece)
        if call.get("willContinue") is not True:
            return [*events, *self._close_call(**opening)]
        return [*events, *self._delta(**opening)] if opening else events

    def _close_call(self, **opening: Any) -> list[Event]:
        """The arguments of the open call, if there is one."""
        if self._open is None:
            return []
        arguments, self._open = self._open.text(), None
        return self._delta(arguments=arguments, **opening)

    def _delta(self, **known: Any) -> list[Event]:
        if self._one_call and self._calls > 1:
            return []
        return [ToolCallDelta(self._calls - 1, choice=self._index, **known)]


def _logprobs(result: Json) -> list[Json]:
    """`chosenCandidates` with their `topCandidates`, token by token, in OpenAI's shape."""
    tops = rows(result, "topCandidates")
    content: list[Json] = []
    for position, chosen in enumerate(rows(result, "chosenCandidates")):
        others = rows(tops[position], "candidates") if position < len(tops) else []
        content.append({**_token(chosen), "top_logprobs": [_token(other) for other in others]})
    return content


def _token(row: Json) -> dict[str, Any]:
    token = string(row, "token") or ""
    return {
        "token": token,
        "logprob": row.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }
