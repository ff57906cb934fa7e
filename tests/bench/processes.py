"""Servers as child processes on fixed cores, and what the operating system says they use."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


class StartFailed(Exception):
    """A server did not come up; the message says where its output is."""


def cores() -> tuple[frozenset[int], frozenset[int]]:
    """Those of the measured server and those of load and upstream; shared if there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return frozenset(usable[-1:]), frozenset(usable[:-1] or usable)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_s_of(stat: str) -> float:
    """User and system time in the text of `/proc/PID/stat`, all threads together.

    The command's name, in parentheses, may hold spaces and parentheses itself.
    """
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_mib_of(status: str) -> float:
    """`VmRSS` in the text of `/proc/PID/status`."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Server:
    """A child process that listens on a port. `started_s` is the time to its first answer."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    started_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        """CPU time used so far."""
        return cpu_s_of(Path(f"/proc/{self.process.pid}/stat").read_text())

    @property
    def resident_mib(self) -> float:
        """Memory in use now."""
        return resident_mib_of(Path(f"/proc/{self.process.pid}/status").read_text())

    def stop(self) -> None:
        """End it, politely first."""
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    name: str,
    command: Sequence[str],
    port: int,
    on: frozenset[int],
    output: Path,
    *,
    request: tuple[bytes, Mapping[str, str]],
    environ: Mapping[str, str] | None = None,
) -> Server:
    """Start a server and wait until it answers `request` (body, headers); raises `StartFailed`."""
    begun_s = time.perf_counter()
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, on),
        )
    server = Server(name, port, process)
    while not _answers(port, *request):
        if process.poll() is not None or time.perf_counter() - begun_s > START_TIMEOUT_S:
            server.stop()
            raise StartFailed(f"{name} did not answer on port {port}: {_last_words(output)}")
        time.sleep(0.005)
    server.started_s = time.perf_counter() - begun_s
    return server


def _answers(port: int, body: bytes, headers: Mapping[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/v1/chat/completions", body, dict(headers))
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _last_words(output: Path) -> str:
    return output.read_text(errors="replace")[-600:].strip() or "it said nothing"
