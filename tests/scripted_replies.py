"""Replies that a scripted upstream gives, in the vendors' own shapes."""

from __future__ import annotations

import json
from typing import Any

from tests.scripted_upstream import Piece, Scripted, event_stream, json_reply

USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


def data(payload: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def chat(text: str = "Hello there", **members: Any) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1_770_000_000,
        "model": "up-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        **members,
    }


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **members: Any) -> bytes:
    """One chunk of a streamed chat completion; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return data(
        {
            "id": "chatcmpl-up",
            "object": "chat.completion.chunk",
            "created": 1_770_000_000,
            "model": "up-model",
            "choices": choices,
            **members,
        }
    )


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
USAGE_CHUNK = chunk(None, usage=USAGE)


def chat_stream(*texts: Piece | str) -> Scripted:
    """A whole streamed chat completion with usage; what is no text is passed on."""
    pieces = [chunk({"content": text}) if isinstance(text, str) else text for text in texts]
    return event_stream(ROLE, *pieces, STOP, USAGE_CHUNK, DONE)


def embeddings(*vectors: list[float]) -> Scripted:
    """An embeddings reply."""
    rows = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return json_reply({"object": "list", "model": "up-model", "data": rows, "usage": usage})


def openai_error(status: int, code: str, message: str = "Not now.", **headers: str) -> Scripted:
    """A refusal in OpenAI's envelope."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return json_reply({"error": error}, status, **headers)


def message(text: str = "Hello there") -> dict[str, Any]:
    """A message of Anthropic's."""
    return {
        "id": "msg_up",
        "type": "message",
        "role": "assistant",
        "model": "up-model",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 2},
    }


def named(payload: dict[str, Any]) -> bytes:
    """One of Anthropic's events."""
    return b"event: " + payload["type"].encode() + b"\n" + data(payload)


def message_start() -> bytes:
    return named({"type": "message_start", "message": {**message(), "content": []}})


def message_text(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return named({"type": "content_block_delta", "index": 0, "delta": delta})


BLOCK_START = named(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
)
PING = named({"type": "ping"})


def message_stream(*texts: Piece | str) -> Scripted:
    """A whole streamed message."""
    pieces = [message_text(text) if isinstance(text, str) else text for text in texts]
    return event_stream(message_start(), BLOCK_START, PING, *pieces, *MESSAGE_END)


MESSAGE_END = (
    named({"type": "content_block_stop", "index": 0}),
    named(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        }
    ),
    named({"type": "message_stop"}),
)


def anthropic_error(status: int, kind: str, text: str = "Not now.", **headers: str) -> Scripted:
    """A refusal in Anthropic's envelope."""
    return json_reply(
        {"type": "error", "error": {"type": kind, "message": text}}, status, **headers
    )
