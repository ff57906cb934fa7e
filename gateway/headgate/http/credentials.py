"""Who calls: reading the credential and the request id from the headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import Scope

Headers = Mapping[bytes, bytes]

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._:-]{8,128}$")


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by lower-case name; of a repeated one the last."""
    return dict(scope["headers"])


def presented_key(headers: Headers) -> str:
    """The key in `authorization: Bearer` or `x-api-key`; empty if there is none."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    key = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return key.decode("latin-1")


def presented_request_id(headers: Headers) -> str | None:
    """The caller's own request id, if it is well-formed enough to go into logs and headers."""
    value = headers.get(b"x-request-id", b"")
    return value.decode("ascii") if _REQUEST_ID.match(value) else None


def presented_text(headers: Headers, name: bytes) -> str | None:
    """A header's text; `None` if it is not there."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
