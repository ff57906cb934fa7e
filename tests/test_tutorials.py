"""A documented command is a tested command: the tutorials build packages that work."""

from __future__ import annotations

import json
import re

import pytest

from headgate_providers.sdk.testing import BackendConformance
from tests.tutorials import Package, commands, files, installed

SERVED = """
import asyncio
from headgate_providers.registry import resolve
from headgate_providers.sdk import AiohttpTransport, Call, ChatRequest, Message, Target, Text, fold
from headgate_providers.sdk.testing import Exchange, Script, ScriptedUpstream

async def main():
    request = ChatRequest("grey", (Message("user", (Text("Hello"),)),))
    call = Call("chat", "openai_chat", {}, "grey", lambda: request)
    async with ScriptedUpstream() as upstream:
        end = {"end": "done", "used": {"in": 1, "out": 1}}
        upstream.script = Script(Exchange.json({"words": "Hello", **end}))
        transport = AiohttpTransport()
        backend = resolve("parrot")(Target("polly", "grey", upstream.url), transport)
        reply = await backend.send(call)
        events = [event async for batch in reply for event in batch]
        await reply.aclose()
        await transport.aclose()
    print(fold(events).choices[0].text)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return installed("backends.md", tmp_path_factory.mktemp("parrot"))


@pytest.fixture(scope="module")
def codenames(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return installed("plugins.md", tmp_path_factory.mktemp("codenames"))


@pytest.mark.parametrize("command", commands("backends.md")[1:])
def test_commands_of_the_backend_tutorial(parrot: Package, command: str) -> None:
    done = parrot.run(command, PARROT_API_KEY="K")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_backend_is_found_through_its_entry_point(parrot: Package) -> None:
    listed = json.loads(parrot.run("headgate providers list --json").stdout)
    row = next(row for row in listed if row["provider"] == "parrot")
    assert (row["source"], row["package"]) == ("entry point", "headgate-parrot")
    (parrot.folder / "served.py").write_text(SERVED)
    done = parrot.run("python served.py")
    assert done.stdout == "Hello\n", done.stderr


def test_most_checks_run_on_the_backend(parrot: Package) -> None:
    done = parrot.run("pytest test_parrot.py")
    checks = [name for name in dir(BackendConformance) if name.startswith("test_")]
    summary = re.findall(r"(\d+) (passed|skipped)", done.stdout)
    counts = {word: int(number) for number, word in summary}
    assert counts["passed"] + counts["skipped"] == len(checks)
    assert counts["passed"] > 20


@pytest.mark.parametrize("command", commands("plugins.md")[1:])
def test_commands_of_the_plugin_tutorial(codenames: Package, command: str) -> None:
    done = codenames.run(command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_in_the_plugins_options_is_found(codenames: Package) -> None:
    path = codenames.folder / "wrong.yaml"
    path.write_text((codenames.folder / "codenames.yaml").read_text().replace("names:", "name:"))
    done = codenames.run(f"headgate check {path.name}")
    assert done.returncode == 1
    assert "did you mean `names`" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("page", "test", "lines_max"),
    [("backends.md", "test_parrot.py", 18), ("plugins.md", "test_codenames.py", 10)],
)
def test_a_conformance_test_is_short(page: str, test: str, lines_max: int) -> None:
    lines = [line for line in files(page)[test].splitlines() if line.strip()]
    assert len(lines) <= lines_max
