"""Backends and official clients against real model servers, without a gateway between them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from headgate_providers.registry import resolve
from headgate_providers.sdk import (
    AiohttpTransport,
    Backend,
    BackendError,
    Call,
    ChatRequest,
    Completion,
    Dialect,
    EmbeddingRequest,
    Event,
    Failed,
    Message,
    Operation,
    Raw,
    Request,
    ResponseFormat,
    Target,
    Text,
    Transport,
    UsageReported,
    fold,
)
from headgate_providers.tgi import TgiBackend
from tests.gateway_process import eventually
from tests.model_server.servers import NAME, model_server, needs_model_server, tgi_server

pytestmark = [needs_model_server, pytest.mark.server]

ASK = ChatRequest(NAME, (Message("user", (Text("The name of"),)),), max_tokens=8, seed=7)
TEMPLATE = {"reply": "\n", "stop": []}
"""What the model has learnt begins with a line feed."""
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
KEY = "sk-test"


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with model_server(key=KEY) as url:
        yield url


@pytest.fixture(scope="module")
def embedder() -> Iterator[str]:
    with model_server(embeddings=True) as url:
        yield url


@pytest.fixture(scope="module")
def tgi() -> Iterator[str]:
    with tgi_server(key=KEY) as url:
        yield url


@pytest.fixture(scope="module")
def busy_tgi() -> Iterator[str]:
    with tgi_server(concurrent_requests_max=0) as url:
        yield url


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = AiohttpTransport()
    yield opened
    await opened.aclose()


def backend(provider: str, url: str, transport: Transport, **options: Any) -> Backend:
    return resolve(provider)(Target("own", NAME, url, {"key": KEY}, options=options), transport)


def translated(request: Request, stream: bool = False, operation: Operation = "chat") -> Call:
    return Call(operation, "anthropic_messages", {}, NAME, lambda: request, stream, relayable=False)


def relayed(
    body: dict[str, Any], dialect: Dialect = "openai_chat", operation: Operation = "chat"
) -> Call:
    return Call(operation, dialect, body, NAME, lambda: ASK, bool(body.get("stream")))


async def events_of(asked: Backend, call: Call) -> list[Event]:
    reply = await asked.send(call)
    try:
        return [event async for batch in reply for event in batch]
    finally:
        await reply.aclose()


async def answer(asked: Backend, call: Call) -> Completion:
    reply = fold(await events_of(asked, call))
    assert reply.error is None
    return reply


def check_short(reply: Completion) -> None:
    """Some text that ended by itself or was cut at eight tokens."""
    choice = reply.choices[0]
    assert choice.text
    assert choice.finish is not None
    assert reply.usage is not None
    assert reply.usage.input_tokens > 0
    assert 0 < reply.usage.output_tokens <= 8
    assert choice.finish.reason == "stop" or reply.usage.output_tokens == 8


# llama.cpp


@pytest.mark.parametrize("stream", [False, True])
async def test_llamacpp_translated(llama: str, transport: Transport, stream: bool) -> None:
    request = replace(ASK, stream=stream)
    check_short(await answer(backend("llamacpp", llama, transport), translated(request, stream)))


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}),
        ("openai_responses", {"input": "Hi", "max_output_tokens": 8}),
        (
            "anthropic_messages",
            {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8},
        ),
    ],
)
async def test_llamacpp_relayed_stream(
    llama: str, transport: Transport, dialect: Dialect, body: dict[str, Any]
) -> None:
    events = await events_of(
        backend("llamacpp", llama, transport), relayed({**body, "stream": True}, dialect)
    )
    assert any(isinstance(event, Raw) and event.deltas for event in events)
    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert usage.input_tokens > 0
    assert 0 < usage.output_tokens <= 8
    assert not any(isinstance(event, Failed) for event in events)


async def test_llamacpp_schema(llama: str, transport: Transport) -> None:
    request = replace(ASK, response_format=ResponseFormat("json_schema", SCHEMA), max_tokens=200)
    reply = await answer(backend("llamacpp", llama, transport), translated(request))
    assert reply.choices[0].text.lstrip().startswith("{")


async def test_llamacpp_embeddings(embedder: str, transport: Transport) -> None:
    request = EmbeddingRequest(NAME, ("The name of a class.", "The name of an object."))
    call = translated(request, operation="embeddings")
    reply = await answer(backend("llamacpp", embedder, transport), call)
    one, other = reply.vectors
    assert len(one) == len(other) > 100
    assert 0.1 < sum(a * b for a, b in zip(one, other, strict=True)) < 0.999


async def test_llamacpp_wants_its_key(llama: str, transport: Transport) -> None:
    stranger = resolve("llamacpp")(Target("own", NAME, llama, {"key": "sk-other"}), transport)
    with pytest.raises(BackendError) as refused:
        await stranger.send(translated(ASK))
    assert refused.value.kind == "auth"


async def test_llamacpp_overflow(llama: str, transport: Transport) -> None:
    long = replace(ASK, messages=(Message("user", (Text("name " * 6000),)),))
    with pytest.raises(BackendError) as refused:
        await backend("llamacpp", llama, transport).send(translated(long))
    assert refused.value.kind == "context_overflow"


# TGI


@pytest.mark.parametrize("api", ["chat", "generate"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tgi_translated(tgi: str, transport: Transport, stream: bool, api: str) -> None:
    request = replace(ASK, stream=stream)
    own = backend("tgi", tgi, transport, api=api, template=TEMPLATE)
    check_short(await answer(own, translated(request, stream)))
    check_short(await answer(own, translated(request, stream, "completion")))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai_chat", "openai_completions"])
async def test_tgi_relayed(tgi: str, transport: Transport, stream: bool, dialect: Dialect) -> None:
    body: dict[str, Any] = {"model": "mine", "max_tokens": 8, "stop": "§", "top_p": 1}
    body |= {"n": 1, "presence_penalty": 0, "logit_bias": {}, "user": None, "stream": stream}
    if dialect == "openai_chat":
        body["messages"] = [
            {"role": "developer", "content": "Be brief."},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "Hi"},
        ]
    else:
        body["prompt"] = "The name"
    events = await events_of(backend("tgi", tgi, transport), relayed(body, dialect))
    assert any(isinstance(event, Raw) and event.deltas for event in events)
    assert any(isinstance(event, UsageReported) for event in events)
    assert not any(isinstance(event, Failed) for event in events)


@pytest.mark.parametrize("api", ["chat", "generate"])
async def test_tgi_schema(tgi: str, transport: Transport, api: str) -> None:
    request = replace(ASK, response_format=ResponseFormat("json_schema", SCHEMA), max_tokens=200)
    reply = await answer(backend("tgi", tgi, transport, api=api), translated(request))
    assert reply.choices[0].text.lstrip().startswith("{")


async def test_tgi_stops(tgi: str, transport: Transport) -> None:
    """Greedy text is the same each time, so that a piece of it can be made a stop sequence."""
    own = backend("tgi", tgi, transport, api="generate")
    request = replace(ASK, temperature=0.0, max_tokens=40)
    whole = (await answer(own, translated(request, operation="completion"))).choices[0].text
    assert len(whole) > 6
    stopped = replace(request, stop=(whole[3:6],), stream=True)
    choice = (await answer(own, translated(stopped, True, "completion"))).choices[0]
    assert choice.text == whole[: whole.index(whole[3:6])]
    assert choice.finish is not None
    assert (choice.finish.native, choice.finish.stop_sequence) == ("stop_sequence", whole[3:6])


async def test_tgi_control_plane(tgi: str, transport: Transport) -> None:
    own = backend("tgi", tgi, transport)
    assert isinstance(own, TgiBackend)
    try:
        await own.probe()
        info = await own.info()
    finally:
        await own.aclose()
    assert info.model_id == NAME
    assert (info.max_input_tokens, info.max_total_tokens) == (4095, 4096)


@pytest.mark.parametrize("api", ["chat", "generate"])
async def test_tgi_counts_what_it_reads(tgi: str, transport: Transport, api: str) -> None:
    own = backend("tgi", tgi, transport, api=api)
    reply = await answer(own, translated(ASK))
    assert reply.usage is not None
    assert await own.count_tokens(translated(ASK)) == reply.usage.input_tokens


@pytest.mark.parametrize("surface", ["relay", "chat", "generate"])
@pytest.mark.parametrize("stream", [False, True])
async def test_tgi_refusals(
    tgi: str, busy_tgi: str, transport: Transport, surface: str, stream: bool
) -> None:
    """Before the stream as a status, within it as an event: the same kind of error."""
    api = "generate" if surface == "generate" else "chat"
    for url, tokens, kind in ((busy_tgi, 8, "overloaded"), (tgi, 9000, "context_overflow")):
        call = translated(replace(ASK, max_tokens=tokens, stream=stream), stream)
        if surface == "relay":
            messages = [{"role": "user", "content": "Hi"}]
            call = relayed({"messages": messages, "max_tokens": tokens, "stream": stream})
        own = backend("tgi", url, transport, api=api)
        if not stream:
            with pytest.raises(BackendError) as refused:
                await own.send(call)
            assert refused.value.kind == kind
            continue
        events = await events_of(own, call)
        assert isinstance(events[-1], Failed)
        assert events[-1].error.kind == kind


async def test_tgi_wants_its_key(tgi: str, transport: Transport) -> None:
    stranger = resolve("tgi")(Target("own", NAME, tgi), transport)
    with pytest.raises(BackendError) as refused:
        await stranger.send(translated(ASK))
    assert refused.value.kind == "auth"


async def test_tgi_tells_of_its_load(tgi: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"{tgi}/metrics")).text
    assert "\ntgi_request_count " in metrics


# Hugging Face's own client


@pytest.fixture
def hub() -> Any:
    return pytest.importorskip("huggingface_hub", reason="the extra `tgi` is not installed")


async def test_hub_client_generates(hub: Any, tgi: str) -> None:
    async with hub.AsyncInferenceClient(tgi, provider="hf-inference", token=KEY) as client:
        whole = await client.text_generation("The name", details=True, max_new_tokens=8, seed=1)
        stream = await client.text_generation(
            "The name", details=True, stream=True, max_new_tokens=8, seed=1
        )
        pieces = [piece async for piece in stream]
        info, healthy = await client.get_endpoint_info(), await client.health_check()
    assert whole.generated_text
    assert whole.details.generated_tokens <= 8
    assert pieces[-1].generated_text == "".join(
        piece.token.text for piece in pieces if not piece.token.special
    )
    assert pieces[-1].details.finish_reason in ("length", "eos_token")
    assert info["model_id"] == NAME
    assert healthy


async def test_hub_client_chats(hub: Any, tgi: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    async with hub.AsyncInferenceClient(base_url=f"{tgi}/v1", api_key=KEY) as client:
        whole = await client.chat_completion(messages, model="tgi", max_tokens=8)
        stream = await client.chat_completion(
            messages,
            model="tgi",
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens


async def test_hub_client_sees_overload(hub: Any, busy_tgi: str) -> None:
    async with hub.AsyncInferenceClient(busy_tgi, provider="hf-inference", token=KEY) as client:
        with pytest.raises(hub.errors.OverloadedError):
            await client.text_generation("The name", details=True, max_new_tokens=8)


# The harness itself

STARTER = """
import time
from tests.model_server.servers import model_server
with model_server() as url:
    print(url, flush=True)
    time.sleep(600)
"""


def test_a_server_ends_with_its_parent() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", STARTER]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{url}/health").status_code == 200
        starter.send_signal(signal.SIGKILL)
    assert eventually(lambda: is_gone(url))


def is_gone(url: str) -> bool:
    try:
        with httpx.Client(trust_env=False) as client:
            client.get(f"{url}/health")
    except httpx.TransportError:
        return True
    return False
