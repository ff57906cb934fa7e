"""Replies of `/embeddings` → events.

https://platform.openai.com/docs/api-reference/embeddings/object
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence

import orjson

from headgate_providers.openai_compat.errors import read_stated
from headgate_providers.openai_compat.reply import is_error
from headgate_providers.sdk import BackendError, Embedding, Event, Start, UsageReported, normalise


def decode_embeddings(body: bytes, *, int8: bool = False) -> Sequence[Event]:
    """The vectors; `int8` tells that base64 holds signed bytes instead of 32-bit floats.

    Raises `BackendError` if the reply is none.
    """
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed() from error
    if not isinstance(payload, Mapping):
        raise _malformed()
    if is_error(payload):
        raise read_stated(payload)
    rows = payload.get("data")
    if not isinstance(rows, list) or not rows:
        raise _malformed()
    model, usage = payload.get("model"), payload.get("usage")
    events: list[Event] = [Start(model=model if isinstance(model, str) else None)]
    events += [_embedding(row, position, int8) for position, row in enumerate(rows)]
    if isinstance(usage, Mapping):
        events.append(UsageReported(normalise("openai", usage)))
    return events


def _embedding(row: object, position: int, int8: bool) -> Embedding:
    if not isinstance(row, Mapping):
        raise _malformed()
    index = row.get("index")
    return Embedding(
        index if isinstance(index, int) else position, _vector(row.get("embedding"), int8)
    )


def _vector(raw: object, int8: bool) -> Sequence[float]:
    if isinstance(raw, list):
        return raw
    if not isinstance(raw, str) or not raw:
        raise _malformed()
    try:
        data = base64.b64decode(raw, validate=True)
        return struct.unpack(f"<{len(data)}b" if int8 else f"<{len(data) // 4}f", data)
    except (binascii.Error, struct.error) as error:
        raise _malformed() from error


def _malformed() -> BackendError:
    return BackendError("malformed", "The upstream answered without any embedding.")
