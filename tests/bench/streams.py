"""A streaming load: so many streams at a time for so long; tells when the first token came.

Run as `python -m tests.bench.streams PORT KEY --streams N --rounds R`; prints one line of JSON.
Streams begin evenly spread, so that a first token waits for its own request and not for fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import httptools
import uvloop

from tests.bench.request import MODEL, body

SPREAD_S = 1.0
"""The streams of a round begin within this time."""
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Load:
    """What a load came to. `events` are those with `data:`; times are milliseconds."""

    streams: int
    events: int
    failed: int
    first_token_p50_ms: float
    first_token_p99_ms: float


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of the others are; 0 without samples."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Stream(asyncio.Protocol):
    """One streamed request on a connection of its own, sent as soon as that stands."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._tail = b""
        self.events = 0
        self.first_token_s: float | None = None
        self.status = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._begun_s = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        if self.first_token_s is None:
            self.first_token_s = time.perf_counter() - self._begun_s
        self.events += piece.count(b"data: ")
        self._tail = (self._tail + piece)[-32:]

    def on_message_complete(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    @property
    def whole(self) -> bool:
        """Whether it was answered to its end."""
        return self.status == 200 and self.events > 0 and b"[DONE]" in self._tail


async def one(port: int, request: bytes, wait_s: float) -> Stream:
    await asyncio.sleep(wait_s)
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: Stream(request), "127.0.0.1", port)
    await asyncio.wait_for(stream.done, TIMEOUT_S)
    return stream


async def load(port: int, key: str, streams: int, rounds: int) -> Load:
    request = http_request(port, key, body(MODEL, stream=True))
    ended: list[Stream] = []
    for _ in range(rounds):
        waits = [number * SPREAD_S / streams for number in range(streams)]
        ended += await asyncio.gather(*(one(port, request, wait_s) for wait_s in waits))
    waited_ms = [s.first_token_s * 1000 for s in ended if s.first_token_s is not None]
    return Load(
        streams=len(ended),
        events=sum(stream.events for stream in ended),
        failed=sum(not stream.whole for stream in ended),
        first_token_p50_ms=percentile(waited_ms, 0.5),
        first_token_p99_ms=percentile(waited_ms, 0.99),
    )


def http_request(port: int, key: str, content: bytes) -> bytes:
    """A request in one piece."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
        b"authorization: Bearer %s\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (port, key.encode(), len(content), content)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(asdict(uvloop.run(load(given.port, given.key, given.streams, given.rounds)))))


if __name__ == "__main__":
    main()
