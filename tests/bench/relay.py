"""A bare relay: what passing a request on costs in Python when nothing else is done.

It parses both sides with httptools, keeps connections, passes heads and bodies on, and frames
streams anew. No routing, no key, no ledger, no timeouts.

    python -m tests.bench.relay PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
import uvloop


class Upstream(asyncio.Protocol):
    """One connection to the upstream."""

    def __init__(self, pool: list[Upstream]) -> None:
        self.pool = pool
        self.client: Any = None
        self.headers: list[tuple[bytes, bytes]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, client: Any, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.client = client
        self.headers = []
        self.parser = httptools.HttpResponseParser(self)
        head = b"".join(b"%s: %s\r\n" % pair for pair in headers if pair[0] != b"host")
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream\r\n" + head + b"\r\n" + body
        )

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.chunked = (b"transfer-encoding", b"chunked") in self.headers
        head = b"".join(b"%s: %s\r\n" % pair for pair in self.headers)
        status = self.parser.get_status_code()
        self.client.transport.write(b"HTTP/1.1 %d OK\r\n%s\r\n" % (status, head))

    def on_body(self, body: bytes) -> None:
        data = b"%x\r\n%s\r\n" % (len(body), body) if self.chunked else body
        self.client.transport.write(data)

    def on_message_complete(self) -> None:
        if self.chunked:
            self.client.transport.write(b"0\r\n\r\n")
        self.client = None
        self.pool.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self in self.pool:
            self.pool.remove(self)


class Client(asyncio.Protocol):
    """One connection from a client."""

    def __init__(self, upstream_port: int, pool: list[Upstream]) -> None:
        self.upstream_port = upstream_port
        self.pool = pool

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        task = asyncio.create_task(self.relay(self.headers, self.body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def relay(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if self.pool:
            upstream = self.pool.pop()
        else:
            loop = asyncio.get_running_loop()
            _, upstream = await loop.create_connection(
                lambda: Upstream(self.pool), "127.0.0.1", self.upstream_port
            )
        upstream.send(self, headers, body)


async def main(port: int, upstream_port: int) -> None:
    pool: list[Upstream] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(upstream_port, pool), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
