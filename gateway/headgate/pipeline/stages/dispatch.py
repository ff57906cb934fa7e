"""Dispatch: work down the plan until a deployment answers. The only place that fails over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from headgate.pipeline.context import Attempt, Exchange
from headgate.pipeline.dropping import without
from headgate.pipeline.proofs import issuer_of, mark, unmark
from headgate.pipeline.upstream_errors import refusal, translated
from headgate.routing.decision import Candidate
from headgate.routing.health import Health
from headgate.telemetry.metrics import Metrics
from headgate_providers.sdk import (
    Backend,
    BackendError,
    Call,
    ErrorKind,
    Event,
    Failed,
    Reply,
    Request,
)

Batch = Sequence[Event]


@dataclass(slots=True)
class Answer:
    """An open answer: its events as they come. Those of a relayed one are `Raw`."""

    batches: AsyncIterator[Batch]
    relayed: bool
    cost_usd: Callable[[], Decimal | None]
    """Its cost, once all batches were taken; `None` while or where it is unknown."""


class Dispatch:
    """Tries candidates in order; nothing moves on once output was seen."""

    def __init__(
        self,
        fleet: Mapping[str, Backend],
        health: Health,
        metrics: Metrics,
        cost_usd: Callable[[Exchange, Attempt], Decimal | None],
    ) -> None:
        self._fleet = fleet
        self._health = health
        self._metrics = metrics
        self._cost_usd = cost_usd

    @asynccontextmanager
    async def open(self, exchange: Exchange, *, relayable: bool) -> AsyncIterator[Answer]:
        """An answer from the first candidate that gives one; closing it stops the upstream."""
        opened = await self._first(exchange, relayable)
        attempt = exchange.attempts[-1]
        try:
            yield Answer(
                opened.batches(exchange.summary.model),
                opened.relayed,
                lambda: self._cost_usd(exchange, attempt),
            )
        finally:
            await self._close(opened)

    async def count_tokens(self, exchange: Exchange) -> int:
        """The first candidate's own count, or an estimate where none counts."""
        assert exchange.decision is not None
        for candidate in exchange.decision.candidates:
            try:
                call = _call(exchange, candidate, relayable=True)
                async with asyncio.timeout(candidate.timeouts.total_s):
                    count = await self._fleet[candidate.name].count_tokens(call)
            except (BackendError, TimeoutError):
                continue
            if count is not None:
                return count
        return exchange.input_tokens_estimate

    async def _first(self, exchange: Exchange, relayable: bool) -> _Opened:
        decision = exchange.decision
        assert decision is not None and decision.contract is not None
        advance = decision.contract.advance
        deadline_s = exchange.arrived_s + advance.deadline_s
        for number, candidate in enumerate(decision.candidates[: advance.attempts], start=1):
            attempt = Attempt(number, candidate.name)
            self._begin(exchange, attempt)
            opened = _Opened(attempt, candidate, deadline_s, exchange.summary.stream)
            try:
                call = _call(exchange, candidate, relayable)
                await opened.start(self._fleet[candidate.name], call)
            except BackendError as error:
                attempt.end(error.kind, error)
                await self._close(opened)
                if not _moves_on(error, advance.kinds, deadline_s):
                    break
            except BaseException:
                await self._close(opened)
                raise
            else:
                return opened
        raise refusal(exchange.attempts, exchange.summary.model)

    def _begin(self, exchange: Exchange, attempt: Attempt) -> None:
        if exchange.attempts:
            last = exchange.attempts[-1]
            self._metrics.fell_back(
                route=exchange.route_name or "",
                source=last.deployment,
                target=attempt.deployment,
                reason=last.outcome,
            )
        exchange.attempts.append(attempt)
        self._health.opened(attempt.deployment)
        self._metrics.attempt_opened(attempt.deployment)

    async def _close(self, opened: _Opened) -> None:
        attempt = opened.attempt
        attempt.end("cancelled")
        self._metrics.attempt_closed(attempt.deployment)
        self._health.closed(
            attempt.deployment,
            time.monotonic(),
            error=attempt.error,
            answered=attempt.outcome == "ok",
            first_token_s=attempt.first_token_s,
            duration_s=attempt.duration_s or 0.0,
        )
        if opened.reply is not None:
            await opened.reply.aclose()


