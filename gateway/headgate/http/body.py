"""Reading a request's body: bounded in size, in time and in depth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Receive

from headgate.errors import GatewayError, InvalidRequest

_TOO_DEEP = "The request body is nested too deeply."

_LEVELS_TO_SPARE = 16
"""Of the 254 levels that orjson writes, what a translator may add to a client's own."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`bytes_max` of a body; `timeout_s` until all of it has arrived."""

    bytes_max: int = 32 * 1024 * 1024
    timeout_s: float = 60.0


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_json(
    receive: Receive, headers: Mapping[bytes, bytes], limits: BodyLimits
) -> dict[str, Any]:
    """The body as a JSON object.

    Raises `GatewayError` 413 before reading what is over the limit, 408 for a client too slow,
    415 for another content type, and `InvalidRequest` for what is no JSON object.
    """
    content_type = headers.get(b"content-type", b"application/json")
    if b"json" not in content_type.lower():
        raise GatewayError(
            415, "unsupported_media_type", "Send the request as `content-type: application/json`."
        )
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise GatewayError(415, "unsupported_media_type", "Send the body without compression.")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limits.bytes_max:
        raise _too_large(limits)
    return parse_object(await _read(receive, limits))


async def _read(receive: Receive, limits: BodyLimits) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                piece = message.get("body", b"")
                size += len(piece)
                if size > limits.bytes_max:
                    raise _too_large(limits)
                pieces.append(piece)
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise GatewayError(
            408, "request_timeout", "The request body took too long to arrive; send it again."
        ) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limits: BodyLimits) -> GatewayError:
    return GatewayError(
        413,
        "request_too_large",
        f"The request body is over the limit of {limits.bytes_max} bytes; send less.",
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """Decode strict JSON: no NaN, no duplicate keys, bounded nesting. Raises `InvalidRequest`."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    try:
        duplicates = _may_have_duplicates(body, payload)
    except orjson.JSONEncodeError:
        raise InvalidRequest(_TOO_DEEP) from None
    if duplicates:
        _refuse_duplicates(body)
    return payload


def _may_have_duplicates(body: bytes, payload: dict[str, Any]) -> bool:
    """Whether writing the payload again gives another number of quotes.

    A member that was overwritten takes its key's two quotes with it; an escaped `\\u0022` is the
    only other thing that changes the count. So the exact check is rarely needed.

    Raises `orjson.JSONEncodeError` for what is nested so deeply that it could not be sent on.
    """
    deepened: object = payload
    for _ in range(_LEVELS_TO_SPARE):
        deepened = [deepened]
    written = orjson.dumps(deepened)
    return b"\\u0022" in body or body.count(b'"') != written.count(b'"')


def _refuse_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            double = next(name for name in names if names.count(name) > 1)
            raise InvalidRequest(f"The member {double!r} occurs twice in one object.", double)
        return members

    try:
        json.loads(body, object_pairs_hook=unique)
    except RecursionError:
        raise InvalidRequest(_TOO_DEEP) from None
