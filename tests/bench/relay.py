"""A bare relay: what a Python proxy costs that does nothing but relay.

asyncio on uvloop, httptools on both sides, keep-alive on both sides, bodies and streams forwarded
as they come, back-pressure passed on. It decides nothing and reads no body. The gateway is measured
against it. Run as `python -m tests.bench.relay PORT UPSTREAM_PORT`.
"""

from __future__ import annotations

import asyncio
import sys

import httptools
import uvloop

_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_BROKEN = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def head(first_line: bytes, headers: list[tuple[bytes, bytes]], chunked: bool) -> bytes:
    """The head of a message as it travels on."""
    lines = [first_line]
    lines += [b"%s: %s" % (n, v) for n, v in headers if n.lower() not in _HOP_BY_HOP]
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Message:
    """What httptools tells of one message's head."""

    def on_message_begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._sized = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        if name.lower() == b"content-length":
            self._sized = True


class ClientSide(Message, asyncio.Protocol):
    """A connection of a client; it has an upstream connection while a request is under way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._upstream: UpstreamSide | None = None
        self._opening: asyncio.Task[None] | None = None
        self._held: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_headers_complete(self) -> None:
        method = self._parser.get_method()
        chunked = not self._sized and method not in (b"GET", b"HEAD", b"DELETE")
        self._chunked = chunked
        first = b"%s %s HTTP/1.1" % (method, self._url)
        self._send(head(first, self._headers, chunked))

    def on_body(self, piece: bytes) -> None:
        self._send(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)

    def on_message_complete(self) -> None:
        if self._chunked:
            self._send(b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        if self._upstream is None:
            self._upstream = self._pool.idle(self)
        if self._upstream is not None:
            self._upstream.transport.write(data)
            return
        self._held.append(data)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            self._upstream = await self._pool.open(self)
        except OSError:
            self.transport.write(_BROKEN)
            self.transport.close()
            return
        self._upstream.transport.write(b"".join(self._held))
        self._held.clear()
        self._opening = None

    def reply_complete(self) -> None:
        self._upstream = None

    def upstream_lost(self) -> None:
        self.transport.close()

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.client = None
            self._upstream.transport.close()


class UpstreamSide(Message, asyncio.Protocol):
    """A connection to the upstream, idle or serving one client."""

    def __init__(self, pool: Pool, client: ClientSide) -> None:
        self._pool = pool
        self.client: ClientSide | None = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._out: list[bytes] = []
        client = self.client
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()
        if client is not None and self._out:
            client.transport.write(b"".join(self._out))

    def on_headers_complete(self) -> None:
        self._chunked = not self._sized
        first = b"HTTP/1.1 %d OK" % self._parser.get_status_code()
        self._out.append(head(first, self._headers, self._chunked))

    def on_body(self, piece: bytes) -> None:
        self._out.append(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)

    def on_message_complete(self) -> None:
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        client, self.client = self.client, None
        if client is not None:
            client.reply_complete()
        self._pool.give_back(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.forget(self)
        if self.client is not None:
            self.client.upstream_lost()


class Pool:
    """Idle connections to the one upstream."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[UpstreamSide] = []

    def idle(self, client: ClientSide) -> UpstreamSide | None:
        if not self._idle:
            return None
        upstream = self._idle.pop()
        upstream.client = client
        return upstream

    async def open(self, client: ClientSide) -> UpstreamSide:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(
            lambda: UpstreamSide(self, client), "127.0.0.1", self._port
        )
        return upstream

    def give_back(self, upstream: UpstreamSide) -> None:
        if upstream.transport.is_closing():
            return
        self._idle.append(upstream)

    def forget(self, upstream: UpstreamSide) -> None:
        if upstream in self._idle:
            self._idle.remove(upstream)


async def serve(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(upstream_port)
    server = await loop.create_server(lambda: ClientSide(pool), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
