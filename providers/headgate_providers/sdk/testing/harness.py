"""What every check stands on: the attributes the author sets, and one call played to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeVar
from unittest import SkipTest

from headgate_providers.sdk.backend import Backend, Call, Target
from headgate_providers.sdk.capabilities import Feature
from headgate_providers.sdk.errors import BackendError
from headgate_providers.sdk.events import Completion, Event, Failed, Raw, fold
from headgate_providers.sdk.testing.calls import chat_call, embedding_call
from headgate_providers.sdk.testing.samples import CREDENTIAL, NO_UPSTREAM, Exchange, Samples
from headgate_providers.sdk.testing.upstream import WAIT_S, Received, Script, ScriptedUpstream
from headgate_providers.sdk.transport import AiohttpTransport, Transport

H = TypeVar("H", bound="Harness")


def in_own_loop(check: Callable[[H], Awaitable[None]]) -> Callable[[H], None]:
    """Make an async check a plain test, so that it runs under any test runner."""

    @wraps(check)
    def test(self: H) -> None:
        async def checked() -> None:
            await check(self)

        asyncio.run(checked())

    return test


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one call: its events in order, and the requests that reached the upstream."""

    events: list[Event]
    received: list[Received]

    @property
    def error(self) -> BackendError | None:
        """The failure that refused or ended the reply."""
        return next((event.error for event in self.events if isinstance(event, Failed)), None)

    @property
    def reply(self) -> Completion:
        """The whole reply."""
        return fold(event for event in self.events if not isinstance(event, Raw))

    @property
    def content(self) -> tuple[Any, ...]:
        """What the reply says, without what the vendor's envelope says about it."""
        reply = self.reply
        return reply.choices, reply.vectors, reply.usage

    @property
    def relayed(self) -> bytes:
        """The bytes for a client of the same dialect."""
        return b"".join(event.data for event in self.events if isinstance(event, Raw))


@dataclass(frozen=True, slots=True)
class Bench:
    """A backend under test in front of its scripted upstream."""

    backend: Backend
    upstream: ScriptedUpstream

    async def play(self, call: Call, exchange: Exchange, **how: Any) -> Played:
        """Make the call while the upstream answers so (`how`: see `Script`); collect it all."""
        self.upstream.script = Script(exchange, **how)
        before = len(self.upstream.received)
        events: list[Event] = []
        try:
            async with asyncio.timeout(WAIT_S):
                reply = await self.backend.send(call)
                try:
                    async for batch in reply:
                        events += batch
                finally:
                    await reply.aclose()
        except BackendError as error:
            events.append(Failed(error))
        return Played(events, self.upstream.received[before:])


class Harness:
    """The attributes of a conformance test."""

    backend: ClassVar[type[Backend]]
    """The backend under test."""
    samples: ClassVar[Samples]
    """How its vendor answers."""
    options: ClassVar[Mapping[str, Any]] = {}
    """The deployment's options."""
    secrets: ClassVar[Mapping[str, str]] = {"key": CREDENTIAL}
    """The deployment's secrets; empty for an upstream that wants none."""
    path: ClassVar[str] = ""
    """What the deployment's url has after the host, such as `/v1`."""
    model: ClassVar[str] = "test-model"
    embedding_model: ClassVar[str | None] = None
    """Where the embeddings need another model's name."""
    region: ClassVar[str | None] = None
    declined: ClassVar[frozenset[Feature]] = frozenset()
    """Claimed features that are refused for this model, or in the form the kit asks for them."""
    unknown_event: ClassVar[bytes] = (
        b': a comment\n\nevent: x_unknown\ndata: {"type": "x_unknown", "x": [1, null]}\n\n'
    )
    """An event that the protocol may bring one day; empty where it has no such thing."""

    def make(self, target: Target, transport: Transport) -> Backend:
        """The backend of one deployment; override it where a class is not all there is to it."""
        return self.backend(target, transport)

    def examine(self, request: Received) -> None:
        """Further assertions on every request, such as its path; by default there are none."""

    @asynccontextmanager
    async def bench(self, *, embeddings: bool = False) -> AsyncIterator[Bench]:
        """A fresh backend and a fresh upstream, both closed at the end."""
        async with ScriptedUpstream() as upstream:
            transport = AiohttpTransport()
            model = (self.embedding_model if embeddings else None) or self.model
            target = Target(
                "conformance",
                model,
                upstream.url + self.path,
                self.secrets,
                self.region,
                options=self.options,
            )
            backend = self.make(target, transport)
            try:
                yield Bench(backend, upstream)
            finally:
                await backend.aclose()
                await transport.aclose()

    async def play(self, call: Call, exchange: Exchange, **how: Any) -> Played:
        """One call on a fresh bench."""
        async with self.bench(embeddings=call.operation == "embeddings") as bench:
            played = await bench.play(call, exchange, **how)
        for request in played.received:
            self.examine(request)
        return played

    @property
    def vectors_model(self) -> str:
        """The model to ask for embeddings."""
        return self.embedding_model or self.model

    def scripted(self, exchange: Exchange | None, what: str) -> Exchange:
        """The exchange, or a skipped test where there is none or nothing to script."""
        if exchange is None:
            raise SkipTest(f"the backend does not support {what}")
        if exchange is NO_UPSTREAM:
            raise SkipTest("the backend answers by itself")
        return exchange

    def given(self, exchange: Exchange | None, what: str) -> Exchange:
        """The exchange, or a skipped test where the scenario is not supported."""
        if exchange is None:
            raise SkipTest(f"the backend does not support {what}")
        return exchange

    def any_reply(self) -> tuple[Call, Exchange]:
        """A call that succeeds, whatever the backend can do."""
        if self.samples.text is not None:
            return self.chat(), self.scripted(self.samples.text, "chat")
        exchange = self.scripted(self.samples.embeddings, "anything")
        return embedding_call(self.vectors_model), exchange

    def chat(self) -> Call:
        """A plain call that is not streamed."""
        return chat_call(self.model)
