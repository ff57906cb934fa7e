"""Dispatch, with scripted backends."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headgate.errors import GatewayError
from headgate.pipeline.context import Exchange
from headgate.pipeline.stages.dispatch import Dispatch
from headgate.routing.health import Health
from headgate.telemetry.metrics import Metrics
from headgate_providers.sdk import (
    BackendError,
    ErrorKind,
    Event,
    Failed,
    Finish,
    Start,
    TextDelta,
    ToolCallDelta,
)
from tests.gateway.pipeline.fakes import ANSWER, ScriptedBackend, exchange


def dispatch(*backends: ScriptedBackend) -> Dispatch:
    fleet = {backend.target.name: backend for backend in backends}
    return Dispatch(fleet, Health(), Metrics(), lambda _, __: Decimal(0))


async def read(stage: Dispatch, request: Exchange) -> list[Event]:
    events: list[Event] = []
    async with stage.open(request, relayable=True) as answer:
        async for batch in answer.batches:
            events += batch
    return events


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("stream", [True, False])
async def test_the_first_candidate_answers(stream: bool) -> None:
    first, second = ScriptedBackend("a", ANSWER), ScriptedBackend("b", ANSWER)
    request = exchange("a", "b", stream=stream)
    assert text(await read(dispatch(first, second), request)) == "Hello"
    assert [attempt.outcome for attempt in request.attempts] == ["ok"]
    assert (first.closed, len(second.calls)) == (1, 0)


@pytest.mark.parametrize(
    "kind",
    ["connect", "reset", "timeout", "http_5xx", "overloaded", "rate_limited", "quota", "auth",
     "malformed", "not_found", "unsupported"],
)  # fmt: skip
async def test_what_is_not_the_callers_mistake_moves_on(kind: ErrorKind) -> None:
    failing = ScriptedBackend("a", BackendError(kind, "no"))
    request = exchange("a", "b")
    assert text(await read(dispatch(failing, ScriptedBackend("b", ANSWER)), request)) == "Hello"
    assert [attempt.outcome for attempt in request.attempts] == [kind, "ok"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("invalid_request", 400, "invalid_request"),
        ("content_filter", 400, "content_filter"),
        ("context_overflow", 400, "context_length_exceeded"),
        ("too_large", 413, "request_too_large"),
    ],
)
async def test_the_callers_mistake_never_moves_on(kind: ErrorKind, status: int, code: str) -> None:
    failing, other = ScriptedBackend("a", BackendError(kind, "no")), ScriptedBackend("b", ANSWER)
    with pytest.raises(GatewayError) as refused:
        await read(dispatch(failing, other), exchange("a", "b"))
    assert (refused.value.status, refused.value.code, other.calls) == (status, code, [])


async def test_an_error_before_the_first_output_is_invisible() -> None:
    broken = ScriptedBackend("a", [[Start()], [Failed(BackendError("overloaded", "busy"))]])
    request = exchange("a", "b")
    events = await read(dispatch(broken, ScriptedBackend("b", ANSWER)), request)
    assert text(events) == "Hello"
    assert [attempt.outcome for attempt in request.attempts] == ["overloaded", "ok"]


async def test_an_error_after_the_first_output_is_told() -> None:
    broken = ScriptedBackend("a", [[TextDelta("Hel")], [Failed(BackendError("reset", "cut"))]])
    other = ScriptedBackend("b", ANSWER)
    request = exchange("a", "b")
    with pytest.raises(GatewayError) as told:
        await read(dispatch(broken, other), request)
    assert (told.value.code, other.calls) == ("upstream_error", [])
    assert [attempt.outcome for attempt in request.attempts] == ["reset"]
    usage = request.attempts[0].billed_usage(3)
    assert usage is not None and (usage.output_tokens, usage.source) == (1, "estimated")


async def test_attempts_are_bounded() -> None:
    backends = [ScriptedBackend(n, BackendError("http_5xx", "no", status=500)) for n in "abcd"]
    request = exchange(*"abcd", advance={"attempts": 2})
    with pytest.raises(GatewayError):
        await read(dispatch(*backends), request)
    assert [len(backend.calls) for backend in backends] == [1, 1, 0, 0]


async def test_all_limited_says_when_to_try_again() -> None:
    backends = [
        ScriptedBackend("a", BackendError("rate_limited", "no", retry_after_s=30)),
        ScriptedBackend("b", BackendError("rate_limited", "no", retry_after_s=7)),
    ]
    with pytest.raises(GatewayError) as refused:
        await read(dispatch(*backends), exchange("a", "b"))
    assert (refused.value.status, refused.value.retry_after_s) == (429, 7)


async def test_an_upstream_credential_error_is_not_the_clients() -> None:
    with pytest.raises(GatewayError) as refused:
        failing = ScriptedBackend("a", BackendError("auth", "bad key sk-123", status=401))
        await read(dispatch(failing), exchange("a"))
    assert refused.value.status == 502
    assert "sk-123" not in refused.value.message


async def test_an_empty_answer_is_a_failure() -> None:
    request = exchange("a", "b", stream=False)
    events = await read(
        dispatch(ScriptedBackend("a", [[Start()]]), ScriptedBackend("b", ANSWER)), request
    )
    assert text(events) == "Hello"
    assert request.attempts[0].outcome == "malformed"


async def test_leaving_early_closes_the_upstream() -> None:
    backend = ScriptedBackend("a", ANSWER)
    request = exchange("a")
    async with dispatch(backend).open(request, relayable=True) as answer:
        await anext(answer.batches)
    assert (backend.closed, request.attempts[0].outcome) == (1, "cancelled")


async def test_a_tool_call_counts_as_output() -> None:
    call = [ToolCallDelta(0, "c1", "f", "{}"), Finish("tool_calls")]
    request = exchange("a")
    await read(dispatch(ScriptedBackend("a", [call])), request)
    assert request.attempts[0].outcome == "ok"


async def test_three_failures_rest_a_deployment() -> None:
    health = Health()
    failing = ScriptedBackend("a", BackendError("connect", "no"))
    stage = Dispatch({"a": failing}, health, Metrics(), lambda _, __: None)
    for _ in range(3):
        with pytest.raises(GatewayError):
            await read(stage, exchange("a"))
    world = health.world(0.0)
    assert "circuit open" in world.down["a"]
    assert world.metrics["a"]["queue"] == 0
