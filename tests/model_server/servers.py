"""Real model servers for tests: each in a process of its own on a free port of loopback."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest

from tests.model_server.names import NAME

__all__ = ["NAME", "model_server", "needs_model_server", "tgi_server"]

ROOT = Path(__file__).parents[2]
STOP_S = 10.0

_missing = [name for name in ("xllamacpp", "gguf", "tokenizers", "numpy") if not find_spec(name)]

needs_model_server = pytest.mark.skipif(
    bool(_missing),
    reason=f"a real model server needs {', '.join(_missing)}: "
    "uv sync --group model-server --all-extras",
)


@contextmanager
def model_server(
    *, name: str = NAME, key: str | None = None, embeddings: bool = False
) -> Iterator[str]:
    """A llama.cpp server; yields its base address, without `/v1`.

    Chat, completions, responses and messages, or `embeddings` alone. `key` is asked for if given.
    """
    with _running(name, key, *(["--embeddings"] if embeddings else [])) as url:
        yield url


@contextmanager
def tgi_server(
    *, name: str = NAME, key: str | None = None, concurrent_requests_max: int = 128
) -> Iterator[str]:
    """A server with TGI's API; yields its base address. More requests at once are refused."""
    limit = ["--max-concurrent-requests", str(concurrent_requests_max)]
    with _running(name, key, "--tgi", *limit) as url:
        yield url


@contextmanager
def _running(name: str, key: str | None, *arguments: str) -> Iterator[str]:
    """The process ends with this block, and with this process however that ends."""
    command = [sys.executable, "-m", "tests.model_server", "--until-stdin-ends", "--name", name]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *(["--key", key] if key else []), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.communicate(timeout=STOP_S)


def _address(process: subprocess.Popen[str], log: IO[bytes]) -> str:
    """The address that the process prints when it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return found.group().rstrip("/")
    log.seek(0)
    raise RuntimeError(f"the model server did not start: {log.read().decode()[-2000:]}")
