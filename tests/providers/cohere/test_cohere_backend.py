"""The backend as a whole: address, embeddings in several calls, probe."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest

from headgate_providers.cohere import CohereBackend
from headgate_providers.registry import resolve
from headgate_providers.sdk import (
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

Answer = tuple[int, bytes]


class Response:
    headers: dict[str, str] = {}

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self._body = status, body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, limit: int = 0) -> bytes:
        return self._body

    async def aclose(self) -> None:
        pass


class Scripted:
    """A transport whose answers a function gives."""

    def __init__(self, answer: Callable[[HttpRequest], Answer]) -> None:
        self.requests: list[HttpRequest] = []
        self._answer = answer

    async def send(self, request: HttpRequest, *, connect_s: float) -> Response:
        self.requests.append(request)
        return Response(*self._answer(request))

    async def aclose(self) -> None:
        pass


def backend_of(transport: Scripted, url: str | None = None) -> CohereBackend:
    return CohereBackend(Target("c", "command-a/x", url, {"key": "abc"}), transport)


def embed(*texts: object, input_type: str | None = None) -> Call:
    request = EmbeddingRequest("embed-v4.0", texts, input_type=input_type)  # type: ignore[arg-type]
    return Call("embeddings", "openai_embeddings", {}, "embed-v4.0", lambda: request)


def echo(request: HttpRequest) -> Answer:
    texts = json.loads(request.body)["texts"]
    reply = {
        "embeddings": {"float": [[float(text)] for text in texts]},
        "meta": {"billed_units": {"input_tokens": len(texts)}},
    }
    return 200, json.dumps(reply).encode()


def test_it_is_registered() -> None:
    factory = resolve("cohere")
    assert factory.make is CohereBackend
    assert (factory.url, factory.secret_env) == ("https://api.cohere.com", "COHERE_API_KEY")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, "https://api.cohere.com"),
        ("https://proxy.example/cohere/", "https://proxy.example/cohere"),
        ("https://api.cohere.com/v2", "https://api.cohere.com"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_address(url: str | None, base: str, stream: bool) -> None:
    request = ChatRequest("command-a", (Message("user", (Text("Hi"),)),))
    call = Call("chat", "openai_chat", {}, "command-a", lambda: request, stream)
    sent = backend_of(Scripted(echo), url).request(call)
    assert (sent.method, sent.url) == ("POST", f"{base}/v2/chat")
    assert sent.headers["authorization"] == "Bearer abc"
    assert json.loads(sent.body)["stream"] is stream


async def test_embeddings_of_many_texts_keep_their_order() -> None:
    transport = Scripted(echo)
    reply = await backend_of(transport).send(embed(*map(str, range(200)), input_type="query"))
    found = fold([event async for batch in reply for event in batch])
    assert found.vectors == [[float(n)] for n in range(200)]
    assert found.usage is not None
    assert found.usage.input_tokens == 200
    bodies = [json.loads(request.body) for request in transport.requests]
    assert [len(body["texts"]) for body in bodies] == [96, 96, 8]
    assert {body["input_type"] for body in bodies} == {"search_query"}


async def test_one_failed_call_fails_the_embeddings() -> None:
    def answer(request: HttpRequest) -> Answer:
        if "150" in json.loads(request.body)["texts"]:
            return 429, b'{"message":"Too many requests."}'
        return echo(request)

    with pytest.raises(BackendError) as caught:
        await backend_of(Scripted(answer)).send(embed(*map(str, range(200))))
    assert caught.value.kind == "rate_limited"


async def test_embeddings_without_usage_are_left_to_be_estimated() -> None:
    reply = await backend_of(Scripted(lambda _: (200, b'{"embeddings":{"float":[[1]]}}'))).send(
        embed("1")
    )
    found = fold([event async for batch in reply for event in batch])
    assert (found.vectors, found.usage) == ([[1]], None)


async def test_token_ids_are_unsupported() -> None:
    with pytest.raises(BackendError) as caught:
        await backend_of(Scripted(echo)).send(embed((1, 2)))
    assert (caught.value.kind, caught.value.param) == ("unsupported", "input")


@pytest.mark.parametrize(
    "reply",
    [b"", b"[]", b"{}", b'{"embeddings":{"float":[[]]}}', b'{"embeddings":{"float":[[1],[2]]}}'],
)
async def test_embeddings_that_do_not_come(reply: bytes) -> None:
    with pytest.raises(BackendError) as caught:
        await backend_of(Scripted(lambda _: (200, reply))).send(embed("1"))
    assert caught.value.kind == "malformed"


async def test_probe_asks_for_one_model() -> None:
    transport = Scripted(lambda _: (200, b"{}"))
    await backend_of(transport).probe()
    (request,) = transport.requests
    assert (request.method, request.url) == (
        "GET",
        "https://api.cohere.com/v1/models?page_size=1",
    )
    with pytest.raises(BackendError) as caught:
        await backend_of(Scripted(lambda _: (401, b'{"message":"no"}'))).probe()
    assert caught.value.kind == "auth"
