"""Raw HTTP/1.1 over a socket, for what no client library would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class RawReply:
    """The first response on a connection; `sent` counts the bytes of the body that were taken."""

    status: int
    headers: dict[str, str]
    body: bytes
    sent: int

    def json(self) -> Any:
        return json.loads(self.body)


def send(port: int, head: bytes, body: Iterable[bytes] = ()) -> RawReply:
    """Send a head and a body in pieces until an answer arrives or the pieces end."""
    with closing(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) as connection:
        sent = 0
        try:
            connection.sendall(head)
            for piece in body:
                if _readable(connection):
                    break
                connection.sendall(piece)
                sent += len(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass  # refused and closed while we were writing: the answer may still be read
        return _reply(connection, sent)


def _readable(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(TIMEOUT_S)


def _reply(connection: socket.socket, sent: int) -> RawReply:
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().rstrip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return RawReply(status, headers, body, sent)


def head(method: str, path: str, key: str, *lines: str) -> bytes:
    """A request's head up to and with the empty line."""
    first = f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {key}"
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")
