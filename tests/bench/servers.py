"""The servers that are compared: how each is configured and started in front of the upstream."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.bench.processes import Server, free_port, start
from tests.bench.request import MODEL, body

KEY = "hg-bench2345-vF1qk3Zt8sYw0LxUe7Rj5NcB4mHd6aGp9TiO2KfQuEs"
"""Of this benchmark only: it opens a server on loopback that lives for minutes."""

GATEWAY = "headgate"
RELAY = "bare relay"
NGINX = "nginx"

_FIRST_REQUEST = (
    body(MODEL, stream=False),
    {"content-type": "application/json", "authorization": f"Bearer {KEY}"},
)

_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/client;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""

_GATEWAY = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - name: upstream
      provider: openai
      url: http://127.0.0.1:{upstream}/v1
      model: gpt-4o-mini
      secret: env:BENCH_UPSTREAM_KEY
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: {model}
      match: {{model: {model}}}
      tiers: [{{select: {{deployment: upstream}}}}]
      prefer: [{{minimize: cost}}]
      otherwise: {{reject: 503, code: no_capacity}}
---
apiVersion: headgate/v1
kind: Access
spec:
  teams: [{{name: bench}}]
  keys: [{{name: bench, team: bench, hash: "sha256:{hash}"}}]
"""


@dataclass(frozen=True)
class Place:
    """Where servers run: a folder for their files, the port of the upstream, their cores."""

    folder: Path
    upstream_port: int
    on: frozenset[int]


def start_upstream(folder: Path, on: frozenset[int], events: int, interval_s: float) -> Server:
    """The scripted model server."""
    port = free_port()
    options = ["--events", str(events), "--interval", str(interval_s)]
    command = [sys.executable, "-m", "tests.bench.upstream", str(port), *options]
    return start("upstream", command, port, on, folder / "upstream.log", request=_FIRST_REQUEST)


def _start_nginx(place: Place) -> Server:
    port = free_port()
    config = place.folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=place.folder, upstream=place.upstream_port, port=port))
    command = [_nginx(), "-c", str(config), "-p", str(place.folder)]
    return _start(place, NGINX, command, port)


def _start_relay(place: Place) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(place.upstream_port)]
    return _start(place, RELAY, command, port)


def _start_gateway(place: Place) -> Server:
    port = free_port()
    config = place.folder / "headgate.yaml"
    hashed = sha256(KEY.encode()).hexdigest()
    config.write_text(_GATEWAY.format(upstream=place.upstream_port, model=MODEL, hash=hashed))
    command = [str(Path(sys.executable).with_name("headgate")), "serve"]
    command += ["--config", str(config), "--port", str(port)]
    command += ["--data-dir", str(place.folder / "data")]
    environ = {
        "BENCH_UPSTREAM_KEY": "sk-of-the-benchmark",
        "HEADGATE_ADMIN_KEY": f"{KEY[::-1]}-admin",
    }
    return _start(place, GATEWAY, command, port, environ)


def _start(
    place: Place,
    name: str,
    command: list[str],
    port: int,
    environ: Mapping[str, str] | None = None,
) -> Server:
    output = place.folder / f"{name.replace(' ', '-')}.log"
    return start(name, command, port, place.on, output, request=_FIRST_REQUEST, environ=environ)


def _nginx() -> str:
    """Its path; distributions put it where only root's search path looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def contestants() -> tuple[dict[str, Callable[[Place], Server]], dict[str, str]]:
    """How to start each server that can run here, and why the others cannot."""
    starters = {NGINX: _start_nginx, RELAY: _start_relay, GATEWAY: _start_gateway}
    absent = {}
    if not _nginx():
        absent[NGINX] = "nginx is not installed (`apt-get install nginx-light`)"
        del starters[NGINX]
    return starters, absent
