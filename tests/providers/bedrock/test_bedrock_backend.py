"""The backend as a whole: addresses, credentials, embeddings in several calls, counting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from pydantic import ValidationError

from headgate_providers.bedrock import BedrockBackend
from headgate_providers.registry import resolve
from headgate_providers.sdk import (
    AiohttpTransport,
    BackendError,
    Call,
    ChatRequest,
    EmbeddingRequest,
    HttpRequest,
    Message,
    Target,
    Text,
    fold,
)

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "s3cret"}
Answer = tuple[int, dict[str, str], bytes]


class Scripted:
    """A transport whose answers a function gives."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        self.requests: list[HttpRequest] = []
        self.open = self.most = 0
        self._answer = answer

    async def send(self, request: HttpRequest, *, connect_s: float) -> Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        self.open += 1
        self.most = max(self.most, self.open)
        return Response(*self._answer(request), self)

    async def aclose(self) -> None:
        pass


class Response:
    def __init__(self, status: int, headers: dict[str, str], body: bytes, by: Scripted) -> None:
        self.status, self.headers, self._body, self._by = status, headers, body, by

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, limit: int = 0) -> bytes:
        await asyncio.sleep(0)
        return self._body

    async def aclose(self) -> None:
        self._by.open -= 1


def backend_of(
    answer: Callable[[HttpRequest], Answer] | None = None, model: str = CLAUDE, **members: Any
) -> BedrockBackend:
    target = Target("b", model, **{"secrets": KEYS, "region": "eu-west-1", **members})
    return BedrockBackend(target, Scripted(answer or (lambda _: (200, {}, b"{}"))))


def chat(model: str = CLAUDE, stream: bool = False, **members: Any) -> Call:
    request = ChatRequest(model, (Message("user", (Text("Hi"),)),), stream, **members)
    return Call("chat", "openai_chat", {}, model, lambda: request, stream)


def embed(model: str, *texts: Any, **members: Any) -> Call:
    request = EmbeddingRequest(model, texts, **members)
    return Call("embeddings", "openai_embeddings", {}, model, lambda: request)


def test_it_is_registered() -> None:
    factory = resolve("bedrock")
    assert factory.make is BedrockBackend
    assert factory.secret_env == "AWS_BEARER_TOKEN_BEDROCK"


@pytest.mark.parametrize(
    ("members", "url"),
    [
        ({}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ({"url": "https://proxy.example/bedrock/"}, "https://proxy.example/bedrock"),
    ],
)
def test_address(members: dict[str, Any], url: str) -> None:
    backend = backend_of(**members)
    assert backend.request(chat()).url == f"{url}/model/{CLAUDE}/converse"
    assert backend.request(chat(stream=True)).url == f"{url}/model/{CLAUDE}/converse-stream"
    arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/a1"
    path = "arn:aws:bedrock:eu-west-1:1:application-inference-profile%2Fa1"
    assert backend.request(chat(arn)).url == f"{url}/model/{path}/converse"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"region": None}, "region"),
        ({"region": None, "url": "https://proxy.example"}, "region"),
        ({"secrets": {}}, "secret"),
        ({"secrets": {"access_key_id": "A"}}, "secret_access_key"),
        ({"options": {"familly": "nova"}}, "familly"),
    ],
)
def test_an_incomplete_deployment_is_refused(members: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=says):
        backend_of(**members)


async def test_api_key() -> None:
    backend = backend_of(secrets={"key": "abc"})
    request = await backend.sign(backend.request(chat()))
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["content-type"] == "application/json"


async def test_region_is_read_from_the_address() -> None:
    url = "https://bedrock-runtime.eu-central-1.amazonaws.com"
    backend = backend_of(region=None, url=url, secrets={**KEYS, "session_token": "t"})
    request = await backend.sign(backend.request(chat()))
    assert "/eu-central-1/bedrock/aws4_request" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "t"


async def test_a_proxy_may_need_no_credential() -> None:
    backend = backend_of(secrets={}, url="http://sidecar.example")
    assert "authorization" not in (await backend.sign(backend.request(chat()))).headers


