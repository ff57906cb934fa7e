"""The endpoints that ask a model: one handler for every client dialect, streamed and not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import cast

from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from headgate.dialects.base import ClientDialect, Encoder, ReplyHead
from headgate.errors import GatewayError
from headgate.http.body import BodyLimits, ClientGone, read_json
from headgate.http.caller import CurrentEngine
from headgate.http.credentials import (
    Headers,
    headers_of,
    presented_key,
    presented_request_id,
    presented_text,
)
from headgate.http.responses import CRASHED, retry_after
from headgate.pipeline.context import Exchange, new_id
from headgate.pipeline.engine import Engine
from headgate.pipeline.stages.dispatch import Answer
from headgate_providers.sdk import Event, Raw

_FORWARDED = (b"anthropic-version", b"anthropic-beta", b"openai-beta")
"""Client headers that mean something to an upstream of the same dialect."""


class InferenceEndpoint:
    """An ASGI application for one dialect. A request keeps the engine it began with."""

    def __init__(
        self,
        dialect: ClientDialect,
        engine: CurrentEngine,
        limits: BodyLimits,
        logger: FilteringBoundLogger,
    ) -> None:
        self._dialect = dialect
        self._engine = engine
        self._limits = limits
        self._logger = logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        headers = headers_of(scope)
        own_id = new_id()
        responder = Responder(self._dialect, send, presented_request_id(headers) or own_id)
        try:
            await self._answer(own_id, headers, receive, responder)
        except GatewayError as error:
            await responder.refuse(error)
        except ClientGone:
            pass
        except Exception:
            self._logger.exception("request crashed", request_id=responder.request_id, id=own_id)
            await responder.refuse(CRASHED)

    async def _answer(
        self, own_id: str, headers: Headers, receive: Receive, responder: Responder
    ) -> None:
        engine = self._engine()
        identity = engine.admit.authenticate(presented_key(headers))
        body = await read_json(receive, headers, self._limits)
        responder.exchange = exchange = Exchange(
            id=own_id,
            request_id=responder.request_id,
            dialect=self._dialect,
            body=body,
            summary=self._dialect.inspect(body),
            identity=identity,
            headers=forwarded(headers),
            trace_parent=presented_text(headers, b"traceparent"),
            label=presented_text(headers, b"x-headgate-label"),
        )
        await until_disconnect(receive, self._serve(engine, exchange, responder))

    async def _serve(self, engine: Engine, exchange: Exchange, responder: Responder) -> None:
        async with engine.handle(exchange) as answer:
            if exchange.summary.stream:
                await responder.stream(answer)
            else:
                await responder.whole(answer)


async def until_disconnect(receive: Receive, work: Awaitable[None]) -> None:
    """Do the work; cancel it as soon as the client is gone. Raises what the work raises."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not gone or task.uncancel() > 0:
            raise
    finally:
        watcher.cancel()


def forwarded(headers: Headers) -> Mapping[str, str]:
    """The client's headers that travel on."""
    return {
        name.decode(): headers[name].decode("latin-1") for name in _FORWARDED if name in headers
    }


class Responder:
    """Writes the one response to a request."""

    def __init__(self, dialect: ClientDialect, send: Send, request_id: str) -> None:
        self._dialect = dialect
        self._send = send
        self.request_id = request_id
        self.exchange: Exchange | None = None
        self._started = False

    async def refuse(self, error: GatewayError) -> None:
        """The error envelope, unless the response has begun."""
        if self._started:
            return
        headers = self._headers(b"application/json")
        if error.retry_after_s is not None:
            headers.append((b"retry-after", retry_after(error.retry_after_s).encode()))
        if error.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await self._complete(error.status, headers, self._dialect.error(error))

    async def whole(self, answer: Answer) -> None:
        """A reply in one piece."""
        events: list[Event] = []
        async for batch in answer.batches:
            events += batch
        raw = [event.data for event in events if isinstance(event, Raw)]
        body = b"".join(raw) if answer.relayed else self._encoder().whole(events)
        headers = self._headers(b"application/json")
        cost = answer.cost_usd()
        if cost is not None:
            headers.append((b"x-headgate-cost-usd", format(cost, "f").encode()))
        await self._complete(200, headers, body)

    async def stream(self, answer: Answer) -> None:
        """A reply as server-sent events; one that breaks ends with an error event."""
        encoder = None if answer.relayed else self._encoder()
        headers = self._headers(b"text/event-stream; charset=utf-8")
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._begin(200, headers)
        send = self._send
        try:
            async for batch in answer.batches:
                data = _relayed(batch) if encoder is None else encoder.feed(batch)
                if data:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            last = b"" if encoder is None else encoder.close()
        except GatewayError as error:
            last = (encoder or self._encoder()).fail(error)
            await send({"type": "http.response.body", "body": last})
            raise
        await send({"type": "http.response.body", "body": last})

    def _encoder(self) -> Encoder:
        exchange = cast(Exchange, self.exchange)
        return exchange.dialect.encoder(
            ReplyHead(
                exchange.id,
                exchange.summary.model,
                int(exchange.arrived_at.timestamp()),
                exchange.body,
                exchange.summary.usage_wanted,
            )
        )

    def _headers(self, content_type: bytes) -> list[tuple[bytes, bytes]]:
        headers = [(b"content-type", content_type), (b"x-request-id", self.request_id.encode())]
        if self._dialect.name == "anthropic_messages":
            headers.append((b"request-id", self.request_id.encode()))  # where its clients look
        exchange = self.exchange
        if exchange is None:
            return headers
        headers.append((b"x-headgate-decision", exchange.id.encode()))
        headers.append((b"x-headgate-cache", b"off"))
        if exchange.route_name:
            headers.append((b"x-headgate-route", exchange.route_name.encode("latin-1", "replace")))
        if exchange.attempts:
            deployment = exchange.attempts[-1].deployment
            headers.append((b"x-headgate-deployment", deployment.encode("latin-1", "replace")))
        headers.append((b"x-headgate-attempts", b"%d" % len(exchange.attempts)))
        return headers

    async def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _complete(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        await self._begin(status, headers)
        await self._send({"type": "http.response.body", "body": body})


def _relayed(batch: Sequence[Event]) -> bytes:
    if len(batch) == 1:
        event = batch[0]
        return event.data if isinstance(event, Raw) else b""
    return b"".join(event.data for event in batch if isinstance(event, Raw))
