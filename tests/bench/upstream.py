"""A scripted vendor: one fixed chat completion, or a stream of 100 events at 100 a second.

python -m tests.bench.upstream PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
import orjson
import uvloop

EVENTS = 100
GAP_S = 0.01
HEAD = {"id": "chatcmpl-bench", "created": 1, "model": "bench"}
USAGE = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}


def _event(choices: list[dict[str, Any]], usage: Any = None) -> bytes:
    chunk = {**HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    data = b"data: " + orjson.dumps(chunk) + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


_MESSAGE = {"role": "assistant", "content": "word " * 150}
_REPLY = orjson.dumps(
    {
        **HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_REPLY),
    _REPLY,
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DELTA = _event([{"index": 0, "delta": {"content": " word"}, "finish_reason": None}])
LAST = (
    _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + _event([], USAGE)
    + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
)


class Vendor(asyncio.Protocol):
    """Answers every request on a connection."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.streams: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        streamed = b'"stream":true' in self.body
        self.body = b""
        if not streamed:
            self.transport.write(WHOLE)
            return
        task = asyncio.create_task(self.stream())
        self.streams.add(task)
        task.add_done_callback(self.streams.discard)

    async def stream(self) -> None:
        self.transport.write(STREAM)
        for _ in range(EVENTS):
            await asyncio.sleep(GAP_S)
            self.transport.write(DELTA)
        self.transport.write(LAST)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
