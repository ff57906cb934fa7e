"""litellm's answers → events. They are OpenAI's shapes, with litellm's additions, as plain data.

https://docs.litellm.ai/docs/completion/output
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgate_providers.sdk import (
    BackendError,
    Citation,
    Embedding,
    Event,
    Finish,
    FinishReason,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    normalise,
)

Payload = Mapping[str, Any]

FINISH: Mapping[str, FinishReason] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


@dataclass(slots=True)
class _Call:
    id: str
    named: bool = False


class ChatEvents:
    """Reads the chunks of a stream, or the whole reply as its only chunk."""

    def __init__(self) -> None:
        self._started = False
        self._calls: dict[tuple[int, int], _Call] = {}

    def read(self, payload: Payload) -> Iterator[Event]:
        """The events of one chunk, without its usage."""
        if not self._started:
            self._started = True
            created = payload.get("created")
            yield Start(
                payload.get("id") or None,
                payload.get("model") or None,
                created if isinstance(created, int) else None,
            )
        for choice in payload.get("choices") or ():
            index = choice.get("index") or 0
            yield from self._message(choice.get("delta") or choice.get("message") or {}, index)
            if rows := (choice.get("logprobs") or {}).get("content"):
                yield Logprobs(rows, index)
            if reason := choice.get("finish_reason"):
                yield self._finish(reason, index)

    def _message(self, message: Payload, index: int) -> Iterator[Event]:
        yield from self._reasoning(message, index)
        if text := message.get("content"):
            yield TextDelta(text, index)
        if refusal := message.get("refusal"):
            yield RefusalDelta(refusal, index)
        for position, call in enumerate(message.get("tool_calls") or ()):
            yield self._call(call, position, index)
        for picture in message.get("images") or ():
            yield from _picture(picture, index)
        for annotation in message.get("annotations") or ():
            yield Citation(annotation, index)

    def _reasoning(self, message: Payload, index: int) -> Iterator[Event]:
        """Blocks with their proofs repeat the text that `reasoning_content` also has."""
        blocks = message.get("thinking_blocks") or ()
        for block in blocks:
            text, signature = block.get("thinking") or "", block.get("signature") or None
            if text or signature or block.get("data"):
                yield ReasoningDelta(text, signature, block.get("data"), choice=index)
        if not blocks and (text := message.get("reasoning_content")):
            yield ReasoningDelta(text, choice=index)

    def _call(self, raw: Payload, position: int, index: int) -> ToolCallDelta:
        """Some vendors give no id: it is made up, always the same for the same place."""
        slot = raw.get("index")
        slot = slot if isinstance(slot, int) else position
        function = raw.get("function") or {}
        call, new = self._calls.get((index, slot)), False
        if call is None:
            call, new = _Call(raw.get("id") or f"call_{index}_{slot}"), True
            self._calls[index, slot] = call
        name = function.get("name") if not call.named else None
        call.named = call.named or bool(name)
        fields = raw.get("provider_specific_fields") or {}
        return ToolCallDelta(
            slot,
            call.id if new else None,
            name or None,
            function.get("arguments") or "",
            fields.get("thought_signature"),
            index,
        )

    def _finish(self, native: str, index: int) -> Finish:
        reason = FINISH.get(native, "stop")
        if reason == "stop" and any(choice == index for choice, _ in self._calls):
            reason = "tool_calls"
        return Finish(reason, native, choice=index)


def whole_reply(payload: Payload) -> Sequence[Event]:
    """A reply in one piece; raises `BackendError` if it is none."""
    if not payload.get("choices"):
        raise BackendError("malformed", "The upstream answered without any choice.")
    return [*ChatEvents().read(payload), *usage_events(payload)]


def embedding_reply(payload: Payload) -> Sequence[Event]:
    """The vectors, and one `Finish`; raises `BackendError` if there are none."""
    rows = payload.get("data")
    if not isinstance(rows, list) or not rows:
        raise BackendError("malformed", "The upstream answered without any embedding.")
    events: list[Event] = [Start(model=payload.get("model") or None)]
    for position, row in enumerate(rows):
        vector = row.get("embedding") if isinstance(row, Mapping) else None
        if not isinstance(vector, list):
            raise BackendError("malformed", "The upstream answered without any embedding.")
        events.append(Embedding(row.get("index", position), vector))
    return [*events, Finish("stop"), *usage_events(payload)]


def usage_events(payload: Payload, *, counted: bool = False) -> list[Event]:
    """The usage, if any: zeros are litellm's word for none.

    `cost` is litellm's own estimate and no statement of the vendor. `counted` tells that the tokens
    were counted by litellm as well.
    """
    raw = payload.get("usage")
    if not isinstance(raw, Mapping):
        return []
    usage = normalise("openai", {name: value for name, value in raw.items() if name != "cost"})
    if usage == Usage():
        return []
    return [UsageReported(replace(usage, source="estimated") if counted else usage)]


def _picture(picture: Payload, index: int) -> Iterator[Event]:
    url = (picture.get("image_url") or {}).get("url") or ""
    head, _, data = url.partition(";base64,")
    if head.startswith("data:") and data:
        yield MediaDelta(head.removeprefix("data:"), data, index)
    elif url:
        yield Citation({"type": "image_url", "image_url": {"url": url}}, index)
