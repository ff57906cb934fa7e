"""A scripted model server: OpenAI chat completions with a fixed reply, streamed and not.

Run as `python -m tests.bench.upstream PORT --events N --interval S`. It is the other end of a
measurement, so it does as little as it can.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from functools import lru_cache

import httptools
import uvloop

EVENTS = 200
INTERVAL_S = 0.01
"""Between two events of a stream: 100 tokens a second, as a quick model gives them."""

_ANSWER = "Relaying is mostly waiting; what costs is what is done per request and per token. " * 7
_COMMON = {"id": "chatcmpl-bench", "created": 1790000000, "model": "gpt-4o-mini-2024-07-18"}
_USAGE = {
    "prompt_tokens": 40,
    "completion_tokens": EVENTS,
    "total_tokens": 40 + EVENTS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def whole_body() -> bytes:
    """The reply in one piece, about 1 kB."""
    message = {"role": "assistant", "content": _ANSWER, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _compact({**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


@lru_cache(maxsize=8)
def stream_events(count: int, usage_wanted: bool) -> tuple[bytes, ...]:
    """The events of a streamed reply: `count` with text, then the end."""
    payloads = [_chunk({"role": "assistant", "content": "Words"})]
    payloads += [_chunk({"content": f" come{n % 10}"}) for n in range(1, count)]
    payloads.append(_chunk({}, "stop"))
    if usage_wanted:
        payloads.append(_chunk(None) | {"usage": _USAGE})
    events = [b"data: %s\n\n" % _compact(payload) for payload in payloads]
    return (*events, b"data: [DONE]\n\n")


def _chunk(delta: dict[str, str] | None, finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choices = [] if delta is None else [choice]
    return {**_COMMON, "object": "chat.completion.chunk", "choices": choices}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_BODY = whole_body()
_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, events: int, interval_s: float) -> None:
        self._events = events
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, piece: bytes) -> None:
        self._body += piece

    def on_message_complete(self) -> None:
        body = self._body.replace(b" ", b"")
        if b'"stream":true' not in body:
            self._transport.write(_WHOLE)
            return
        events = stream_events(self._events, b'"include_usage":true' in body)
        self._transport.write(_STREAM_HEAD)
        self._send(events, 0, self._loop.time())

    def _send(self, events: tuple[bytes, ...], at: int, begun_at: float) -> None:
        """Send one event and come back for the next; the end goes out with the last text."""
        if self._transport.is_closing():
            return
        if at < self._events:
            self._write(events[at])
            due_at = begun_at + (at + 1) * self._interval_s
            self._loop.call_at(due_at, self._send, events, at + 1, begun_at)
            return
        self._write(b"".join(events[at:]))
        self._transport.write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))


async def serve(port: int, events: int, interval_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(events, interval_s), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds")
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.events, given.interval))


if __name__ == "__main__":
    main()
