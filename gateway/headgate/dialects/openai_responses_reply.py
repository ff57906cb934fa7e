"""Writes responses, streamed and whole.

Text after a tool call opens a new message; calls stay open to the end, because upstreams may
write several at a time. Thinking is given as a summary. The gateway's extension is
`extra_content.google.thought_signature` on function calls (see `openai_chat_reply`). Sound has no
place in the dialect and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from headgate.dialects.base import JsonBody, ReplyHead
from headgate.dialects.openai_responses_items import (
    CallItem,
    EventLog,
    ImageItem,
    Item,
    MessageItem,
    ReasoningItem,
    annotation,
)
from headgate.dialects.openai_shared import error_object, paired, text_metadata, to_json
from headgate.errors import GatewayError
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)
from headgate_providers.sdk.types import JsonObject


class ResponsesEncoder:
    """One response. https://platform.openai.com/docs/api-reference/responses/object"""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        self._echo = to_json(_echo(head))[1:]
        self._log = EventLog()
        self._begun = False
        self._items: list[Item] = []
        self._calls: dict[int, CallItem] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Encoder.feed`. The dialect has one choice; others are left out."""
        for event, logprobs in paired(events):
            if isinstance(event, UsageReported):
                self._usage = event.usage
                continue
            writer = _WRITERS.get(type(event))
            if writer is not None and event.choice == 0:  # type: ignore[union-attr]
                self._begin()
                writer(self, event, logprobs or ())
        return self._log.take()

    def close(self) -> bytes:
        """See `Encoder.close`. This dialect's streams end without `[DONE]`."""
        self._begin()
        status = self._settle()
        self._log.add(f"response.{status}", response=self._response(status))
        return self._log.take()

    def fail(self, error: GatewayError) -> bytes:
        """See `Encoder.fail`.

        OpenAI sends both `error`, whose nested object makes the official clients raise, and
        `response.failed`, which others wait for.
        """
        self._begin()
        details = error_object(error)
        flat = {name: details[name] for name in ("code", "message", "param")}
        self._log.add("error", **flat, error=details)
        for item in self._items:
            item.status = "incomplete" if item.is_open else item.status
        failure = {"code": error.code, "message": error.message}
        self._log.add("response.failed", response=self._response("failed", error=failure))
        return self._log.take()

    def whole(self, events: Iterable[Event]) -> bytes:
        """See `Encoder.whole`: the response object that a stream would end with."""
        self._log.quiet = True
        self.feed(list(events))
        return orjson.dumps(self._response(self._settle()))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._log.add("response.created", response=self._response("in_progress"))
            self._log.add("response.in_progress", response=self._response("in_progress"))

    def _settle(self) -> str:
        """Close what is open; returns the status of the whole."""
        reason = self._finish.reason if self._finish is not None else "stop"
        status = "incomplete" if reason in _INCOMPLETE else "completed"
        for item in self._items:
            if item.is_open:
                item.close(status)
        return status

    def _response(self, status: str, *, error: JsonObject | None = None) -> orjson.Fragment:
        reason = self._finish.reason if self._finish is not None else "stop"
        details = {"reason": _INCOMPLETE.get(reason)} if status == "incomplete" else None
        members = {
            "id": f"resp_{self._head.id}",
            "object": "response",
            "created_at": self._head.created,
            "status": status,
            "error": error,
            "incomplete_details": details,
            "output": [item.body() for item in self._items],
            "usage": None if self._usage is None else _usage(self._usage),
        }
        return orjson.Fragment(to_json(members)[:-1] + b"," + self._echo)

    def _opened(self, item: Item) -> None:
        """The next item: the ones before it are over, except for calls."""
        for earlier in self._items:
            if earlier.is_open and not isinstance(earlier, CallItem):
                earlier.close()
        self._items.append(item)
        item.open()

    def _identity(self, prefix: str) -> str:
        return f"{prefix}_{self._head.id}_{len(self._items)}"

    def _message(self) -> MessageItem:
        for item in self._items:
            if isinstance(item, MessageItem) and item.is_open:
                return item
        message = MessageItem(self._log, self._identity("msg"), len(self._items))
        self._opened(message)
        return message

    def _text(self, event: TextDelta, logprobs: Sequence[JsonObject]) -> None:
        if event.text or logprobs:
            self._message().text(event.text, logprobs)

    def _logprobs(self, event: Logprobs, logprobs: Sequence[JsonObject]) -> None:
        if event.content:
            self._message().text("", event.content)

    def _refusal(self, event: RefusalDelta, logprobs: Sequence[JsonObject]) -> None:
        if event.text:
            self._message().refusal(event.text)

    def _citation(self, event: Citation, logprobs: Sequence[JsonObject]) -> None:
        messages = [item for item in self._items if isinstance(item, MessageItem)]
        cited = [message for message in messages if message.is_open or message.has_text]
        message = cited[-1] if cited else self._message()
        message.annotate(annotation(event.annotation))

    def _reasoning(self, event: ReasoningDelta, logprobs: Sequence[JsonObject]) -> None:
        """The blocks begin and end as in `fold`."""
        last = self._items[-1] if self._items else None
        if (
            not isinstance(last, ReasoningItem)
            or not last.is_open
            or (event.id and last.vendor_id not in (None, event.id))
        ):
            identity = event.id or self._identity("rs")
            last = ReasoningItem(self._log, identity, len(self._items), event.id)
            self._opened(last)
        last.vendor_id = event.id or last.vendor_id
        if event.text:
            last.text(event.text)
        if event.signature or event.redacted:
            last.prove(event.signature, event.redacted)
            last.close()

    def _tool_call(self, event: ToolCallDelta, logprobs: Sequence[JsonObject]) -> None:
        call = self._calls.get(event.index)
        if call is None:
            identity = self._identity("fc")
            call_id = event.id or f"call_{self._head.id}_{len(self._calls)}"
            call = CallItem(self._log, identity, len(self._items), call_id, event.name or "")
            self._calls[event.index] = call
            self._opened(call)
        call.signature = event.signature or call.signature
        if event.arguments:
            call.arguments(event.arguments)

    def _media(self, event: MediaDelta, logprobs: Sequence[JsonObject]) -> None:
        if event.media_type.startswith("image/"):
            image = ImageItem(self._log, self._identity("ig"), len(self._items), event)
            self._opened(image)
            image.close()

    def _finished(self, event: Finish, logprobs: Sequence[JsonObject]) -> None:
        self._finish = event


_WRITERS: dict[type, Callable[[ResponsesEncoder, Any, Sequence[JsonObject]], None]] = {
    TextDelta: ResponsesEncoder._text,
    Logprobs: ResponsesEncoder._logprobs,
    RefusalDelta: ResponsesEncoder._refusal,
    Citation: ResponsesEncoder._citation,
    ReasoningDelta: ResponsesEncoder._reasoning,
    ToolCallDelta: ResponsesEncoder._tool_call,
    MediaDelta: ResponsesEncoder._media,
    Finish: ResponsesEncoder._finished,
}

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


_ECHOED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_p",
    "user",
)


def _echo(head: ReplyHead) -> dict[str, Any]:
    """The members that repeat the request, with OpenAI's defaults where it named none.

    Nothing is stored, so `store` is false whatever was asked for.
    """
    body = head.body
    text = body.get("text") or {}
    reasoning = body.get("reasoning") or {}
    return {name: body.get(name) for name in _ECHOED} | {
        "background": False,
        "metadata": text_metadata(body),
        "model": head.model,
        "parallel_tool_calls": _given(body, "parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {name: reasoning.get(name) for name in ("effort", "summary")},
        "store": False,
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [{**_TOOL, **tool} for tool in body.get("tools") or ()],
        "top_logprobs": body.get("top_logprobs") or 0,
        "truncation": body.get("truncation") or "disabled",
    }


_TOOL = {"parameters": None, "strict": None}


def _given(body: JsonBody, name: str, default: bool) -> Any:
    value = body.get(name)
    return default if value is None else value
