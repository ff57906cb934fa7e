"""The glue: addresses, credentials, options, capabilities, what is relayed and what is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import ValidationError

from headgate_providers.catalog import GENERIC, VENDORS, Vendor
from headgate_providers.openai_compat import AzureBackend, OpenAICompatBackend, backend_of
from headgate_providers.openai_compat.address import base_address
from headgate_providers.sdk import (
    BackendError,
    Call,
    ChatRequest,
    EmbeddingRequest,
    HttpRequest,
    Message,
    Raw,
    Request,
    Target,
    Text,
    fold,
)

CHAT = ChatRequest("m", (Message("user", (Text("Hi"),)),))


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.body

    async def read(self, limit: int = 0) -> bytes:
        return self.body

    async def aclose(self) -> None:
        pass


class Wire:
    """A transport that keeps what is sent and gives one answer."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or Answer()
        self.sent: list[HttpRequest] = []

    async def send(self, request: HttpRequest, *, connect_s: float) -> Answer:
        self.sent.append(request)
        return self.answer

    async def aclose(self) -> None:
        pass


def backend(
    vendor: str | Vendor = "openai", *, wire: Wire | None = None, **members: Any
) -> OpenAICompatBackend:
    row = VENDORS[vendor] if isinstance(vendor, str) else vendor
    members.setdefault("secrets", {"key": "K"})
    target = Target("d", "m", **members)
    return backend_of(row)(target, wire or Wire(), vendor=row)


def call(request: Request = CHAT, **members: Any) -> Call:
    members.setdefault("dialect", "openai_chat")
    operation = "embeddings" if isinstance(request, EmbeddingRequest) else "chat"
    members.setdefault("operation", operation)
    return Call(**{"body": {"model": "theirs"}, "model": "m", "decode": lambda: request, **members})


def body_of(request: HttpRequest) -> Any:
    return json.loads(request.body)


# Addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "url", "address"),
    [
        ("openai", None, "https://api.openai.com/v1"),
        ("openai", "https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
        ("deepseek", None, "https://api.deepseek.com"),
        ("vllm", "http://10.0.0.1:8000", "http://10.0.0.1:8000/v1"),
        ("vllm", "http://10.0.0.1:8000/", "http://10.0.0.1:8000/v1"),
        ("vllm", "http://10.0.0.1:8000/llm/v1", "http://10.0.0.1:8000/llm/v1"),
        ("alibaba", "https://dashscope.aliyuncs.com", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
    ],
)  # fmt: skip
def test_base_addresses(vendor: str, url: str | None, address: str) -> None:
    assert base_address(VENDORS[vendor], url) == address


def test_an_address_is_needed() -> None:
    with pytest.raises(ValueError, match="'openai_compat' has no usual address"):
        OpenAICompatBackend(Target("d", "m"), Wire())


@pytest.mark.parametrize(
    ("vendor", "dialect", "url"),
    [
        ("openai", "openai_responses", "https://api.openai.com/v1/responses"),
        ("openrouter", "anthropic_messages", "https://openrouter.ai/api/v1/messages"),
        ("deepseek", "anthropic_messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("perplexity", "openai_embeddings", "https://api.perplexity.ai/v1/embeddings"),
        ("groq", "models", "https://api.groq.com/openai/v1/models"),
        ("voyage", "models", None),
    ],
)
def test_places(vendor: str, dialect: str, url: str | None) -> None:
    assert backend(vendor).address(dialect) == url


RESOURCE = "https://r.openai.azure.com"


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "/openai/v1/chat/completions"),
        ({"api": "v1", "api_version": "preview"},
         "/openai/v1/chat/completions?api-version=preview"),
        ({"api_version": "2025-01-01-preview"},
         "/openai/deployments/m/chat/completions?api-version=2025-01-01-preview"),
        ({"api": "deployments"},
         "/openai/deployments/m/chat/completions?api-version=2024-10-21"),
        ({"api": "models"}, "/models/chat/completions?api-version=2024-05-01-preview"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("url", [RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/openai/v1"])
def test_azure_has_three_surfaces(options: dict[str, str], place: str, url: str) -> None:
    azure = backend("azure", url=url, options=options)
    assert azure.address("openai_chat") == RESOURCE + place


def test_azure_surfaces_speak_different_dialects() -> None:
    def spoken(**options: str) -> set[str]:
        return set(backend("azure", url=RESOURCE, options=options).capabilities.dialects)

    assert "openai_responses" in spoken()
    assert "openai_responses" not in spoken(api="deployments")
    assert spoken(api="models") == {"openai_chat", "openai_embeddings"}


def test_azure_credentials() -> None:
    azure = backend("azure", url=RESOURCE)
    assert azure.relay(call()).headers["api-key"] == "K"
    entra = backend("azure", url=RESOURCE, secrets={"token": "T"})
    assert entra.relay(call()).headers["authorization"] == "Bearer T"
    assert "api-key" not in entra.relay(call()).headers


@pytest.mark.parametrize(("version", "asked"), [("2024-02-01", False), ("2024-10-21", True)])
def test_azure_of_old_refuses_stream_options(version: str, asked: bool) -> None:
    azure = backend("azure", url=RESOURCE, options={"api_version": version})
    assert ("stream_options" in body_of(azure.relay(call(stream=True)))) is asked


# Requests ---------------------------------------------------------------------------------------


def test_headers() -> None:
    wanted = {"OpenAI-Beta": "x", "anthropic-version": "2026-10-21"}
    secret = {"authorization": "Bearer client", "cookie": "c", "x-api-key": "k", "host": "h"}
    options = {"headers": {"OpenAI-Organization": "org"}}
    headers = backend(options=options).relay(call(headers={**wanted, **secret})).headers
    assert headers == {
        "content-type": "application/json",
        "user-agent": "headgate",
        "authorization": "Bearer K",
        "openai-organization": "org",
        "openai-beta": "x",
        "anthropic-version": "2026-10-21",
    }
    assert "authorization" not in backend("vllm", url="http://h", secrets={}).relay(call()).headers


def test_a_relayed_body_keeps_what_we_do_not_know() -> None:
    body = {"model": "theirs", "messages": [], "future": {"x": [1, None]}, "stream": True,
            "stream_options": {"include_obfuscation": False}}  # fmt: skip
    before = json.dumps(body)
    sent = body_of(backend().relay(call(body=body, stream=True)))
    assert sent == {
        **body,
        "model": "m",
        "stream_options": {"include_obfuscation": False, "include_usage": True},
    }
    assert json.dumps(body) == before


@pytest.mark.parametrize("dialect", ["openai_responses", "anthropic_messages", "openai_embeddings"])
def test_usage_is_asked_for_only_where_it_must_be(dialect: str) -> None:
    sent = body_of(backend("vllm", url="http://h").relay(call(dialect=dialect, stream=True)))
    assert "stream_options" not in sent


def test_options() -> None:
    generic = OpenAICompatBackend(
        Target(
            "d",
            "m",
            "http://h",
            options={
                "defaults": {"temperature": 0, "provider": {"order": ["x"]}},
                "dialects": ["openai_chat", "openai_responses"],
                "stream_options": False,
            },
        ),
        Wire(),
    )
    sent = body_of(generic.relay(call(body={"temperature": 1}, stream=True)))
    assert sent == {"temperature": 1, "model": "m", "provider": {"order": ["x"]}}
    assert generic.capabilities.dialects == {"openai_chat", "openai_responses"}
    assert generic.capabilities.operations == {"chat", "completion"}
    with pytest.raises(ValidationError, match="defualts"):
        backend(options={"defualts": {}})


def test_a_completion_goes_to_its_endpoint_or_becomes_a_chat() -> None:
    asked = call(operation="completion", dialect="openai_completions")
    request = backend("vllm", url="http://h").request(asked)
    assert request.url == "http://h/v1/completions"
    assert body_of(request) == {"model": "m", "prompt": "Hi"}
    request = backend("groq").request(asked)
    assert request.url.endswith("/chat/completions")
    assert body_of(request)["messages"] == [{"role": "user", "content": "Hi"}]


def test_embeddings() -> None:
    asked = call(EmbeddingRequest("m", ("a", [1, 2]), dimensions=3), dialect="openai_embeddings")
    request = backend().request(asked)
    assert body_of(request) == {"model": "m", "input": ["a", [1, 2]], "dimensions": 3}
    with pytest.raises(BackendError, match="token_ids"):
        backend("mistral").request(asked)


def test_who_only_embeds_does_not_chat() -> None:
    with pytest.raises(BackendError) as refused:
        backend("voyage").request(call())
    assert refused.value.kind == "unsupported"


def test_a_missing_feature_is_refused() -> None:
    with pytest.raises(BackendError, match="seed"):
        backend("perplexity").request(call(replace(CHAT, seed=1)))


async def test_relayed_or_translated() -> None:
    reply = b'{"id":"c","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'
    wire = Wire(Answer(body=reply))
    relayed = await backend(wire=wire).send(call())
    assert relayed.relayed
    events = [event async for batch in relayed for event in batch]
    assert [event.data for event in events if isinstance(event, Raw)] == [reply]
    translated = await backend(wire=wire).send(call(relayable=False))
    assert fold([e async for batch in translated for e in batch]).choices[0].text == "a"
    foreign = await backend(wire=wire).send(call(dialect="anthropic_messages"))
    assert not foreign.relayed
    assert body_of(wire.sent[0]) == {"model": "m"}
    assert body_of(wire.sent[1])["messages"] == body_of(wire.sent[2])["messages"]


# Probe and counting -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_a_server_that_answers_is_there(status: int) -> None:
    wire = Wire(Answer(status))
    await backend("openai", wire=wire).probe()
    assert [(r.method, r.url) for r in wire.sent] == [("GET", "https://api.openai.com/v1/models")]


@pytest.mark.parametrize(("status", "kind"), [(401, "auth"), (500, "http_5xx")])
async def test_a_server_that_refuses_is_not(status: int, kind: str) -> None:
    with pytest.raises(BackendError) as refused:
        await backend("openai", wire=Wire(Answer(status))).probe()
    assert refused.value.kind == kind


async def test_who_has_no_list_of_models_is_not_asked() -> None:
    wire = Wire()
    await backend("voyage", wire=wire).probe()
    assert not wire.sent


async def test_counting() -> None:
    wire = Wire(Answer(body=b'{"input_tokens": 12}'))
    asked = call(dialect="anthropic_messages", body={"model": "theirs", "messages": []})
    assert await backend("llamacpp", wire=wire).count_tokens(asked) == 12
    assert wire.sent[0].url.endswith("/v1/messages/count_tokens")
    assert body_of(wire.sent[0]) == {"model": "m", "messages": []}
    assert await backend("llamacpp", wire=wire).count_tokens(call()) is None
    assert await backend("openai", wire=wire).count_tokens(asked) is None
    assert await backend("llamacpp", wire=Wire(Answer(body=b"?"))).count_tokens(asked) is None


def test_the_generic_backend_needs_no_row() -> None:
    generic = OpenAICompatBackend(Target("d", "m", "http://h"), Wire())
    assert generic.vendor is GENERIC
    assert isinstance(backend("azure", url=RESOURCE), AzureBackend)
