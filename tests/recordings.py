"""Recorded vendor traffic, where the folder with it is present, and what each recording must give.

`Outcome` is the common measure: what a reply says, whoever reads it. Each backend's tests read the
expected outcome from the recording's own bytes with few lines of their own (never with the
product's code) and compare it with what the product made of the same bytes.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from headgate_providers.sdk import BackendError, Event, fold

ROOT = Path(os.environ.get("HEADGATE_RECORDINGS", Path(__file__).parents[2] / "shared/recordings"))

needs_recordings = pytest.mark.skipif(
    not (ROOT / "INDEX.json").is_file(),
    reason="the recorded vendor traffic is not here: set HEADGATE_RECORDINGS to its folder",
)


@dataclass(frozen=True)
class Recording:
    """One exchange; `body` is the recorded request, `reply` the raw bytes of the answer."""

    vendor: str
    name: str
    operation: str
    streaming: bool
    tags: frozenset[str]
    method: str
    path: str
    query: dict[str, Any]
    body: Any
    status: int
    headers: dict[str, str]
    reply: bytes = field(repr=False)
    usage: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.vendor}/{self.name}"


@cache
def index() -> tuple[dict[str, Any], ...]:
    """The rows of the index; empty where the folder is absent."""
    path = ROOT / "INDEX.json"
    return tuple(json.loads(path.read_text())) if path.is_file() else ()


@cache
def load(vendor: str, name: str) -> Recording:
    raw = json.loads((ROOT / vendor / f"{name}.json").read_text())
    request, response = raw["request"], raw["response"]
    if "body_base64" in response:
        reply = base64.b64decode(response["body_base64"])
    else:
        reply = response.get("body_text", "").encode()
    return Recording(
        vendor=raw["vendor"],
        name=raw["name"],
        operation=raw["operation"],
        streaming=bool(raw["streaming"]),
        tags=frozenset(raw["tags"]),
        method=request["method"],
        path=request["path"],
        query=request.get("query") or {},
        body=request.get("body"),
        status=response["status"],
        headers=response["headers"],
        reply=reply,
        usage=raw.get("usage_expected"),
    )


def select(vendor: str, *operations: str) -> list[Recording]:
    """The recordings of a vendor, for `pytest.mark.parametrize`; [] where there are none."""
    return [
        load(vendor, row["name"])
        for row in index()
        if row["vendor"] == vendor and (not operations or row["operation"] in operations)
    ]


@dataclass
class Outcome:
    """What a reply says. `tool_calls` are (name, decoded arguments); `usage` (input, output)."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    usage: tuple[int, int] | None = None
    vectors: int = 0
    error: bool = False


def observed(events: Iterable[Event]) -> Outcome:
    """The outcome of a translated reply, first choice only."""
    reply = fold(events)
    outcome = Outcome(vectors=len(reply.vectors), error=reply.error is not None)
    if reply.usage is not None:
        outcome.usage = (reply.usage.input_tokens, reply.usage.output_tokens)
    if reply.choices:
        choice = reply.choices[0]
        outcome.text = choice.text
        outcome.reasoning = "".join(block.text for block in choice.reasoning)
        outcome.tool_calls = [(call.name, decoded(call.arguments)) for call in choice.tool_calls]
        outcome.finish = choice.finish.reason if choice.finish else None
    return outcome


def decoded(arguments: str) -> Any:
    """Tool arguments as data; text that is no JSON stays text."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def refused(error: BackendError) -> Outcome:
    """The outcome of an error reply."""
    assert error.message
    return Outcome(error=True)


@contextmanager
def replay_server(*arguments: str) -> Iterator[str]:
    """The recordings' own replay server on a free port; yields its base address.

    `{base}/{vendor}/@{name}` answers with exactly that recording; `{base}/_received` lists what
    arrived.
    """
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "replay.py"), "--port", str(port), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{base}/_health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
