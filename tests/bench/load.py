"""Load: wrk for whole replies, a client of our own for streams, both on another core."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass

BODY = (
    '{"model":"bench","messages":[{"role":"system","content":"You are helpful."},'
    '{"role":"user","content":"What should I wear in Paris in spring, and why?"}],'
    '"temperature":0.7,"max_tokens":200%s}'
)
STREAMS = 50


@dataclass(frozen=True)
class Counted:
    """Requests (or events) that came back, in this many seconds; failed ones are counted apart."""

    done: int
    failed: int
    seconds: float


def read_wrk(output: str) -> Counted:
    """What wrk printed at its end."""
    total = re.search(r"(\d+) requests in ([0-9.]+)s", output)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if total is None:
        raise ValueError(f"wrk said: {output[-300:]}")
    return Counted(int(total[1]), int(bad[1]) if bad else 0, float(total[2]))


def wrk(port: int, key: str, connections: int, seconds: int, core: int) -> Counted:
    script = (
        'wrk.method="POST"\nwrk.headers["content-type"]="application/json"\n'
        f'wrk.headers["authorization"]="Bearer {key}"\nwrk.body=[[{BODY % ""}]]\n'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name,
             f"http://127.0.0.1:{port}/v1/chat/completions"],
            capture_output=True, text=True, check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip
    return read_wrk(done.stdout)


def streams(port: int, key: str) -> tuple[Counted, list[float]]:
    """`STREAMS` streams at once: the events that came, and each stream's seconds to its first."""
    begun = time.monotonic()
    results = asyncio.run(_all(port, key))
    events = sum(count for count, _ in results)
    failed = sum(1 for _, first_s in results if first_s is None)
    firsts = sorted(first_s for _, first_s in results if first_s is not None)
    return Counted(events, failed, time.monotonic() - begun), firsts


async def _all(port: int, key: str) -> list[tuple[int, float | None]]:
    return await asyncio.gather(*(_one(port, key) for _ in range(STREAMS)))


async def _one(port: int, key: str) -> tuple[int, float | None]:
    body = (BODY % ',"stream":true').encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    writer.write(head.encode() + body)
    count, first_s, tail = 0, None, b""
    while b"[DONE]" not in tail:
        data = await reader.read(65536)
        if not data:
            break
        count += data.count(b"data:")
        if first_s is None and count:
            first_s = time.monotonic() - begun
        tail = (tail + data)[-64:]
    writer.close()
    return count, first_s
