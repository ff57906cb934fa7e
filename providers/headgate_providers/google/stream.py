"""The two forms of a streamed reply: server-sent events, and one JSON array that grows.

The array comes where `alt=sse` was lost on the way; its objects are cut out as they complete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from headgate_providers.google.reply import ReplyReader
from headgate_providers.sdk import BackendError, Event, Failed, SseDecoder, broken_off
from headgate_providers.sdk.sse import EVENT_BYTES_MAX

_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class ArrayDecoder:
    """Cuts the objects out of a JSON array that arrives in pieces.

    Only strings and braces are looked at, so that what stands between the objects does not matter.
    """

    def __init__(self, limit: int = EVENT_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._position = 0
        self._depth = 0
        self._in_string = False
        self._start = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects completed by this chunk; raises `BackendError` over the limit."""
        self._buffer += chunk
        objects: list[bytes] = []
        while (match := self._token().search(self._buffer, self._position)) is not None:
            if match[0] == b"\\" and match.end() == len(self._buffer):
                self._position = match.start()
                break
            self._position = match.end() + (match[0] == b"\\")
            self._take(match[0], match.start(), objects)
        else:
            self._position = len(self._buffer)
        self._drop()
        return objects

    def _token(self) -> re.Pattern[bytes]:
        return _INSIDE if self._in_string else _OUTSIDE

    def _take(self, token: bytes, at: int, objects: list[bytes]) -> None:
        if token == b'"':
            self._in_string = not self._in_string
        elif token == b"{":
            if self._depth == 0:
                self._start = at
            self._depth += 1
        elif token == b"}" and self._depth > 0:
            self._depth -= 1
            if self._depth == 0:
                objects.append(bytes(self._buffer[self._start : at + 1]))
                self._start = at + 1

    def _drop(self) -> None:
        """Forget what is done with: all before the open object."""
        done = self._start if self._depth else self._position
        del self._buffer[:done]
        self._position -= done
        self._start = 0
        if len(self._buffer) > self._limit:
            raise BackendError("malformed", "The upstream sent an event over the size limit.")


class _Payloads(Protocol):
    def feed(self, chunk: bytes) -> list[bytes]: ...

    def close(self) -> list[bytes]: ...


class _Sse:
    def __init__(self) -> None:
        self._decoder = SseDecoder()

    def feed(self, chunk: bytes) -> list[bytes]:
        return [event.data for event in self._decoder.feed(chunk)]

    def close(self) -> list[bytes]:
        return [event.data for event in self._decoder.close()]


class _Array:
    def __init__(self) -> None:
        self._decoder = ArrayDecoder()

    def feed(self, chunk: bytes) -> list[bytes]:
        return self._decoder.feed(chunk)

    def close(self) -> list[bytes]:
        return []


class StreamReader:
    """Reads a streamed reply in either form, told apart by its first character."""

    def __init__(self, reply: ReplyReader) -> None:
        self._reply = reply
        self._payloads: _Payloads | None = None
        self._failed = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """See `Reader.feed`."""
        if self._payloads is None:
            chunk = chunk.lstrip(b"\xef\xbb\xbf \t\r\n")
            if not chunk:
                return ()
            self._payloads = _Array() if chunk[:1] in b"[{" else _Sse()
        return self._events(self._payloads.feed(chunk))

    def close(self) -> Sequence[Event]:
        """See `Reader.close`."""
        events = self._events(self._payloads.close()) if self._payloads is not None else []
        if self._failed:
            return events
        if not self._reply.complete:
            return [*events, broken_off()]
        return [*events, *self._reply.finish()]

    def _events(self, payloads: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for data in payloads:
            payload = _object(data)
            if payload is None or self._failed:
                continue
            events += self._reply.feed(payload)
            self._failed = any(isinstance(event, Failed) for event in events)
        return events


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None
