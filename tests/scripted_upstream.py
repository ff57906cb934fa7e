"""An upstream on loopback that does what a test says: replies, faults, pauses, cuts, per request.

It listens in a thread of its own, so that tests with and without an event loop can use it. The
first part of a path names a script: `{base}/a/v1/chat/completions` is answered by the script `a`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias


class Do(Enum):
    """What a reply does instead of sending bytes."""

    CUT = "break the connection"
    HANG = "send nothing more until the client leaves"


Piece: TypeAlias = bytes | float | threading.Event | Do
"""Bytes to send, seconds to wait, an event of the test's to wait for, or something worse."""


@dataclass(frozen=True)
class Scripted:
    """One reply. Without pieces the connection breaks before the status line."""

    pieces: Sequence[Piece] = (Do.CUT,)
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Received:
    """One request as it arrived. `left_early`: the client was gone before the reply's end."""

    script: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    left_early: bool = False
    answered: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def json_reply(payload: Any, status: int = 200, **headers: str) -> Scripted:
    """A reply in one piece; `retry_after` in `headers` becomes `retry-after`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Scripted([body], status, {"content-type": "application/json", **named})


def event_stream(*pieces: Piece) -> Scripted:
    """A reply of server-sent events, piece by piece."""
    return Scripted(pieces, 200, {"content-type": "text/event-stream"})


def nothing() -> Scripted:
    """The connection breaks before any answer."""
    return Scripted([Do.CUT], None)


def silence() -> Scripted:
    """No answer at all until the client leaves."""
    return Scripted([Do.HANG], None)


class ScriptedUpstream:
    """See the module; `received` holds all requests in the order they came."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.port = 0
        self._scripts: dict[str, list[Scripted]] = defaultdict(list)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, name: str, *replies: Scripted) -> None:
        """What `name` answers, in turn; the last reply is repeated."""
        self._scripts[name] = list(replies)

    def requests(self, name: str) -> list[Received]:
        """What arrived for a script."""
        return [request for request in self.received if request.script == name]

    def start(self) -> None:
        self._thread.start()
        assert self._listening.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**26)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await _read(reader)
                self.received.append(request)
                await self._answer(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        reply = self._next(request.script)
        # A client sends nothing while it waits: what arrives is its leaving.
        gone = asyncio.ensure_future(reader.read(1))
        sending = asyncio.ensure_future(_send(reply, writer))
        await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        if not sending.done():
            request.left_early = True
            sending.cancel()
            raise ConnectionResetError
        gone.cancel()
        await asyncio.wait({gone})
        sending.result()
        request.answered = True

    def _next(self, name: str) -> Scripted:
        replies = self._scripts[name]
        if not replies:
            return json_reply({"error": {"message": f"no script for {name!r}"}}, 599)
        return replies.pop(0) if len(replies) > 1 else replies[0]


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    _, script, rest = target.split("/", 2)
    return Received(script, method, f"/{rest}", headers, body)


async def _send(reply: Scripted, writer: asyncio.StreamWriter) -> None:
    if reply.status is not None:
        lines = [f"HTTP/1.1 {reply.status} Scripted", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for piece in reply.pieces:
        if isinstance(piece, bytes):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        elif piece is Do.HANG:
            await asyncio.Event().wait()
        elif piece is Do.CUT:
            await writer.drain()
            writer.transport.abort()
            raise ConnectionResetError
        elif isinstance(piece, threading.Event):
            while not piece.is_set():  # noqa: ASYNC110 -- it is set in another thread
                await asyncio.sleep(0.005)
        else:
            await asyncio.sleep(piece)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@contextmanager
def scripted_upstream() -> Iterator[ScriptedUpstream]:
    """A server for the block."""
    upstream = ScriptedUpstream()
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.stop()
