"""Every text of a request that a model would read, in any dialect, without decoding it.

Plugins see and change texts; everything else of the body stays as the client sent it, unknown
members included, so that a reviewed request can still be relayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headgate.errors import InvalidRequest

_MEMBERS = ("messages", "input", "prompt", "system", "instructions", "tools", "functions")

_OPAQUE = frozenset(
    {
        "type", "role", "id", "model", "tool_call_id", "tool_use_id", "call_id", "url", "image_url",
        "data", "file_data", "file_id", "media_type", "format", "detail", "cache_control",
        "signature", "encrypted_content", "input_audio",
    }
)  # fmt: skip
"""Members whose strings are names, addresses or encoded media, not text."""


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The texts in document order."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    map_texts(body, collect)
    return found


def map_texts(body: Mapping[str, Any], change: Callable[[str], str]) -> Mapping[str, Any]:
    """The body with every text replaced by `change(text)`, in document order.

    Raises `InvalidRequest` for a body nested too deeply to walk.
    """
    try:
        return {
            key: _mapped(value, change) if key in _MEMBERS else value for key, value in body.items()
        }
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.") from None


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value) if value else value
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {
            key: item if key in _OPAQUE else _mapped(item, change) for key, item in value.items()
        }
    return value
