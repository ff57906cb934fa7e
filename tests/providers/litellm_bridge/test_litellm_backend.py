"""The bridge in front of a real litellm and an upstream on loopback."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from headgate_providers.litellm_bridge import LitellmBackend
from headgate_providers.litellm_bridge.library import NOISE, installed
from headgate_providers.sdk import AiohttpTransport, BackendError, Event, Finish, Target, fold
from headgate_providers.sdk.testing import CREDENTIAL, Exchange, Script, ScriptedUpstream
from headgate_providers.sdk.testing.calls import chat_call
from tests.conformance.openai_samples import TEXT, TEXT_STREAMED, chunk, refusal

pytestmark = [
    pytest.mark.skipif(not installed(), reason="litellm is not installed: uv sync --all-extras"),
    pytest.mark.filterwarnings(f"ignore:{NOISE}:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # litellm's own use of pydantic
]

MODEL = "openai/gpt-4o"


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


def backend_for(upstream: ScriptedUpstream, **options: object) -> LitellmBackend:
    secrets = {"key": CREDENTIAL}
    target = Target("t", MODEL, upstream.url + "/v1", secrets, options=options)
    return LitellmBackend(target, AiohttpTransport())


async def collected(backend: LitellmBackend, *, stream: bool = False) -> list[Event]:
    reply = await backend.send(chat_call(MODEL, stream=stream))
    events = [event async for batch in reply for event in batch]
    await reply.aclose()
    return events


async def test_usage_that_the_vendor_does_not_tell_is_marked(upstream: ScriptedUpstream) -> None:
    upstream.script = Script(Exchange.sse(chunk({"content": "Hi"}), chunk({}, "stop"), "[DONE]"))
    backend = backend_for(upstream)
    reply = fold(await collected(backend, stream=True))
    await backend.aclose()
    assert reply.usage is not None
    assert reply.usage.source == "estimated"


async def test_a_stream_of_nothing_is_no_answer(upstream: ScriptedUpstream) -> None:
    """litellm alone makes up a regular end."""
    upstream.script = Script(TEXT_STREAMED, events=0)
    backend = backend_for(upstream)
    events = await collected(backend, stream=True)
    await backend.aclose()
    assert fold(events).error is not None
    assert not any(isinstance(event, Finish) for event in events)


async def test_one_failure_is_one_request(upstream: ScriptedUpstream) -> None:
    """Trying again is the gateway's decision."""
    upstream.script = Script(refusal(500, "The server had an error."))
    backend = backend_for(upstream)
    with pytest.raises(BackendError):
        await collected(backend)
    await backend.aclose()
    assert len(upstream.received) == 1


async def test_closing_one_backend_does_not_disturb_another(upstream: ScriptedUpstream) -> None:
    """A reload closes the old ones while the new ones work, over connections they share."""
    upstream.script = Script(TEXT_STREAMED)
    old, new = backend_for(upstream), backend_for(upstream)
    await collected(old, stream=True)
    reply = await new.send(chat_call(MODEL, stream=True))
    await old.aclose()
    events = [event async for batch in reply for event in batch]
    await reply.aclose()
    await new.aclose()
    assert fold(events).choices[0].text == "Hello there."


async def test_prompts_and_keys_are_not_logged(
    upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    backend = backend_for(upstream)
    upstream.script = Script(TEXT)
    await collected(backend)
    upstream.script = Script(refusal(400, "No."))
    with pytest.raises(BackendError) as refused:
        await collected(backend)
    await backend.aclose()
    captured = capfd.readouterr()
    everything = caplog.text + captured.out + captured.err
    for secret in (CREDENTIAL, "weather in Paris"):
        assert secret not in everything
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


async def test_arguments_of_the_deployment_are_passed_on(upstream: ScriptedUpstream) -> None:
    upstream.script = Script(TEXT)
    backend = backend_for(upstream, arguments={"service_tier": "flex"})
    await collected(backend)
    await backend.aclose()
    assert b'"service_tier":"flex"' in upstream.received[0].body