@pytest.mark.parametrize("model", [CLAUDE, "arn:aws:bedrock:x:1:inference-profile/us.a.b-1:0"])
async def test_what_is_signed_is_what_is_sent(model: str) -> None:
    """Path and host must reach AWS as they were signed, whatever the HTTP client makes of them."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = AiohttpTransport()
    target = Target("b", model, f"http://127.0.0.1:{port}", KEYS, region="eu-west-1")
    backend = BedrockBackend(target, transport)
    with pytest.raises(BackendError):
        await backend.send(chat(model))
    await transport.aclose()
    server.close()
    await server.wait_closed()
    line, *headers = received[0].decode().split("\r\n")
    assert line.split()[1] == backend.request(chat(model)).url.removeprefix(
        f"http://127.0.0.1:{port}"
    )
    assert f"Host: 127.0.0.1:{port}" in headers


def test_guardrail() -> None:
    guardrail = {"identifier": "g1", "version": "3", "trace": "enabled"}
    backend = backend_of(options={"guardrail": guardrail})
    assert json.loads(backend.request(chat()).body)["guardrailConfig"] == {
        "guardrailIdentifier": "g1",
        "guardrailVersion": "3",
        "trace": "enabled",
    }
    assert "guardrailConfig" not in json.loads(backend_of().request(chat()).body)


def test_features_follow_the_family() -> None:
    assert {"reasoning", "top_k"} <= backend_of().capabilities.features
    other = backend_of(model="meta.llama3-2-1b-instruct-v1:0").capabilities.features
    assert not {"reasoning", "top_k"} & other
    told = backend_of(model="arn:x/y", options={"family": "nova"}).capabilities.features
    assert {"reasoning", "top_k"} <= told
    assert "seed" not in told


def titan(request: HttpRequest) -> Answer:
    text = json.loads(request.body)["inputText"]
    reply = {"embedding": [float(len(text))], "inputTextTokenCount": len(text)}
    return 200, {}, json.dumps(reply).encode()


async def test_embeddings_of_many_texts_keep_their_order() -> None:
    model = "amazon.titan-embed-text-v2:0"
    backend = backend_of(titan, model)
    reply = await backend.send(embed(model, *("x" * n for n in range(1, 31))))
    found = fold([event async for batch in reply for event in batch])
    assert found.vectors == [[float(n)] for n in range(1, 31)]
    assert found.usage is not None
    assert found.usage.input_tokens == sum(range(1, 31))
    assert isinstance(backend.transport, Scripted)
    assert 1 < backend.transport.most <= 8
    assert backend.transport.open == 0


async def test_cohere_embeds_96_texts_at_once() -> None:
    def answer(request: HttpRequest) -> Answer:
        texts = json.loads(request.body)["texts"]
        reply = {"embeddings": [[1.0] for _ in texts]}
        return (
            200,
            {"x-amzn-bedrock-input-token-count": str(len(texts))},
            json.dumps(reply).encode(),
        )

    model = "cohere.embed-english-v3"
    backend = backend_of(answer, model)
    reply = await backend.send(embed(model, *("x" for _ in range(100)), input_type="query"))
    found = fold([event async for batch in reply for event in batch])
    assert isinstance(backend.transport, Scripted)
    bodies = [json.loads(request.body) for request in backend.transport.requests]
    assert [len(body["texts"]) for body in bodies] == [96, 4]
    assert bodies[0]["input_type"] == "search_query"
    assert (len(found.vectors), found.usage and found.usage.input_tokens) == (100, 100)


async def test_one_failed_embedding_fails_the_call() -> None:
    def answer(request: HttpRequest) -> Answer:
        if json.loads(request.body)["inputText"] == "bad":
            return 429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message":"Slow down."}'
        return titan(request)

    model = "amazon.titan-embed-text-v2:0"
    backend = backend_of(answer, model)
    with pytest.raises(BackendError) as caught:
        await backend.send(embed(model, *("good",) * 20, "bad", *("good",) * 20))
    assert caught.value.kind == "rate_limited"
    assert isinstance(backend.transport, Scripted)
    assert backend.transport.open == 0


@pytest.mark.parametrize(
    ("model", "members", "body"),
    [
        ("amazon.titan-embed-text-v1", {}, {"inputText": "x"}),
        (
            "amazon.titan-embed-image-v1",
            {"dimensions": 256},
            {"inputText": "x", "embeddingConfig": {"outputEmbeddingLength": 256}},
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            {"input_type": "search_query"},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_RETRIEVAL",
                    "text": {"truncationMode": "END", "value": "x"},
                },
            },
        ),
    ],
)
async def test_embedding_bodies(model: str, members: dict[str, Any], body: Any) -> None:
    backend = backend_of(lambda _: (200, {}, b'{"embedding":[1]}'), model)
    with suppress(BackendError):
        await backend.send(embed(model, "x", **members))
    assert isinstance(backend.transport, Scripted)
    assert json.loads(backend.transport.requests[0].body) == body


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (embed("amazon.titan-embed-text-v2:0", (1, 2)), "input"),
        (embed("amazon.titan-embed-text-v1", "x", dimensions=5), "dimensions"),
        (embed("cohere.embed-english-v3", "x", dimensions=5), "dimensions"),
        (embed("meta.llama3", "x"), "model"),
    ],
)
async def test_embeddings_that_cannot_be_had(call: Call, param: str) -> None:
    with pytest.raises(BackendError) as caught:
        await backend_of().send(call)
    assert (caught.value.kind, caught.value.param) == ("unsupported", param)


@pytest.mark.parametrize("reply", [b"", b"{}", b'{"embedding":[]}', b'{"embedding":"AA=="}', b"[]"])
async def test_embeddings_that_do_not_come(reply: bytes) -> None:
    model = "amazon.titan-embed-text-v2:0"
    with pytest.raises(BackendError) as caught:
        await backend_of(lambda _: (200, {}, reply), model).send(embed(model, "x"))
    assert caught.value.kind == "malformed"


async def test_count_tokens() -> None:
    backend = backend_of(lambda _: (200, {}, b'{"inputTokens":12}'))
    assert await backend.count_tokens(chat(max_tokens=5)) == 12
    assert isinstance(backend.transport, Scripted)
    (request,) = backend.transport.requests
    assert request.url.endswith(f"/model/{CLAUDE}/count-tokens")
    assert json.loads(request.body) == {
        "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}}
    }


async def test_count_tokens_of_a_model_that_is_not_counted() -> None:
    refused = b'{"message":"The provided model doesn\'t support counting tokens."}'
    assert await backend_of(lambda _: (400, {}, refused)).count_tokens(chat()) is None
    with pytest.raises(BackendError, match="number of tokens"):
        await backend_of().count_tokens(chat())
    with pytest.raises(BackendError) as caught:
        await backend_of(lambda _: (403, {}, b"{}")).count_tokens(chat())
    assert caught.value.kind == "auth"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "1 validation error detected: messages is empty", None),
        (400, "The provided model identifier is invalid.", "not_found"),
        (403, "The security token included in the request is invalid.", "auth"),
        (503, "Service unavailable.", "overloaded"),
    ],
)
async def test_probe(status: int, message: str, kind: str | None) -> None:
    backend = backend_of(lambda _: (status, {}, json.dumps({"message": message}).encode()))
    if kind is None:
        await backend.probe()
        return
    with pytest.raises(BackendError) as caught:
        await backend.probe()
    assert caught.value.kind == kind
