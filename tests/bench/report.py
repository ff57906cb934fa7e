"""The figures of a run, as a table for people and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.bench.servers import GATEWAY, NGINX, RELAY

CONNECTIONS = (1, 32, 128)


@dataclass
class Figures:
    """Of one server. Lists hold one figure per round.

    `cpu_us` is CPU per request by number of connections, `event_us` CPU per streamed event,
    the request it belongs to included.
    """

    start_s: float
    resident_start_mib: float
    resident_end_mib: float = 0.0
    cpu_us: dict[int, list[float]] = field(default_factory=dict)
    requests_per_s: dict[int, list[float]] = field(default_factory=dict)
    event_us: list[float] = field(default_factory=list)
    first_token_p50_ms: list[float] = field(default_factory=list)
    first_token_p99_ms: list[float] = field(default_factory=list)
    errors: int = 0


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of every server, `None` where it was not measured."""

    title: str
    values: dict[str, float | None]
    compared: bool = True
    """Whether the gateway's figure is put in relation to the others'."""

    def ratio(self, to: str) -> float | None:
        """The gateway's figure by another's."""
        ours, theirs = self.values.get(GATEWAY), self.values.get(to)
        return ours / theirs if self.compared and ours and theirs else None


def rows(figures: dict[str, Figures], direct: Figures) -> list[Row]:
    """The table. `direct` is the streaming load straight at the upstream."""

    def row(title: str, get: Any, compared: bool = True) -> Row:
        return Row(title, {name: get(f) for name, f in figures.items()}, compared)

    lines = [
        row(f"CPU per request, {c} connections (µs)", lambda f, c=c: middle(f.cpu_us.get(c, [])))
        for c in CONNECTIONS
    ]
    lines.append(row("CPU per streamed event (µs)", lambda f: middle(f.event_us)))
    lines += [
        row(
            f"requests per second, {c} connections",
            lambda f, c=c: middle(f.requests_per_s.get(c, [])),
            compared=False,
        )
        for c in CONNECTIONS
    ]
    for title, name in (("p50", "first_token_p50_ms"), ("p99", "first_token_p99_ms")):
        values = {n: middle(getattr(f, name)) for n, f in figures.items()}
        values["direct"] = middle(getattr(direct, name))
        lines.append(Row(f"time to first token {title} (ms)", values, compared=False))
    lines += [
        row("start to first answer (s)", lambda f: f.start_s, False),
        row("resident at start (MiB)", lambda f: f.resident_start_mib, False),
        row("resident at end (MiB)", lambda f: f.resident_end_mib, False),
        row("failed requests and streams", lambda f: float(f.errors), False),
    ]
    return lines


def middle(samples: Sequence[float]) -> float | None:
    """The median; `None` without samples."""
    return median(samples) if samples else None


def table(lines: Sequence[Row]) -> str:
    """As text, in Markdown."""
    servers = ["direct", NGINX, RELAY, GATEWAY]
    heads = ["", *servers, f"x {RELAY}", f"x {NGINX}"]
    cells = [
        [line.title]
        + [_number(line.values.get(server)) for server in servers]
        + [_number(line.ratio(RELAY)), _number(line.ratio(NGINX))]
        for line in lines
    ]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join(
        "| " + " | ".join([row[0].ljust(widths[0]), *_right(row[1:], widths[1:])]) + " |"
        for row in [heads, rule, *cells]
    )


def _right(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def as_data(figures: dict[str, Figures], direct: Figures, machine: dict[str, Any]) -> Any:
    """The same, JSON-able, with every round."""
    return {
        "machine": machine,
        "servers": {name: asdict(f) for name, f in (*figures.items(), ("direct", direct))},
        "rows": [
            {
                "title": line.title,
                "values": line.values,
                "to_relay": line.ratio(RELAY),
                "to_nginx": line.ratio(NGINX),
            }
            for line in rows(figures, direct)
        ],
    }
