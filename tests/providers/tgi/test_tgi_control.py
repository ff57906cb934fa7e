"""The control plane against a scripted server: what is asked, kept, tried again, and told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from headgate_providers.sdk import AiohttpTransport, BackendError, Target
from headgate_providers.tgi import TgiBackend

pytest.importorskip("huggingface_hub", reason="the extra `tgi` is not installed")
pytest.importorskip("aiocache", reason="the extra `tgi` is not installed")

INFO = {"model_id": "m", "max_input_tokens": 10, "max_total_tokens": 20, "version": "3.3.7"}


class Script:
    """What the server answers, in turn (the last for ever), and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = [(200, INFO)]
        self.asked: list[tuple[str, str | None]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("authorization")))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def url(script: Script) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", script.answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def backend(url: str) -> AsyncIterator[TgiBackend]:
    made = TgiBackend(Target("own", "tgi", url), AiohttpTransport())
    yield made
    await made.aclose()


async def test_info_is_kept(backend: TgiBackend, script: Script) -> None:
    first, second = await backend.info(), await backend.info()
    assert first is second
    assert (first.model_id, first.version) == ("m", "3.3.7")
    assert (first.max_input_tokens, first.max_total_tokens) == (10, 20)
    assert [path for path, _ in script.asked] == ["/info"]


async def test_info_of_an_older_server(backend: TgiBackend, script: Script) -> None:
    script.answers = [(200, {"model_id": "m", "max_input_length": 7})]
    info = await backend.info()
    assert (info.max_input_tokens, info.max_total_tokens, info.version) == (7, None, None)


async def test_health_is_asked_every_time(backend: TgiBackend, script: Script) -> None:
    await backend.probe()
    await backend.probe()
    assert [path for path, _ in script.asked] == ["/health", "/health"]


async def test_passing_failures_are_tried_again(backend: TgiBackend, script: Script) -> None:
    script.answers = [(502, {}), (429, {"error": "Model is overloaded"}), (200, INFO)]
    assert (await backend.info()).model_id == "m"
    assert len(script.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "asked"),
    [
        (401, {}, "auth", 1),
        (404, {}, "not_found", 1),
        (503, {"error": "unhealthy", "error_type": "healthcheck"}, "overloaded", 3),
        (200, {"no": "model"}, "malformed", 1),
    ],
)
async def test_failures(
    backend: TgiBackend, script: Script, url: str, status: int, body: Any, kind: str, asked: int
) -> None:
    script.answers = [(status, body)]
    with pytest.raises(BackendError) as failed:
        await backend.info()
    assert failed.value.kind == kind
    assert url not in failed.value.message
    assert len(script.asked) == asked


@pytest.mark.parametrize(
    ("health", "info", "kind"),
    [(503, 200, "overloaded"), (401, 401, "auth"), (404, 404, "not_found")],
)
async def test_unhealthy(
    backend: TgiBackend, script: Script, health: int, info: int, kind: str
) -> None:
    script.answers = [(health, {}), (info, INFO)]
    with pytest.raises(BackendError) as failed:
        await backend.probe()
    assert failed.value.kind == kind


async def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    backend = TgiBackend(Target("own", "tgi", url), AiohttpTransport())
    try:
        with pytest.raises(BackendError) as failed:
            await backend.probe()
    finally:
        await backend.aclose()
    assert failed.value.kind == "connect"
    assert url not in failed.value.message


async def test_the_deployments_secret_is_sent(script: Script, url: str) -> None:
    backend = TgiBackend(Target("own", "tgi", url, {"key": "hush"}), AiohttpTransport())
    await backend.info()
    await backend.probe()
    await backend.aclose()
    assert {credential for _, credential in script.asked} == {"Bearer hush"}


async def test_the_machines_own_token_is_not_sent(
    backend: TgiBackend, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_saved_on_this_machine")
    await backend.info()
    await backend.probe()
    assert {credential for _, credential in script.asked} == {None}


async def test_offline_mode_is_explained(
    backend: TgiBackend, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackendError, match="HF_HUB_OFFLINE"):
        await backend.probe()
    assert script.asked == []
