"""The simulated backend: an upstream that needs no network, with the faults one asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from headgate_providers.sdk import (
    FEATURES,
    Backend,
    BackendError,
    Call,
    Capabilities,
    Embedding,
    ErrorKind,
    Event,
    Failed,
    Finish,
    Reply,
    Start,
    Target,
    Transport,
    Usage,
    UsageReported,
)
from headgate_providers.simulated.answer import DIMENSIONS, chat_events, count_tokens, vector


class SimulatedOptions(BaseModel):
    """How the simulated upstream behaves."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reply: str | None = None
    """A fixed answer instead of the notice and the echo of what was asked."""
    first_token_ms: float = Field(default=0, ge=0)
    """Wait before the first token, in milliseconds."""
    per_token_ms: float = Field(default=0, ge=0)
    """Wait before each further token, in milliseconds."""
    fail: ErrorKind | None = None
    """Every `fail_every`-th call fails with this kind of error."""
    fail_every: int = Field(default=1, ge=1)
    """1 fails every call, 3 every third."""
    fail_after_tokens: int | None = Field(default=None, ge=0)
    """Break the stream after that many tokens instead of refusing the call."""


class SimulatedBackend(Backend):
    """Answers by itself. Useful without a vendor key, in tests and in drills."""

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion", "embeddings"}),
        features=FEATURES - {"logprobs", "reasoning"},
    )
    Options = SimulatedOptions

    def __init__(self, target: Target, transport: Transport) -> None:
        """See `Backend`."""
        super().__init__(target, transport)
        self.options: SimulatedOptions
        self._calls = 0

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`."""
        self._calls += 1
        error = self._planned_error()
        if error is not None and self.options.fail_after_tokens is None:
            raise error
        events = self._events(call)
        return Reply(self._streamed(events, error) if call.stream else self._whole(events, error))

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`."""
        return count_tokens(call.request)

    def _planned_error(self) -> BackendError | None:
        kind = self.options.fail
        if kind is None or self._calls % self.options.fail_every:
            return None
        return BackendError(kind, f"The simulated upstream fails with {kind}, as configured.")

    def _events(self, call: Call) -> list[Event]:
        if call.operation != "embeddings":
            return chat_events(call.chat, self.options.reply)
        request = call.embedding
        dimensions = request.dimensions or DIMENSIONS
        vectors: list[Event] = [
            Embedding(index, vector(str(text), dimensions))
            for index, text in enumerate(request.inputs)
        ]
        return [*vectors, Finish("stop"), UsageReported(Usage(count_tokens(request)))]

    async def _whole(
        self, events: list[Event], error: BackendError | None
    ) -> AsyncIterator[Sequence[Event]]:
        await asyncio.sleep(
            (self.options.first_token_ms + self.options.per_token_ms * len(events)) / 1000
        )
        yield (self._start(), *events) if error is None else (Failed(error),)

    async def _streamed(
        self, events: list[Event], error: BackendError | None
    ) -> AsyncIterator[Sequence[Event]]:
        yield (self._start(),)
        wait_ms = self.options.first_token_ms
        for number, event in enumerate(events):
            if error is not None and number == self.options.fail_after_tokens:
                yield (Failed(error),)
                return
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)
            yield (event,)
            wait_ms = self.options.per_token_ms

    def _start(self) -> Start:
        return Start(f"simulated-{self._calls}", self.target.model)
