"""The seam between backends and the HTTP client.

One protocol, so that the client of the hot path can be replaced by measurement. See
`docs/decisions/` for why aiohttp stands here today.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from yarl import URL

from headgate_providers.sdk.errors import BackendError

BODY_BYTES_MAX = 64 * 1024 * 1024
"""A reply that is not streamed and larger than this (decompressed) is refused."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to an upstream, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class HttpResponse(Protocol):
    """An upstream reply whose headers have arrived."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The decompressed body as it arrives; raises `BackendError` when it breaks off."""
        ...

    async def read(self, limit: int = BODY_BYTES_MAX) -> bytes:
        """The whole body; raises `BackendError` over `limit` bytes."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or cut it if the body was not read to its end."""
        ...


class Transport(Protocol):
    """Sends requests; one per gateway, shared by all backends."""

    async def send(self, request: HttpRequest, *, connect_s: float) -> HttpResponse:
        """Send and wait for the headers. Redirects are not followed.

        Raises `BackendError` of kind `connect` when nothing was processed, `reset` when the
        connection broke after the request had left.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class AiohttpResponse:
    """`HttpResponse` over aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `HttpResponse.chunks`."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BackendError("reset", "The upstream broke off its reply.") from error

    async def read(self, limit: int = BODY_BYTES_MAX) -> bytes:
        """See `HttpResponse.read`."""
        pieces: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise BackendError("malformed", "The upstream's reply is over the size limit.")
            pieces.append(chunk)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """See `HttpResponse.aclose`."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport:
    """`Transport` over one aiohttp session, opened at first use inside the running loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, *, connect_s: float) -> AiohttpResponse:
        """See `Transport.send`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Content-Type"),
            )
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            )
        except aiohttp.ClientConnectorError as error:
            raise BackendError("connect", "The upstream could not be reached.") from error
        except (TimeoutError, aiohttp.ConnectionTimeoutError) as error:
            raise BackendError("connect", "Connecting to the upstream took too long.") from error
        except aiohttp.InvalidURL as error:
            raise BackendError("connect", "The deployment's url is not valid.") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BackendError("reset", "The upstream broke the connection.") from error
        return AiohttpResponse(response)

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        if self._session is not None:
            await self._session.close()
