"""A real gateway in a process of its own, on loopback, with a ledger in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

ADMIN_KEY = "hg-admin-0123456789abcdefghijklmnopqrstuv"
START_S = 30.0
STOP_S = 30.0

_COMMAND = (sys.executable, "-c", "from headgate.cli.main import main; main()")
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
"""What of the environment goes on: no vendor's key and no address of the machine's."""

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], timeout_s: float = 10.0) -> Found:
    """What `look` gives as soon as it is true; fails with what it gave last."""
    end_s = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end_s:
            raise AssertionError(f"it did not become true; last seen: {found!r}")
        time.sleep(0.02)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class GatewayProcess:
    """A gateway that was started; see `running_gateway`."""

    def __init__(self, config: Path, folder: Path, environ: Mapping[str, str]) -> None:
        self.config = config
        self.data_dir = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_key = ADMIN_KEY
        self._environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environ.update(environ, HEADGATE_ADMIN_KEY=ADMIN_KEY)
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*_COMMAND, "serve", "--config", str(config), "--port", str(self.port),
                 "--data-dir", str(self.data_dir)],
                stdout=output, stderr=output, env=self._environ,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Fails with the gateway's own words if it does not start."""
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the gateway did not start:\n{self.output()}")

    def client(self, key: str = ADMIN_KEY, **options: Any) -> httpx.Client:
        """A client that presents `key`."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)

    def headgate(self, *arguments: str) -> str:
        """What the command line says about this gateway's data; fails if it does."""
        done = subprocess.run(
            [*_COMMAND, *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True, text=True, env=self._environ, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_key(self, team: str, *arguments: str) -> str:
        """A key of the team, as soon as the gateway knows it."""
        made = json.loads(self.headgate("keys", "create", "--team", team, "--json", *arguments))
        with self.client(made["key"]) as client:
            eventually(lambda: client.get("/v1/models").status_code == 200)
        return str(made["key"])

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of the ledger's file, read as a stranger would."""
        path = f"file:{self.data_dir / 'ledger.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, arguments)]

    def request_row(self, decision_id: str) -> dict[str, Any]:
        """The ledger's row of a request, as soon as it is written."""
        query = "SELECT * FROM requests WHERE id = ?"
        return eventually(lambda: self.rows(query, decision_id))[0]

    def attempt_rows(self, decision_id: str) -> list[dict[str, Any]]:
        """The ledger's attempts of a request that is written."""
        self.request_row(decision_id)
        return self.rows("SELECT * FROM attempts WHERE request_id = ? ORDER BY number", decision_id)

    def output(self) -> str:
        """All that it wrote so far."""
        return self._output.read_text()

    def log(self, event: str) -> list[dict[str, Any]]:
        """The log's entries of one kind."""
        lines = [line for line in self.output().splitlines() if line.startswith("{")]
        return [entry for line in lines if (entry := json.loads(line)).get("event") == event]

    def reload(self) -> None:
        """Ask it to read its documents again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """End it as a service manager does, and wait; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """End it without asking."""
        self.process.kill()
        self.process.wait(STOP_S)


@contextmanager
def running_gateway(
    config: str, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[GatewayProcess]:
    """A gateway with this configuration (YAML), ready; stopped by SIGTERM at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gateway.yaml"
    path.write_text(config)
    gateway = GatewayProcess(path, folder, environ or {})
    try:
        gateway.wait_until_ready()
        yield gateway
    finally:
        try:
            gateway.stop()
        except subprocess.TimeoutExpired:
            gateway.kill()
            raise
