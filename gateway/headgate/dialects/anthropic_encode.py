"""Writes messages, streamed and whole: a whole message is its own stream, folded.

Redacted thinking, signatures and citations come as Anthropic's; a refusal in the model's words is
text with the stop reason `refusal`. Log probabilities have no place here.
https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from headgate.dialects.anthropic_blocks import BlockWriter, StreamEvent
from headgate.dialects.base import ReplyHead
from headgate.dialects.openai_shared import to_json
from headgate.errors import GatewayError
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    FinishReason,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)

_TYPES: dict[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""https://docs.anthropic.com/en/api/errors"""

_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}

_NATIVE = frozenset({*_STOP_REASONS.values(), "pause_turn", "model_context_window_exceeded"})
"""Stop reasons of a vendor that speaks this dialect, passed on as they are."""


def error_envelope(error: GatewayError) -> bytes:
    """The JSON body of an error; our stable `code` and `param` are extra members of it."""
    default = "invalid_request_error" if error.status < 500 else "api_error"
    inner = {
        "type": _TYPES.get(error.status, default),
        "message": error.message,
        "code": error.code,
    }
    if error.param is not None:
        inner["param"] = error.param
    return to_json({"type": "error", "error": inner})


def usage_object(usage: Usage | None) -> dict[str, Any]:
    """Usage in Anthropic's convention: `input_tokens` counts what no cache was involved in."""
    usage = usage or Usage()
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    counted: dict[str, Any] = {
        "input_tokens": max(usage.input_tokens - usage.cache_read_tokens - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        counted["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counted


class MessageEncoder:
    """One message."""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        self._blocks = BlockWriter(head.id)
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._refused = False
        self._started = False

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Encoder.feed`. The envelope waits for the first output, and so for early usage."""
        return b"".join(map(_sse, self._events(events)))

    def close(self) -> bytes:
        """See `Encoder.close`."""
        return b"".join(map(_sse, self._end()))

    def fail(self, error: GatewayError) -> bytes:
        """See `Encoder.fail`: an `error` event, and no `message_stop`."""
        return b"event: error\ndata: " + error_envelope(error) + b"\n\n"

    def whole(self, events: Iterable[Event]) -> bytes:
        """See `Encoder.whole`."""
        message: dict[str, Any] = {}
        for event in [*self._events(events), *self._end()]:
            _FOLDS.get(event["type"], _fold_nothing)(message, event)
        return to_json(message)

    def _events(self, events: Iterable[Event]) -> list[StreamEvent]:
        written: list[StreamEvent] = []
        for event in events:
            if isinstance(event, UsageReported):
                self._usage = event.usage
            elif getattr(event, "choice", 0) == 0:
                written += self._event(event)
        return self._with_start(written)

    def _event(self, event: Event) -> list[StreamEvent]:
        match event:
            case TextDelta():
                return self._blocks.text(event.text)
            case ToolCallDelta():
                return self._blocks.tool_call(event)
            case ReasoningDelta():
                return self._blocks.reasoning(event)
            case Citation():
                return self._blocks.citation(event.annotation)
            case RefusalDelta():
                self._refused = True
                return self._blocks.text(event.text)
            case MediaDelta():
                return self._blocks.media(event)
            case Finish():
                self._finish = event
        return []

    def _with_start(self, events: list[StreamEvent]) -> list[StreamEvent]:
        if self._started or not events:
            return events
        self._started = True
        message: dict[str, Any] = {
            "id": f"msg_{self._head.id}",
            "type": "message",
            "role": "assistant",
            "model": self._head.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(self._usage),
        }
        return [{"type": "message_start", "message": message}, *events]

    def _end(self) -> list[StreamEvent]:
        delta = {
            "stop_reason": self._stop_reason(),
            "stop_sequence": self._finish.stop_sequence if self._finish is not None else None,
        }
        return self._with_start(
            [
                *self._blocks.finish(),
                {"type": "message_delta", "delta": delta, "usage": usage_object(self._usage)},
                {"type": "message_stop"},
            ]
        )

    def _stop_reason(self) -> str:
        """Clients act on `tool_use`: a call is one, whatever the vendor calls its end."""
        finish = self._finish or Finish("stop")
        if finish.native in _NATIVE and finish.native != "end_turn":
            return finish.native
        if finish.reason == "stop":
            if self._blocks.called:
                return "tool_use"
            if finish.stop_sequence is not None or finish.native == "stop_sequence":
                return "stop_sequence"
            if self._refused:
                return "refusal"
        return _STOP_REASONS[finish.reason]


def _sse(event: StreamEvent) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + to_json(event) + b"\n\n"


# Folding a stream into its message


def _fold_start(message: dict[str, Any], event: StreamEvent) -> None:
    message.update(event["message"])


def _fold_block(message: dict[str, Any], event: StreamEvent) -> None:
    message["content"].append(dict(event["content_block"]))


def _fold_delta(message: dict[str, Any], event: StreamEvent) -> None:
    block, delta = message["content"][-1], event["delta"]
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["json"] = block.get("json", "") + delta["partial_json"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])


def _fold_stop(message: dict[str, Any], event: StreamEvent) -> None:
    """The input of a call must be an object; what the model garbled is kept as text."""
    block = message["content"][-1]
    if (arguments := block.pop("json", None)) is None:
        return
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        value = arguments
    block["input"] = value if isinstance(value, dict) else {"arguments": value}


def _fold_message(message: dict[str, Any], event: StreamEvent) -> None:
    message.update(event["delta"], usage=event["usage"])


def _fold_nothing(message: dict[str, Any], event: StreamEvent) -> None:
    pass


_FOLDS: dict[str, Callable[[dict[str, Any], StreamEvent], None]] = {
    "message_start": _fold_start,
    "content_block_start": _fold_block,
    "content_block_delta": _fold_delta,
    "content_block_stop": _fold_stop,
    "message_delta": _fold_message,
}
