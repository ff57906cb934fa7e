"""Driving a server with wrk: closed loop, so many connections for so long."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOW_TO_GET_IT = "wrk is not installed (`apt-get install wrk`)"

_SCRIPT = """\
wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"

function done(summary, latency, requests)
  io.write(string.format("BENCH requests=%d errors=%d p50_us=%d p99_us=%d\\n",
    summary.requests,
    summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.status + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
_RESULT = re.compile(r"^BENCH requests=(\d+) errors=(\d+) p50_us=(\d+) p99_us=(\d+)$", re.M)


@dataclass(frozen=True)
class Drive:
    """What a run of wrk came to; latencies are those of a saturated server."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float


def available() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


def write_script(path: Path, body: bytes, key: str) -> None:
    """The Lua script that makes wrk post `body`."""
    path.write_text(_SCRIPT.format(body=body.decode(), key=key))


def result_of(output: str) -> Drive:
    """The line that our script prints; raises `ValueError` without it."""
    found = _RESULT.search(output)
    if found is None:
        raise ValueError(f"wrk printed no result: {output.strip()[-300:]}")
    requests, errors, p50_us, p99_us = (int(group) for group in found.groups())
    return Drive(requests, errors, p50_us / 1000, p99_us / 1000)


def drive(port: int, connections: int, duration_s: int, script: Path, on: frozenset[int]) -> Drive:
    """Load a server."""
    run = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "20s"),
            *("-s", str(script), f"http://127.0.0.1:{port}/v1/chat/completions"),
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, on),
    )
    return result_of(run.stdout + run.stderr)
