"""The HTTP server: uvicorn with httptools, and a bound on the size of a request's head."""

from __future__ import annotations

from typing import Any

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


def bounded_protocol(head_bytes_max: int) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, refusing a request line and headers that exceed `head_bytes_max`."""

    class BoundedProtocol(HttpToolsProtocol):
        """Counts what arrives until the headers are complete."""

        _head_bytes = 0
        _in_head = True

        def data_received(self, data: bytes) -> None:
            """Refuse with 431 before the parser keeps more than the limit."""
            if self._in_head:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._in_head and self._head_bytes > head_bytes_max:
                self._refuse()

        def on_message_begin(self) -> None:
            """A new request on the connection."""
            self._in_head = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            """The head is complete; a body may be larger."""
            self._in_head = False
            self._head_bytes = 0
            super().on_headers_complete()

        def on_header(self, name: bytes, value: bytes) -> None:
            """Keep one header, unless it is over the limit by itself."""
            if len(name) + len(value) <= head_bytes_max:
                super().on_header(name, value)
            else:
                self._refuse()

        def _refuse(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(_RESPONSE)
                self.transport.close()

    return BoundedProtocol


def new_server(
    app: ASGIApp | str, *, host: str, port: int, head_bytes_max: int, drain_s: float, **more: Any
) -> uvicorn.Server:
    """A server that neither logs nor adds headers by itself."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=bounded_protocol(head_bytes_max),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=int(drain_s),
        **more,
    )
    return uvicorn.Server(config)
