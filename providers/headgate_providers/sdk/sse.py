"""Server-sent events without I/O.

Lines end with CR, LF or CRLF and with nothing else (`str.splitlines` would also split on U+2028).
https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from headgate_providers.sdk.errors import BackendError

EVENT_BYTES_MAX = 16 * 1024 * 1024
"""One event larger than this is refused (a picture in base64 fits)."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its `data` lines joined by LF, its `event` name, any fields the standard lacks."""

    data: bytes
    event: str = ""
    extra: tuple[tuple[str, bytes], ...] = ()


class SseSplitter:
    """Cuts a byte stream at event ends and hands the bytes on unchanged."""

    def __init__(self, limit: int = EVENT_BYTES_MAX) -> None:
        self._rest = b""
        self._limit = limit

    def feed(self, chunk: bytes) -> bytes:
        """The bytes up to the last complete event; raises `BackendError` over the limit."""
        data = self._rest + chunk if self._rest else chunk
        end = max(data.rfind(b"\n\n"), data.rfind(b"\n\r"), data.rfind(b"\r\r"))
        if end < 0:
            block, self._rest = b"", data
        else:
            end += 2
            if data[end - 1 : end + 1] == b"\r\n":
                end += 1
            block, self._rest = (data, b"") if end == len(data) else (data[:end], data[end:])
        if len(self._rest) > self._limit:
            raise BackendError("malformed", "The upstream sent an event over the size limit.")
        return block

    def close(self) -> bytes:
        """What is left after the last complete event (some servers omit the last blank line)."""
        rest, self._rest = self._rest, b""
        return rest


def split_events(block: bytes) -> Iterator[bytes]:
    """The events of a block of complete events, each with its own bytes unchanged."""
    start = 0
    for match in _EVENT_END.finditer(block):
        yield block[start : match.end()]
        start = match.end()
    if start < len(block):
        yield block[start:]


def parse_event(raw: bytes) -> SseEvent | None:
    """Read one event; `None` if it carries no data (a comment, a blank line)."""
    data: list[bytes] = []
    name = ""
    extra: list[tuple[str, bytes]] = []
    for line in _LINE_END.split(raw.removeprefix(b"\xef\xbb\xbf")):
        field, _, value = line.partition(b":")
        if not field:
            continue
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field not in (b"id", b"retry"):
            extra.append((field.decode("utf-8", "replace"), value))
    if not data and not extra:
        return None
    return SseEvent(b"\n".join(data), name, tuple(extra))


class SseDecoder:
    """Bytes in, events out."""

    def __init__(self, limit: int = EVENT_BYTES_MAX) -> None:
        self._splitter = SseSplitter(limit)

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events completed by this chunk."""
        return _parse(self._splitter.feed(chunk))

    def close(self) -> list[SseEvent]:
        """The event left without its blank line, if any."""
        return _parse(self._splitter.close())


def _parse(block: bytes) -> list[SseEvent]:
    return [event for raw in split_events(block) if (event := parse_event(raw)) is not None]