class _Opened:
    """One attempt under way. `reply` is there as soon as the upstream accepted the call."""

    def __init__(
        self, attempt: Attempt, candidate: Candidate, deadline_s: float, stream: bool
    ) -> None:
        timeouts = candidate.timeouts
        self.attempt = attempt
        self.reply: Reply | None = None
        self.relayed = False
        self._issuer = issuer_of(candidate.deployment.provider)
        self._timeouts = timeouts
        self._stream = stream
        self._end_s = min(deadline_s, attempt.started_s + timeouts.total_s)
        self._opening: list[Batch] = []
        self._exhausted = False

    async def start(self, backend: Backend, call: Call) -> None:
        """Send the call and wait for output (all of it, if not streamed); raises `BackendError`."""
        limit_s = self._end_s
        if self._stream:
            limit_s = min(limit_s, self.attempt.started_s + self._timeouts.first_token_s)
        try:
            async with asyncio.timeout_at(_loop_time(limit_s)):
                self.reply = reply = await backend.send(call)
                self.relayed = reply.relayed
                async for batch in reply:
                    self._take(batch)
                    self._opening.append(batch)
                    if self._stream and self.attempt.deltas:
                        return
                self._exhausted = True
        except TimeoutError:
            raise BackendError("timeout", "The upstream did not answer in time.") from None
        if not self.attempt.deltas and self.attempt.finish is None:
            raise BackendError("malformed", "The upstream answered with nothing.")

    async def batches(self, model: str) -> AsyncIterator[Batch]:
        """The answer as it comes; raises `GatewayError` when it breaks off."""
        for batch in self._opening:
            yield batch
        self._opening = []
        if not self._exhausted:
            try:
                async for batch in self._rest():
                    yield batch
            except BackendError as error:
                self.attempt.end(error.kind, error)
                raise translated(error, model) from error
        self.attempt.end("ok")

    async def _rest(self) -> AsyncIterator[Batch]:
        idle_s = self._timeouts.idle_s
        loop = asyncio.get_running_loop()
        end_at = _loop_time(self._end_s)
        assert self.reply is not None
        batches = aiter(self.reply)
        while True:
            try:
                async with asyncio.timeout_at(min(loop.time() + idle_s, end_at)):
                    batch = await anext(batches)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise BackendError("timeout", "The upstream stopped sending.") from None
            failure = self._failure(batch)
            if failure is not None:
                yield [event for event in batch if not isinstance(event, Failed)]
                raise failure
            yield batch

    def _take(self, batch: Batch) -> None:
        failure = self._failure(batch)
        if failure is not None:
            raise failure

    def _failure(self, batch: Batch) -> BackendError | None:
        self.attempt.observe(batch)
        if not self.relayed:
            mark(batch, self._issuer)
        return self.attempt.error


def _call(exchange: Exchange, candidate: Candidate, relayable: bool) -> Call:
    model = candidate.deployment.model_name
    dialect, body = exchange.dialect, exchange.body
    issuer = issuer_of(candidate.deployment.provider)

    def decode() -> Request:
        request = without(dialect.decode(body, model), candidate.ignored)
        return unmark(request, issuer, dialect.name)

    return Call(
        operation=dialect.operation,
        dialect=dialect.name,
        body=body,
        model=model,
        decode=decode,
        stream=exchange.summary.stream,
        relayable=relayable,
        usage_wanted=exchange.summary.usage_wanted,
        headers=exchange.headers,
    )


def _moves_on(error: BackendError, kinds: frozenset[ErrorKind], deadline_s: float) -> bool:
    """A candidate that cannot express the request never saw it, so the next one is always asked."""
    may_move = error.kind in kinds or error.kind == "unsupported"
    return may_move and time.monotonic() < deadline_s


def _loop_time(monotonic_s: float) -> float:
    """The event loop's clock for a monotonic time (uvloop's clock has another zero)."""
    return asyncio.get_running_loop().time() + monotonic_s - time.monotonic()
