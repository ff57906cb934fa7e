"""The HTTP server: uvicorn with httptools, and a bound on the size of a request's head."""

from __future__ import annotations

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


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, refusing a request line and headers over the limit with 431.

    The limit is `h11_max_incomplete_event_size` of uvicorn's configuration, which means the same
    for its other protocol and which this one ignores.
    """

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Count what arrives until the head is complete."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head:
            self._bound(self._head_bytes)

    def on_message_begin(self) -> None:
        """A new request on the connection."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header, unless it is over the limit by itself."""
        if self._bound(len(name) + len(value)):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; a body may be larger."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def _bound(self, size: int) -> bool:
        limit = self.config.h11_max_incomplete_event_size
        if limit is None or size <= limit:
            return True
        if not self.transport.is_closing():
            self.transport.write(_RESPONSE)
            self.transport.close()
        return False


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
