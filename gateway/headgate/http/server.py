"""The HTTP server: uvicorn with httptools, and a bound on the size of a request's head."""

from __future__ import annotations

import signal
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_REFUSAL = (
    b'{"error":{"message":"The request headers are over the limit; send fewer or shorter ones.",'
    b'"type":"invalid_request_error","param":null,"code":"headers_too_large"}}'
)
_RESPONSE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_REFUSAL), _REFUSAL)
)


class _HeadTooLarge(Exception):
    """Raised inside the parser, which stops there and reports that it could not go on."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, refusing a request line and headers over the limit with 431.

    The limit is `h11_max_incomplete_event_size` of uvicorn's configuration, which means the same
    for its other protocol and which this one ignores. What the parser has taken is counted as it
    comes; a line without an end, which the parser keeps to itself, by what arrives.
    """

    _in_head = True
    _arrived_bytes = 0
    _taken_bytes = 0
    _too_large = False

    def data_received(self, data: bytes) -> None:
        """Count what arrives until the head is complete."""
        if self._in_head:
            self._arrived_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._over(self._arrived_bytes) and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """A new request on the connection."""
        self._in_head = True
        self._taken_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the address."""
        self._take(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header."""
        self._take(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; a body may be larger."""
        self._in_head = False
        self._arrived_bytes = 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser could not take."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _take(self, *pieces: bytes) -> None:
        self._taken_bytes += sum(map(len, pieces))
        if self._over(self._taken_bytes):
            self._too_large = True
            raise _HeadTooLarge

    def _over(self, size: int) -> bool:
        limit = self.config.h11_max_incomplete_event_size
        return limit is not None and size > limit

    def _refuse(self) -> None:
        self.transport.write(_RESPONSE)
        self.transport.close()


def _stopped(*_: object) -> NoReturn:
    """uvicorn raises the signal again once it has stopped: a stop as asked for is a success."""
    raise SystemExit(0)


def run_server(
    app: ASGIApp | str,
    *,
    host: str,
    port: int,
    head_bytes_max: int,
    drain_s: float,
    workers: int = 1,
) -> None:
    """Serve until a signal stops it; it neither logs nor adds headers by itself.

    With several `workers`, `app` is the import string of a factory that each process calls.
    """
    signal.signal(signal.SIGTERM, _stopped)
    uvicorn.run(
        app,
        factory=isinstance(app, str),
        host=host,
        port=port,
        workers=workers,
        http=BoundedProtocol,
        h11_max_incomplete_event_size=head_bytes_max,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=int(drain_s),
    )
