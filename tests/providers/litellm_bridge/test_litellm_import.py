"""litellm is imported late, quietly, once, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from headgate_providers.litellm_bridge import LitellmBackend
from headgate_providers.litellm_bridge import backend as bridge
from headgate_providers.litellm_bridge.library import installed
from headgate_providers.registry import ProviderError, resolve
from headgate_providers.sdk import AiohttpTransport, Target

needs_litellm = pytest.mark.skipif(
    not installed(), reason="litellm is not installed: uv sync --all-extras"
)

EVERYBODY_ELSE = """
import sys
from headgate_providers.catalog import VENDORS
from headgate_providers.registry import installed, resolve
from headgate_providers.sdk import AiohttpTransport, Target

secrets = {"key": "K"}
for row in installed():
    factory = resolve(row.name)
    if row.name == "litellm":
        continue
    options = {"project": "p"} if row.name == "vertex" else {}
    target = Target(row.name, "m", "http://127.0.0.1:1", secrets, "eu-west-1", options=options)
    factory(target, AiohttpTransport())
print(len(installed()), "litellm" in sys.modules)
"""

QUIET = """
import asyncio, os, socket, sys

def forbidden(*arguments, **named):
    raise AssertionError(f"the import reaches for the network: {arguments}")

socket.getaddrinfo = socket.create_connection = socket.socket.connect = forbidden
from headgate_providers.litellm_bridge.library import library

async def main():
    user, turns = object(), 0
    loading = asyncio.create_task(library().load(user))
    while not loading.done():
        turns += 1
        await asyncio.sleep(0.01)
    litellm = await loading
    assert litellm.drop_params is False
    assert not litellm.callbacks and not litellm.success_callback
    await library().release(user)
    await library().release(user)
    return turns

turns = asyncio.run(main())
print("the event loop turned", turns > 10, os.environ.get("PLANTED"))
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=folder, timeout=300, check=False,
    )  # fmt: skip


def test_nobody_else_imports_it(tmp_path: Path) -> None:
    done = run(EVERYBODY_ELSE, tmp_path)
    assert done.returncode == 0, done.stderr
    count, imported = done.stdout.split()
    assert int(count) > 25
    assert imported == "False"


@needs_litellm
def test_the_import_is_quiet_and_off_the_event_loop(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLANTED=1\n")
    done = run(QUIET, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the event loop turned True None\n"
    assert done.stderr == ""


@needs_litellm
def test_making_a_backend_imports_nothing(tmp_path: Path) -> None:
    code = """
import sys
from headgate_providers.litellm_bridge import LitellmBackend
from headgate_providers.sdk import AiohttpTransport, Target
LitellmBackend(Target("a", "vendor/model"), AiohttpTransport())
print("litellm" in sys.modules)
"""
    assert run(code, tmp_path).stdout == "False\n"


def test_without_litellm_a_deployment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "installed", lambda: False)
    with pytest.raises(ValueError, match=r"install headgate-providers\[litellm\]"):
        LitellmBackend(Target("a", "vendor/model"), AiohttpTransport())


@needs_litellm
def test_it_is_reached_through_the_registry() -> None:
    try:
        factory = resolve("litellm")
    except ProviderError as error:
        pytest.fail(str(error))
    assert factory.options is bridge.LitellmOptions
    backend = factory(Target("a", "vendor/model"), AiohttpTransport())
    asyncio.run(backend.aclose())


@pytest.mark.parametrize("name", ["num_retries", "fallbacks", "mock_response", "api_key", "model"])
def test_decisions_of_the_gateway_cannot_be_taken_by_arguments(name: str) -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        bridge.LitellmOptions.model_validate({"arguments": {name: "x"}})
