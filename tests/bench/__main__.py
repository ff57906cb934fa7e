"""`make bench`: what the gateway costs, beside nginx and a bare relay, in one run.

Everything is on loopback and ends by itself within a few minutes. The measured server has a core
of its own where there are two; CPU time is what the operating system counts for its process, so it
holds on a busy machine, too. Ratios are of figures of the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import report, wrk
from tests.bench.processes import Server, StartFailed, cores
from tests.bench.report import CONNECTIONS, Figures
from tests.bench.request import MODEL, body
from tests.bench.servers import KEY, Place, contestants, start_upstream
from tests.bench.streams import Load
from tests.bench.upstream import EVENTS, INTERVAL_S

WARM_UP_S = 1


class Bench:
    """One run: servers that are up, and the loads to put on them."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        self._folder = folder
        self._given = given
        self._server_cores, self._load_cores = cores()
        self._script = folder / "post.lua"
        wrk.write_script(self._script, body(MODEL, stream=False), KEY)
        self.figures: dict[str, Figures] = {}
        self.direct = Figures(0.0, 0.0)

    def run(self, stack: ExitStack) -> None:
        """Start all, measure in rounds, stop all."""
        given = self._given
        upstream = start_upstream(self._folder, self._load_cores, given.events, given.interval)
        stack.callback(upstream.stop)
        place = Place(self._folder, upstream.port, self._server_cores)
        starters, absent = contestants()
        for name, why in absent.items():
            note(f"{name} is left out: {why}")
        servers = []
        for name in given.only or starters:
            server = starters[name](place)
            stack.callback(server.stop)
            servers.append(server)
            self.figures[name] = Figures(server.started_s, server.resident_mib)
        if wrk.available():
            self._warm_up(servers)
        else:
            note(f"CPU per request is left out: {wrk.HOW_TO_GET_IT}")
        for number in range(1, given.rounds + 1):
            note(f"round {number} of {given.rounds}")
            self._round(servers, upstream)
        for server in servers:
            self.figures[server.name].resident_end_mib = server.resident_mib

    def _warm_up(self, servers: Sequence[Server]) -> None:
        for server in servers:
            wrk.drive(server.port, 32, WARM_UP_S, self._script, self._load_cores)

    def _round(self, servers: Sequence[Server], upstream: Server) -> None:
        for connections in CONNECTIONS if wrk.available() else ():
            for server in servers:
                self._requests(server, connections)
        for server in servers:
            self._streams(server)
        load = self._load(upstream.port)
        self.direct.first_token_p50_ms.append(load.first_token_p50_ms)
        self.direct.first_token_p99_ms.append(load.first_token_p99_ms)

    def _requests(self, server: Server, connections: int) -> None:
        figures, duration_s = self.figures[server.name], self._given.seconds
        before_s = server.cpu_s
        drive = wrk.drive(server.port, connections, duration_s, self._script, self._load_cores)
        used_s = server.cpu_s - before_s
        done = max(drive.requests, 1)
        figures.cpu_us.setdefault(connections, []).append(used_s / done * 1e6)
        figures.requests_per_s.setdefault(connections, []).append(drive.requests / duration_s)
        figures.errors += drive.errors

    def _streams(self, server: Server) -> None:
        figures = self.figures[server.name]
        before_s = server.cpu_s
        load = self._load(server.port)
        used_s = server.cpu_s - before_s
        figures.event_us.append(used_s / max(load.events, 1) * 1e6)
        figures.first_token_p50_ms.append(load.first_token_p50_ms)
        figures.first_token_p99_ms.append(load.first_token_p99_ms)
        figures.errors += load.failed

    def _load(self, port: int) -> Load:
        on = self._load_cores
        command = [sys.executable, "-m", "tests.bench.streams", str(port), KEY]
        command += ["--streams", str(self._given.streams)]
        run = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, on),
        )
        return Load(**json.loads(run.stdout))

    def machine(self) -> dict[str, object]:
        """Where and when."""
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average": os.getloadavg()[0],
            "pinned": self._server_cores.isdisjoint(self._load_cores),
        }


def note(text: str) -> None:
    """Tell what happens, beside the table."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each run of wrk")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--events", type=int, default=EVENTS, help="of each stream")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds; 0: at once")
    parser.add_argument("--only", action="append", help="a server; may be repeated")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder, ExitStack() as stack:
        bench = Bench(Path(folder), given)
        try:
            bench.run(stack)
        except StartFailed as error:
            raise SystemExit(str(error)) from None
        machine = bench.machine()
    print("\n" + "  ".join(f"{name}: {value}" for name, value in machine.items()) + "\n")
    print(report.table(report.rows(bench.figures, bench.direct)))
    if given.json is not None:
        data = report.as_data(bench.figures, bench.direct, machine)
        given.json.write_text(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
