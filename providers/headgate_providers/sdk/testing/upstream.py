"""A scripted upstream on loopback: answers as told, piece by piece, and keeps what it received."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, TypeAlias

from headgate_providers.sdk.testing.samples import Exchange

WAIT_S = 60.0
"""How long something may take that ought to happen at once; reached only when it never happens."""

Ending: TypeAlias = Literal["end", "reset", "hang", "silence"]
"""`end`: regularly. `reset`: the connection breaks. `hang`: nothing more comes until the client
leaves. `silence`: not even the headers come."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """How to answer: the first `events` of the exchange (all if `None`), in pieces of so many
    bytes (`None`: an event at a time), then the ending.
    """

    exchange: Exchange
    piece_bytes: int | None = None
    events: int | None = None
    ending: Ending = "end"

    def pieces(self) -> Iterator[bytes]:
        """What to write, one at a time."""
        if self.piece_bytes is None:
            yield from self.exchange.events[: self.events]
            return
        body = b"".join(self.exchange.events[: self.events])
        for start in range(0, len(body), self.piece_bytes):
            yield body[start : start + self.piece_bytes]


class ScriptedUpstream:
    """An HTTP/1.1 server that gives every request the same answer. Use with `async with`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script = Script(Exchange(500, {}, b""))
        self._server: asyncio.Server | None = None
        self._port_kept = 0
        self._left = asyncio.Event()
        self._asked = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ScriptedUpstream:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop listening, and drop the clients that are still there."""
        await self.stop()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    @property
    def host(self) -> str:
        """Host and port."""
        assert self._server is not None
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://{self.host}"

    async def stop(self) -> None:
        """Refuse connections from now on; the address stays known."""
        if self._server is not None and self._server.is_serving():
            self._port_kept = self._port
            self._server.close()
            await self._server.wait_closed()

    async def asked(self) -> None:
        """Wait for a request."""
        await asyncio.wait_for(self._asked.wait(), WAIT_S)

    async def left(self) -> None:
        """Wait until a client has closed a connection on which an answer was under way."""
        await asyncio.wait_for(self._left.wait(), WAIT_S)

    @property
    def _port(self) -> int:
        assert self._server is not None
        if self._server.is_serving():
            return int(self._server.sockets[0].getsockname()[1])
        return self._port_kept

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            request = await _read_request(reader)
            self.received.append(request)
            self._asked.set()
            await self._answer(self.script, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._left.set()
        except asyncio.CancelledError:  # the test is over
            pass
        finally:
            writer.close()

    async def _answer(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if script.ending != "silence":
            writer.write(_head(script.exchange))
            for piece in script.pieces():
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0)  # so that the client sees this piece alone
        if script.ending in ("hang", "silence"):
            await reader.read()
            self._left.set()
        elif script.ending == "end":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            writer.transport.abort()


def _head(exchange: Exchange) -> bytes:
    lines = [f"HTTP/1.1 {exchange.status} Scripted"]
    fixed = {"content-length", "transfer-encoding", "content-encoding", "connection"}
    lines += [f"{name}: {v}" for name, v in exchange.headers.items() if name.lower() not in fixed]
    lines += ["transfer-encoding: chunked", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def _read_request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    if "chunked" in headers.get("transfer-encoding", ""):
        body = await _read_chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body
