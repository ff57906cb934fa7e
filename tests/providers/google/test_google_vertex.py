"""Addresses and credentials: API key, access token, service account."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from headgate_providers.google import GoogleBackend, VertexBackend
from headgate_providers.google import vertex as vertex_module
from headgate_providers.sdk import (
    BackendError,
    Call,
    ChatRequest,
    HttpRequest,
    Message,
    Target,
    Text,
)
from tests.providers.google.expectations import Canned

CHAT = ChatRequest("gemini-2.5-flash", (Message("user", (Text("Hi"),)),))
OK = b'{"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}'


def call(stream: bool = False) -> Call:
    return Call("chat", "openai_chat", {}, CHAT.model, lambda: CHAT, stream)


def vertex(canned: Canned, secret: str | None = "token", **members: Any) -> VertexBackend:
    members = {"options": {"project": "acme"}, **members}
    secrets = {} if secret is None else {"key": secret}
    return VertexBackend(Target("test", CHAT.model, secrets=secrets, **members), canned)


async def sent(backend: GoogleBackend | VertexBackend, stream: bool = False) -> HttpRequest:
    await (await backend.send(call(stream))).aclose()
    canned = backend.transport
    assert isinstance(canned, Canned)
    return canned.requests[-1]


async def test_gemini_address_and_key() -> None:
    backend = GoogleBackend(Target("test", CHAT.model, secrets={"key": "k"}), Canned(OK))
    request = await sent(backend, stream=True)
    assert request.url == (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
        ":streamGenerateContent?alt=sse"
    )
    assert request.headers["x-goog-api-key"] == "k"
    assert "k" not in request.url.split("/")


async def test_gemini_probe_asks_for_the_model() -> None:
    canned = Canned(b'{"name": "models/gemini-2.5-flash"}')
    await GoogleBackend(Target("test", CHAT.model, secrets={"key": "k"}), canned).probe()
    (request,) = canned.requests
    assert (request.method, request.url.rpartition("/v1beta/")[2]) == (
        "GET",
        "models/gemini-2.5-flash",
    )


async def test_probe_tells_what_is_wrong() -> None:
    canned = Canned(b'{"error": {"code": 404, "message": "No such model"}}', 404)
    for backend in (GoogleBackend(Target("test", "m"), canned), vertex(canned)):
        with pytest.raises(BackendError) as raised:
            await backend.probe()
        assert raised.value.kind == "not_found"


@pytest.mark.parametrize(
    ("region", "start"),
    [
        (None, "https://aiplatform.googleapis.com/v1/projects/acme/locations/global/"),
        ("global", "https://aiplatform.googleapis.com/v1/projects/acme/locations/global/"),
        (
            "europe-west4",
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/acme/locations/europe-west4/",
        ),
    ],
)
async def test_vertex_address(region: str | None, start: str) -> None:
    request = await sent(vertex(Canned(OK), region=region))
    assert request.url == f"{start}publishers/google/models/gemini-2.5-flash:generateContent"
    assert request.headers["authorization"] == "Bearer token"


def test_vertex_needs_a_project() -> None:
    with pytest.raises(BackendError) as raised:
        vertex(Canned(OK), options={}).request(call())
    assert "`project`" in raised.value.message


async def test_vertex_tier_is_asked_for_by_header() -> None:
    request = ChatRequest(CHAT.model, CHAT.messages, service_tier="priority")
    made = vertex(Canned(OK)).request(Call("chat", "openai_chat", {}, CHAT.model, lambda: request))
    assert made.headers["x-vertex-ai-llm-shared-request-type"] == "priority"
    assert b"serviceTier" not in made.body


class TokenServer:
    """Google's token endpoint on loopback; `statuses` are what it answers first."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.assertions: list[str] = []
        self.lifetime_s = 3600

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        self.assertions.append(str(form["assertion"]))
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        return web.json_response(
            {"access_token": f"token-{len(self.assertions)}", "expires_in": self.lifetime_s}
        )


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/token", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield server
    await runner.cleanup()


