"""AWS's binary event stream (`application/vnd.amazon.eventstream`) without I/O.

A message is: total length, length of its headers, CRC-32 of these two, headers, payload, CRC-32 of
all before. Numbers are big-endian.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID
from zlib import crc32

HEADER_BYTES_MAX = 128 * 1024
MESSAGE_BYTES_MAX = 24 * 1024 * 1024
"""AWS bounds a payload at 16 MiB and its headers at 128 KiB; older clients took 24 MiB."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD = _PRELUDE.size + _CRC.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HeaderValue: TypeAlias = bool | int | bytes | str | datetime | UUID


class EventStreamError(ValueError):
    """The bytes are no event stream, or were damaged on their way."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its headers, of which AWS's own begin with a colon, and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, header: str) -> str:
        """A header that is a string, or the empty string."""
        value = self.headers.get(header)
        return value if isinstance(value, str) else ""


class EventStreamDecoder:
    """Bytes in, messages out. Not to be used again after it raised."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lengths: tuple[int, int] | None = None

    @property
    def incomplete(self) -> bool:
        """Whether bytes of an unfinished message are waiting."""
        return bool(self._buffer)

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages completed by this chunk; raises `EventStreamError` for damaged bytes."""
        self._buffer += chunk
        messages: list[Message] = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if self._lengths is None:
            if len(self._buffer) < _PRELUDE.size:
                return None
            self._lengths = _read_prelude(self._buffer)
        total, header_length = self._lengths
        if len(self._buffer) < total:
            return None
        data = bytes(self._buffer[:total])
        del self._buffer[:total]
        self._lengths = None
        if crc32(data[: -_CRC.size]) != _CRC.unpack_from(data, total - _CRC.size)[0]:
            raise EventStreamError("the checksum of a message does not fit")
        split = _PRELUDE.size + header_length
        headers = read_headers(data[_PRELUDE.size : split])
        return Message(headers, data[split : -_CRC.size])


def _read_prelude(buffer: bytearray) -> tuple[int, int]:
    """The lengths of the message and its headers. They are believed only with a right checksum."""
    total, headers, checksum = _PRELUDE.unpack_from(buffer)
    if crc32(buffer[: _PRELUDE.size - _CRC.size]) != checksum:
        raise EventStreamError("the checksum of a prelude does not fit")
    if total > MESSAGE_BYTES_MAX or headers > HEADER_BYTES_MAX or headers + _OVERHEAD > total:
        raise EventStreamError("the lengths of a message are impossible")
    return total, headers


def read_headers(data: bytes) -> dict[str, HeaderValue]:
    """The headers of a message; raises `EventStreamError` if they are cut or of an unknown type."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name = data[at + 1 : name_end].decode()
            size, read = _TYPES[data[name_end]]
            at = name_end + 1
            if size is None:
                size = int.from_bytes(data[at : at + 2], "big")
                at += 2
            value = data[at : at + size]
            if len(value) != size:
                raise EventStreamError("the headers of a message are cut")
            headers[name] = read(value)
            at += size
    except (IndexError, KeyError, UnicodeDecodeError, OverflowError) as error:
        raise EventStreamError("the headers of a message cannot be read") from error
    return headers


def _signed(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _moment(value: bytes) -> datetime:
    return _EPOCH + timedelta(milliseconds=_signed(value))


_TYPES: dict[int, tuple[int | None, Callable[[bytes], HeaderValue]]] = {
    0: (0, lambda _: True),
    1: (0, lambda _: False),
    2: (1, _signed),
    3: (2, _signed),
    4: (4, _signed),
    5: (8, _signed),
    6: (None, bytes),
    7: (None, lambda value: value.decode()),
    8: (8, _moment),
    9: (16, lambda value: UUID(bytes=value)),
}
"""Type → bytes of its value (`None`: two bytes before it tell) and how to read them."""
