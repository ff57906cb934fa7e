"""An encoder of AWS event streams for tests, written apart from the product's decoder."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32


def frame(headers: dict[str, Any], payload: bytes = b"") -> bytes:
    """One message; a header is a value, or a tuple of a type number and the bytes of the value."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return message + struct.pack(">I", crc32(message))


def event(name: str, payload: Any) -> bytes:
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, json.dumps(payload).encode())


def exception(name: str, message: str) -> bytes:
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, json.dumps({"message": message}).encode())


def unframed(stream: bytes) -> list[tuple[dict[str, str], bytes]]:
    """The (string headers, payload) of a recorded stream, trusting every length in it."""
    found, at = [], 0
    while at < len(stream):
        total, size = struct.unpack_from(">II", stream, at)
        block, headers = stream[at + 12 : at + 12 + size], {}
        while block:
            name = block[1 : 1 + block[0]].decode()
            block = block[1 + block[0] :]
            length = int.from_bytes(block[1:3], "big")
            headers[name] = block[3 : 3 + length].decode()
            block = block[3 + length :]
        found.append((headers, stream[at + 12 + size : at + total - 4]))
        at += total
    return found


def _header(name: str, value: Any) -> bytes:
    kind, data = value if isinstance(value, tuple) else _typed(value)
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">B", kind) + data


def _typed(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return (0 if value else 1), b""
        case int():
            return 5, struct.pack(">q", value)
        case bytes():
            return 6, struct.pack(">H", len(value)) + value
        case str():
            data = value.encode()
            return 7, struct.pack(">H", len(data)) + data
        case datetime():
            milliseconds = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
            return 8, struct.pack(">q", milliseconds)
        case UUID():
            return 9, value.bytes
    raise TypeError(type(value))