@pytest.fixture(scope="module")
def private_key() -> str:
    jwk = pytest.importorskip("joserfc.jwk", reason="needs the extra `vertex` (joserfc)")
    pem: bytes = jwk.RSAKey.generate_key(2048).as_pem(private=True)
    return pem.decode()


def account(private_key: str, tokens: TokenServer) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "gateway@acme.iam.example",
            "private_key": private_key,
            "private_key_id": "key-1",
            "project_id": "acme-from-key",
            "token_uri": tokens.url,
        }
    )


async def test_service_account_signs_in_once(private_key: str, tokens: TokenServer) -> None:
    backend = vertex(Canned(OK), account(private_key, tokens), options={})
    requests = await asyncio.gather(*(backend.sign(backend.request(call())) for _ in range(5)))
    assert {request.headers["authorization"] for request in requests} == {"Bearer token-1"}
    assert "/projects/acme-from-key/" in requests[0].url
    (assertion,) = tokens.assertions
    header, claims = (_decoded(part) for part in assertion.split(".")[:2])
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert claims["iss"] == "gateway@acme.iam.example"
    assert claims["aud"] == tokens.url
    assert claims["exp"] - claims["iat"] == 3600
    await backend.aclose()


def _decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_signature_is_valid(private_key: str) -> None:
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    from headgate_providers.google.account import ServiceAccount
    from headgate_providers.google.oauth import assertion

    made = assertion(ServiceAccount("a@b", private_key), 1_700_000_000)
    assert jwt.decode(made, RSAKey.import_key(private_key)).claims["iat"] == 1_700_000_000


async def test_token_near_its_end_is_renewed(private_key: str, tokens: TokenServer) -> None:
    tokens.lifetime_s = 200
    backend = vertex(Canned(OK), account(private_key, tokens))
    seen = [(await sent(backend)).headers["authorization"] for _ in range(2)]
    assert seen == ["Bearer token-1", "Bearer token-2"]
    tokens.statuses = [400]
    assert (await sent(backend)).headers["authorization"] == "Bearer token-2"
    await backend.aclose()


async def test_refused_token_is_not_used_again(private_key: str, tokens: TokenServer) -> None:
    canned = Canned(OK)
    backend = vertex(canned, account(private_key, tokens))
    await sent(backend)
    canned.status = 401
    with pytest.raises(BackendError) as raised:
        await backend.send(call())
    assert raised.value.kind == "auth"
    canned.status = 200
    assert (await sent(backend)).headers["authorization"] == "Bearer token-2"
    await backend.aclose()


async def test_token_service_is_asked_again(private_key: str, tokens: TokenServer) -> None:
    tokens.statuses = [503, 500]
    backend = vertex(Canned(OK), account(private_key, tokens))
    assert (await sent(backend)).headers["authorization"] == "Bearer token-3"
    await backend.aclose()


@pytest.mark.parametrize(
    ("statuses", "kind"), [([503, 503, 503], "connect"), ([400], "auth"), ([401], "auth")]
)
async def test_failed_sign_in(
    private_key: str, tokens: TokenServer, statuses: list[int], kind: str
) -> None:
    tokens.statuses = list(statuses)
    backend = vertex(Canned(OK), account(private_key, tokens))
    with pytest.raises(BackendError) as raised:
        await backend.send(call())
    assert raised.value.kind == kind
    assert len(tokens.assertions) == len(statuses)
    await backend.aclose()


async def test_broken_private_key_is_told(private_key: str, tokens: TokenServer) -> None:
    backend = vertex(Canned(OK), account("-----BEGIN nothing-----", tokens))
    with pytest.raises(BackendError) as raised:
        await backend.send(call())
    assert (raised.value.kind, "nothing" in raised.value.message) == ("auth", False)
    await backend.aclose()


async def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(vertex_module, "import_module", missing)
    secret = json.dumps({"client_email": "a@b", "private_key": "k"})
    with pytest.raises(BackendError) as raised:
        await vertex(Canned(OK), secret).send(call())
    assert "headgate-providers[vertex]" in raised.value.message
