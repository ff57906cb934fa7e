"""A gateway's inside without a network: scripted backends and an exchange to send to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from headgate.access.identities import Identity
from headgate.config.catalog import Deployment
from headgate.config.policy import Advance, Guards, Must
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.pipeline.context import Exchange, new_id
from headgate.routing.decision import Candidate, Contract, Decision
from headgate.routing.facts import RequestFacts
from headgate_providers.sdk import (
    AiohttpTransport,
    Backend,
    BackendError,
    Call,
    Event,
    Finish,
    Reply,
    Start,
    Target,
    TextDelta,
    Timeouts,
    Usage,
    UsageReported,
)

ANSWER: list[Sequence[Event]] = [
    [Start("up-1", "m")],
    [TextDelta("Hel")],
    [TextDelta("lo"), Finish("stop"), UsageReported(Usage(5, 2))],
]


class ScriptedBackend(Backend):
    """Raises its error or gives its batches; counts calls and closings."""

    def __init__(self, name: str, script: BackendError | list[Sequence[Event]]) -> None:
        super().__init__(Target(name, "m"), AiohttpTransport())
        self.script = script
        self.calls: list[Call] = []
        self.closed = 0

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        if isinstance(self.script, BackendError):
            raise self.script

        async def close() -> None:
            self.closed += 1

        return Reply(self._batches(self.script), close=close)

    async def _batches(self, script: list[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
        for batch in script:
            yield batch


def exchange(
    *deployments: str, stream: bool = True, advance: dict[str, Any] | None = None, **body: Any
) -> Exchange:
    """A chat request whose decision names these deployments in order."""
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi there"}]} | body
    request["stream"] = stream
    summary = OPENAI_CHAT.inspect(request)
    made = Exchange(new_id(), "request-1", OPENAI_CHAT, request, summary, Identity("k", "team"))
    made.decision = Decision(
        outcome="planned",
        facts=RequestFacts("m"),
        label="public",
        route="r",
        candidates=tuple(
            Candidate(
                Deployment(name=name, provider="simulated", model="m"),
                "t",
                (),
                (),
                Timeouts(),
                None,
            )
            for name in deployments
        ),
        dropped=(),
        contract=Contract(Must(), Guards(), Advance.model_validate(advance or {})),
        refusal=None,
        arm=None,
        failed_expressions={},
        policy_digest="p",
        catalog_digest="c",
        snapshot_id="",
        fleet=deployments,
    )
    return made
