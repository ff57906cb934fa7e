"""The gateway in front of real model servers: llama.cpp's own, and TGI's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient

from tests.gateway_process import GatewayProcess, running_gateway
from tests.model_server.servers import model_server, needs_model_server, tgi_server

pytestmark = [needs_model_server, pytest.mark.server]

KEY = "model-server-credential-canary"
ASK = [{"role": "user", "content": "The name of"}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def configuration(llama: str, tgi: str, embedder: str) -> str:
    return f"""\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: llama, provider: llamacpp, model: tiny, url: {llama}/v1, secret: env:MODEL_KEY,
       price: {{in: 1, out: 2}}}}
    - {{name: tgi, provider: tgi, model: tiny-tgi, url: {tgi}, price: {{in: 1, out: 2}}}}
    - {{name: embedder, provider: llamacpp, model: tiny-embed, url: {embedder}/v1}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: assistant
      match: {{model: assistant}}
      tiers: [{{select: {{deployment: llama}}}}, {{select: {{deployment: tgi}}}}]
      otherwise: {{reject: 503, code: no_capacity}}
"""


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with model_server(key=KEY, name="tiny") as url:
        yield url


@pytest.fixture(scope="module")
def tgi() -> Iterator[str]:
    with tgi_server(name="tiny-tgi") as url:
        yield url


@pytest.fixture(scope="module")
def gateway(
    llama: str, tgi: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with (
        model_server(embeddings=True, name="tiny-embed") as embedder,
        running_gateway(
            configuration(llama, tgi, embedder),
            tmp_path_factory.mktemp("models"),
            {"MODEL_KEY": KEY},
        ) as process,
    ):
        yield process


SURFACES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": ASK, "max_tokens": 12},
    "/v1/completions": {"prompt": "The name of", "max_tokens": 12},
    "/v1/responses": {"input": "The name of", "max_output_tokens": 12},
    "/v1/messages": {"messages": ASK, "max_tokens": 12},
}
ENDS = {"/v1/responses": "response.completed", "/v1/messages": "message_stop"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["tiny", "tiny-tgi"])
@pytest.mark.parametrize("path", SURFACES)
def test_every_surface(gateway: GatewayProcess, path: str, model: str, stream: bool) -> None:
    body = {"model": model, "stream": stream, **SURFACES[path]}
    with gateway.client() as client:
        reply = client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    if stream:
        last = [line for line in reply.text.splitlines() if line.startswith("data: ")][-1]
        ended = "incomplete" in last or ENDS.get(path, "[DONE]") in last
        assert ended, last
    (attempt,) = gateway.attempt_rows(reply.headers["x-headgate-decision"])
    assert (attempt["outcome"], attempt["usage_source"]) == ("ok", "vendor")
    assert attempt["input_tokens"] > 0
    assert 0 < attempt["output_tokens"] <= 12
    assert attempt["first_token_s"] is not None


def test_the_bytes_are_the_servers(gateway: GatewayProcess) -> None:
    """llama.cpp's own members arrive: nothing was translated."""
    body = {"model": "tiny", "messages": ASK, "max_tokens": 5, "cache_prompt": False}
    with gateway.client() as client:
        reply = client.post("/v1/chat/completions", json=body).json()
    assert reply["timings"]["predicted_n"] > 0


@pytest.mark.parametrize("model", ["tiny", "tiny-tgi"])
def test_a_grammar_is_kept(gateway: GatewayProcess, model: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    body = {"model": model, "messages": ASK, "max_tokens": 100, "response_format": form, "seed": 3}
    with gateway.client() as client:
        reply = client.post("/v1/chat/completions", json=body)
    content = reply.json()["choices"][0]["message"]["content"]
    assert content.lstrip().startswith("{")
    if reply.json()["choices"][0]["finish_reason"] == "stop":
        assert isinstance(json.loads(content)["n"], int)


@pytest.mark.parametrize("model", ["tiny", "tiny-tgi"])
async def test_through_huggingface_hub(gateway: GatewayProcess, model: str) -> None:
    async with AsyncInferenceClient(base_url=f"{gateway.url}/v1", api_key=gateway.admin_key) as hub:
        reply = await hub.chat_completion(ASK, model=model, max_tokens=12)
        stream = await hub.chat_completion(ASK, model=model, max_tokens=12, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert reply.choices[0].message.content
    assert reply.usage.completion_tokens <= 12
    assert "".join(texts)
    assert len(texts) > 2


def test_count_tokens_is_the_servers_own(gateway: GatewayProcess, llama: str) -> None:
    body = {"model": "tiny", "messages": ASK}
    with gateway.client() as client:
        counted = client.post("/v1/messages/count_tokens", json=body).json()
    own = httpx.post(
        f"{llama}/v1/messages/count_tokens", json=body, headers={"authorization": f"Bearer {KEY}"}
    )
    assert counted == own.json()


def test_embeddings(gateway: GatewayProcess) -> None:
    with gateway.client() as client:
        for encoding in ("float", "base64"):
            body = {"model": "tiny-embed", "input": ["one", "two"], "encoding_format": encoding}
            reply = client.post("/v1/embeddings", json=body)
            assert reply.status_code == 200, reply.text
            assert len(reply.json()["data"]) == 2


def test_the_servers_own_refusals(gateway: GatewayProcess) -> None:
    long = [{"role": "user", "content": "name " * 6000}]
    with gateway.client() as client:
        reply = client.post("/v1/chat/completions", json={"model": "tiny", "messages": long})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["code"] == "context_length_exceeded"


def test_the_next_server_takes_over_when_one_is_stopped(
    tgi: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = {"model": "assistant", "messages": ASK, "max_tokens": 8, "stream": True}
    environ = {"MODEL_KEY": KEY}
    with ExitStack() as running:
        first = running.enter_context(model_server(key=KEY, name="tiny"))
        config = configuration(first, tgi, tgi)
        with (
            running_gateway(config, tmp_path_factory.mktemp("stopped"), environ) as gateway,
            gateway.client() as client,
        ):
            reply = client.post("/v1/chat/completions", json=body)
            assert reply.headers["x-headgate-deployment"] == "llama"
            running.close()
            reply = client.post("/v1/chat/completions", json=body)
            assert reply.headers["x-headgate-deployment"] == "tgi"
            assert reply.headers["x-headgate-attempts"] == "2"
            assert "[DONE]" in reply.text
