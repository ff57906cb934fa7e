"""What a request costs: the gateway beside a bare Python relay and nginx, in one run.

    make bench        (or: python -m tests.bench [--seconds N] [--json FILE])

CPU time per request and per streamed event comes from the operating system. Machines differ and
are noisy: quote the ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.load import Counted, streams, wrk
from tests.bench.process import Measured, free_port, running

KEY = "bench-key-4f1c9a7e52d84b03"
CONNECTIONS = (1, 32, 128)
SERVER_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream vendor {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header connection "";
      proxy_buffering off;
    }}
  }}
}}
"""

CONFIGURATION = """
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - name: vendor
      provider: openai
      model: bench-model
      url: http://127.0.0.1:{upstream}/v1
      secret: env:BENCH_VENDOR_KEY
      price: {{in: 0.5, out: 1.5}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: bench
      match: {{model: bench}}
      tiers: [{{select: {{deployment: vendor}}}}]
      prefer: [{{minimize: cost}}]
      otherwise: {{reject: 503, code: no_capacity}}
"""


@contextmanager
def relay(upstream: int, _: Path) -> Iterator[tuple[int, Measured]]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(upstream)]
    with running(command, port, SERVER_CORE) as measured:
        yield port, measured


@contextmanager
def nginx(upstream: int, folder: Path) -> Iterator[tuple[int, Measured]]:
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, upstream=upstream, port=port))
    with running(["nginx", "-c", str(file)], port, SERVER_CORE) as measured:
        yield port, measured


@contextmanager
def headgate(upstream: int, folder: Path) -> Iterator[tuple[int, Measured]]:
    port = free_port()
    file = folder / "bench.yaml"
    file.write_text(CONFIGURATION.format(upstream=upstream))
    command = [sys.executable, "-c", "from headgate.cli.main import main; main()", "serve"]
    command += ["--config", str(file), "--port", str(port), "--data-dir", str(folder / "data")]
    environ = {"HEADGATE_ADMIN_KEY": KEY, "BENCH_VENDOR_KEY": "vendor"}
    with running(command, port, SERVER_CORE, environ) as measured:
        yield port, measured


SUBJECTS = {"bare relay": relay, "nginx": nginx, "headgate": headgate}


def measure(port: int, subject: Measured, seconds: int) -> dict[str, Any]:
    """All figures of one subject; CPU in microseconds, memory in MiB."""
    row: dict[str, Any] = {"start_s": subject.started_s, "rss_before": subject.resident_mib()}
    wrk(port, KEY, 32, 1, LOAD_CORE)
    for connections in CONNECTIONS:
        before_s = subject.cpu_s()
        counted = wrk(port, KEY, connections, seconds, LOAD_CORE)
        row[f"request_{connections}"] = _each_us(subject, before_s, counted)
    before_s = subject.cpu_s()
    first, firsts_s = streams(port, KEY)
    second, more_s = streams(port, KEY)
    both = Counted(first.done + second.done, first.failed + second.failed, 0.0)
    row["event"] = _each_us(subject, before_s, both)
    ordered = sorted(firsts_s + more_s)
    row["first_p50_ms"] = ordered[len(ordered) // 2] * 1000
    row["first_p99_ms"] = ordered[len(ordered) * 99 // 100] * 1000
    row["rss_after"] = subject.resident_mib()
    return row


def _each_us(subject: Measured, before_s: float, counted: Counted) -> float:
    if counted.failed or not counted.done:
        raise RuntimeError(f"{counted.failed} of {counted.done} failed: nothing to compare")
    return (subject.cpu_s() - before_s) / counted.done * 1e6


COLUMNS = {
    "request_1": "µs/request, 1 conn",
    "request_32": "32 conn",
    "request_128": "128 conn",
    "event": "µs/event",
    "first_p50_ms": "first token p50 ms",
    "first_p99_ms": "p99 ms",
    "start_s": "start s",
    "rss_before": "MiB before",
    "rss_after": "after",
}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The figures, then the gateway's as multiples of the others'."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in rows.items():
        cells = (f"{row[key]:.2f}" if key == "start_s" else f"{row[key]:.0f}" for key in COLUMNS)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ours = rows["headgate"]
    for name, row in rows.items():
        if name != "headgate":
            costs = [key for key in COLUMNS if key.startswith("request") or key == "event"]
            cells = (f"{ours[key] / row[key]:.1f} x" if key in costs else "" for key in COLUMNS)
            lines.append(f"| headgate / {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="per wrk run")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    rows: dict[str, dict[str, Any]] = {}
    upstream = free_port()
    vendor = [sys.executable, "-m", "tests.bench.upstream", str(upstream)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(running(vendor, upstream, LOAD_CORE))
        for name, subject in SUBJECTS.items():
            if name == "nginx" and shutil.which("nginx") is None:
                print("nginx is not installed and left out: apt-get install nginx-light")
                continue
            with subject(upstream, folder) as (port, measured):
                rows[name] = measure(port, measured, options.seconds)
                print(f"{name}: done", file=sys.stderr)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
