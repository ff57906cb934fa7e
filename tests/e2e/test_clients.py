"""The official clients against a running gateway, each in an environment of its own.

What each does is in its script, `clients/NAME/client.*`; it runs once, and each of its steps is a
test here. `make clients` makes the environments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.gateway_process import running_gateway

SCRIPTS = Path(__file__).parent / "clients"
ENVIRONMENTS = Path(__file__).parents[2] / ".cache/clients"
SCRIPT_S = 240.0

CONFIG = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {name: sim, provider: simulated, model: sim, price: {in: 1, out: 2}}
    - {name: claude-sim, provider: simulated, model: claude-sim, price: {in: 1, out: 2}}
    - {name: limited, provider: simulated, model: limited, options: {fail: rate_limited}}
    - name: overflowing
      provider: simulated
      model: overflowing
      options: {fail: context_overflow}
    - {name: failing, provider: simulated, model: failing, options: {fail: http_5xx}}
    - {name: flaky, provider: simulated, model: flaky, options: {fail: http_5xx, fail_every: 2}}
    - name: breaking
      provider: simulated
      model: breaking
      options: {fail: http_5xx, fail_after_tokens: 3, per_token_ms: 20}
"""


def steps_of(script: Path) -> list[str]:
    """The steps that a script names in its call of `run`."""
    text = script.read_text()
    if script.suffix == ".mjs":
        return re.findall(r"^  async (\w+)\(\)", text, re.MULTILINE)
    (names,) = re.findall(r"^    run\(([\w\s,]+)\)", text, re.MULTILINE)
    return re.findall(r"\w+", names)


STEPS = [
    (script.parent.name, step)
    for script in sorted(SCRIPTS.glob("*/client.*"))
    for step in steps_of(script)
]


def missing(name: str) -> str | None:
    """Why the client cannot run here; `None` if it can."""
    folder, environment = SCRIPTS / name, ENVIRONMENTS / name
    pins = next(p for p in (folder / "requirements.txt", folder / "package.json") if p.is_file())
    installed = environment / "installed"
    if pins.name == "package.json" and shutil.which("node") is None:
        return f"the client {name} needs Node.js 20 or newer, and then `make clients`"
    if not installed.is_file() or installed.read_text() != pins.read_text():
        return f"the client {name} is not installed as pinned: `make clients` does it"
    return None


def command_of(name: str) -> list[str]:
    """Node looks for packages beside the script, so there it is copied."""
    environment = ENVIRONMENTS / name
    if (SCRIPTS / name / "requirements.txt").is_file():
        return [str(environment / "bin/python"), str(SCRIPTS / name / "client.py")]
    for script in (SCRIPTS / "steps.mjs", SCRIPTS / name / "client.mjs"):
        shutil.copy(script, environment)
    return ["node", str(environment / "client.mjs")]


@dataclass(frozen=True)
class Ran:
    """What became of a client's steps (the error of each, or `None`), and the gateway's output."""

    errors: dict[str, str | None]
    gateway_output: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Runs a client's script once, with a gateway of its own."""

    @cache
    def run(name: str) -> Ran:
        home = tmp_path_factory.mktemp(name)
        with running_gateway(CONFIG, home / "gateway") as gateway:
            environ = {
                "HEADGATE_URL": gateway.url,
                "HEADGATE_KEY": gateway.admin_key,
                "PYTHONPATH": str(SCRIPTS),
                "PATH": os.environ["PATH"],
                "HOME": str(home),
            }
            done = subprocess.run(
                command_of(name),
                capture_output=True, text=True, env=environ, cwd=home,
                timeout=SCRIPT_S, check=False,
            )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step')]
        assert lines, done.stderr
        return Ran({line["step"]: line["error"] for line in lines}, gateway.output())

    return run


@pytest.mark.server
@pytest.mark.parametrize(("name", "step"), STEPS, ids=[f"{name}-{step}" for name, step in STEPS])
def test_client(ran: Callable[[str], Ran], name: str, step: str) -> None:
    if (reason := missing(name)) is not None:
        pytest.skip(reason)
    error = ran(name).errors[step]
    assert error is None, error
    assert "Traceback" not in ran(name).gateway_output


def test_every_client_has_a_script_and_pins() -> None:
    folders = {path.name for path in SCRIPTS.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == {name for name, _ in STEPS}
    for name in folders:
        pins = (SCRIPTS / name / "requirements.txt", SCRIPTS / name / "package.json")
        assert sum(path.is_file() for path in pins) == 1
