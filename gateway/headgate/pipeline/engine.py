"""The way of a request, in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headgate.pipeline.context import Exchange
from headgate.pipeline.stages.admit import Admit
from headgate.pipeline.stages.dispatch import Answer, Dispatch
from headgate.pipeline.stages.guard import Guard
from headgate.pipeline.stages.route import Route
from headgate.pipeline.stages.settle import Settle


@dataclass(frozen=True, slots=True)
class Engine:
    """The stages under one configuration. A request keeps the engine it began with."""

    admit: Admit
    route: Route
    guard: Guard
    dispatch: Dispatch
    settle: Settle

    @property
    def model_names(self) -> tuple[str, ...]:
        """What clients may ask for, as far as names are written out."""
        return self.route.policy.model_names

    @asynccontextmanager
    async def handle(self, exchange: Exchange) -> AsyncIterator[Answer]:
        """An open answer for `exchange`; leaving the block ends everything it started.

        Raises `GatewayError` for any refusal. Whatever the ending (an answer, a refusal, a broken
        stream, a client that left), the settle stage records it, once.
        """
        with self.settle.recording(exchange):
            self.admit.check(exchange)
            self.route.decide(exchange)
            await self.guard.review_request(exchange)
            relayable = not self.guard.reviews_reply(exchange)
            async with self.dispatch.open(exchange, relayable=relayable) as answer:
                answer.batches = self.guard.review_reply(exchange, answer.batches)
                yield answer

    async def count_tokens(self, exchange: Exchange) -> int:
        """The input tokens of a chat request at the deployment that would answer it."""
        self.admit.check(exchange)
        self.route.decide(exchange)
        return await self.dispatch.count_tokens(exchange)
