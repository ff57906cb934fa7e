"""Processes under measurement: started on one core, their cost read from the operating system."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def cpu_s(stat: str) -> float:
    """User and system seconds from the text of `/proc/PID/stat`."""
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mib(status: str) -> float:
    """Resident memory from the text of `/proc/PID/status`."""
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


class Measured:
    """A running process and, for nginx, its workers."""

    def __init__(self, process: subprocess.Popen[bytes], started_s: float) -> None:
        self.process = process
        self.started_s = started_s

    def pids(self) -> list[int]:
        found = [self.process.pid]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return found + [int(pid) for pid in children.read_text().split()]

    def cpu_s(self) -> float:
        return sum(cpu_s(Path(f"/proc/{pid}/stat").read_text()) for pid in self.pids())

    def resident_mib(self) -> float:
        return sum(resident_mib(Path(f"/proc/{pid}/status").read_text()) for pid in self.pids())


@contextmanager
def running(
    command: Sequence[str], port: int, core: int, environ: Mapping[str, str] | None = None
) -> Iterator[Measured]:
    """The process, once its port answers; ended by its own id afterwards."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if time.monotonic() - begun > 30:
                    raise RuntimeError(f"{command[0]} does not answer") from None
                time.sleep(0.01)
        yield Measured(process, time.monotonic() - begun)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
