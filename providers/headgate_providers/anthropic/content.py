"""Canonical parts to Anthropic's content blocks.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from headgate_providers.sdk import (
    Audio,
    BackendError,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from headgate_providers.sdk.types import CacheHint

Block = dict[str, Any]

_ID_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


def blocks_of(parts: Iterable[Part]) -> list[Block]:
    """The blocks of these parts; raises `BackendError` kind `unsupported` for sound.

    Blank text is left out, since the API refuses it, and so is thinking that no vendor has signed:
    it was for the reader, and the API refuses that too.
    """
    return [block for part in parts if (block := _WRITERS[type(part)](part)) is not None]


def cache_control(hint: CacheHint | None) -> Block:
    """The `cache_control` member for a hint; five minutes are the default and not spelled out."""
    if hint is None:
        return {}
    control = {"type": "ephemeral"}
    if hint != "5m":
        control["ttl"] = hint
    return {"cache_control": control}


def text_block(part: Text) -> Block | None:
    """A text block, or `None` for blank text."""
    if not part.text.strip():
        return None
    return {"type": "text", "text": part.text, **cache_control(part.cache)}


def _image(part: Image) -> Block:
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        data = part.data or ""
        source = {"type": "base64", "media_type": part.media_type or _sniffed(data), "data": data}
    return {"type": "image", "source": source, **cache_control(part.cache)}


_SIGNATURES = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How the four picture formats of the API begin, in base64."""


def _sniffed(data: str) -> str:
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), "image/png")


def _audio(part: Audio) -> Block:
    raise BackendError("unsupported", "This provider's protocol cannot carry audio.")


def _document(part: Document) -> Block:
    media_type = part.media_type or ""
    if media_type.startswith("image/") and part.text is None:
        return _picture_file(part)
    block: Block = {"type": "document", "source": _source(part, media_type)}
    if part.name:
        block["title"] = part.name
    if part.citations:
        block["citations"] = {"enabled": True}
    return block | cache_control(part.cache)


def _picture_file(part: Document) -> Block:
    if part.file_id is not None:
        source = {"type": "file", "file_id": part.file_id}
        return {"type": "image", "source": source, **cache_control(part.cache)}
    return _image(Image(part.url, part.data, part.media_type, cache=part.cache))


def _source(part: Document, media_type: str) -> Block:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.text is not None:
        return _plain(part.text)
    data = part.data or ""
    if media_type in ("", "application/pdf"):
        return {"type": "base64", "media_type": "application/pdf", "data": data}
    if media_type.startswith("text/") or media_type == "application/json":
        return _plain(_decoded(data))
    raise BackendError(
        "unsupported",
        f"This provider takes PDF and plain text documents, not {media_type}.",
    )


def _plain(text: str) -> Block:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BackendError(
            "invalid_request", "A text document is not valid base64 of UTF-8 text."
        ) from error


def _reasoning(part: Reasoning) -> Block | None:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    return None


def _tool_call(part: ToolCall) -> Block:
    return {
        "type": "tool_use",
        "id": call_id(part.id),
        "name": part.name,
        "input": _input(part.arguments),
    }


def call_id(identity: str) -> str:
    """An id the API takes; other vendors use characters that it refuses."""
    return _ID_UNFIT.sub("_", identity)


def _input(arguments: str) -> Block:
    """The arguments as the object the API demands; what the model garbled is kept as text."""
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def _tool_result(part: ToolResult) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call_id(part.call_id)}
    if content := blocks_of(part.parts):
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block | cache_control(part.cache)


def _refusal(part: Refusal) -> Block | None:
    return text_block(Text(part.text))


_WRITERS: dict[type, Callable[[Any], Block | None]] = {
    Text: text_block,
    Image: _image,
    Audio: _audio,
    Document: _document,
    Reasoning: _reasoning,
    ToolCall: _tool_call,
    ToolResult: _tool_result,
    Refusal: _refusal,
}
