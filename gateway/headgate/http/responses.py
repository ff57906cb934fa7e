"""Responses of the endpoints that ask no model, and of requests that reach no endpoint."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Send

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.dialects.base import ClientDialect
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.errors import GatewayError


def json_body(body: bytes, status: int = 200) -> Response:
    """A body that is JSON already."""
    return Response(body, status, media_type="application/json")


def dialect_of(request: Request) -> ClientDialect:
    """The envelope a client expects, by its headers and path."""
    anthropic = "anthropic-version" in request.headers or request.url.path.startswith(
        "/v1/messages"
    )
    return ANTHROPIC_MESSAGES if anthropic else OPENAI_CHAT


def error_response(request: Request, error: GatewayError) -> Response:
    """The error in the envelope of the caller's dialect."""
    response = json_body(dialect_of(request).error(error), error.status)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = retry_after(error.retry_after_s)
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def retry_after(seconds: float) -> str:
    """The header's value: whole seconds, and at least one."""
    return str(max(1, round(seconds)))


def identified(send: Send, request_id: str) -> Send:
    """A `send` whose response carries the request id."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
        await send(message)

    return named


async def refused(request: Request, error: Exception) -> Response:
    """Exception handler for `GatewayError`."""
    assert isinstance(error, GatewayError)
    return error_response(request, error)


async def unknown_endpoint(request: Request, _: Exception) -> Response:
    """Exception handler for 404."""
    message = f"There is no endpoint {request.url.path[:200]!r} here; docs/api.md lists them."
    return error_response(request, GatewayError(404, "unsupported_endpoint", message))


async def wrong_method(request: Request, _: Exception) -> Response:
    """Exception handler for 405."""
    message = f"This endpoint does not take {request.method[:20]}."
    return error_response(request, GatewayError(405, "method_not_allowed", message))


CRASHED = GatewayError(
    500, "internal_error", "The gateway failed on this request; its log tells why, by request id."
)
"""What a client is told of a mistake of ours; raising it helps nobody, so it is only written."""


async def crashed(request: Request, _: Exception) -> Response:
    """Exception handler for anything unforeseen."""
    return error_response(request, CRASHED)
