"""The cost report: the ledger's attempts, summed exactly by any of its dimensions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from headgate.ledger.prices import EXACT, ZERO
from headgate.ledger.schema import TOKEN_COLUMNS, reading
from headgate.ledger.store import utc_text

DIMENSIONS = {
    "team": "r.team",
    "project": "r.project",
    "user": "r.user",
    "model": "a.model",
    "deployment": "a.deployment",
    "route": "r.route",
    "day": "substr(r.at, 1, 10)",
}
"""What a report can be grouped by. `model` is the deployed one, which is the one that is billed."""


@dataclass(slots=True)
class Line:
    """The sums of one group; `group` are its values, `None` where a request has none.

    A request is counted once, in the group of its last attempt; without attempts (refused, or
    answered from a cache) it has neither model nor deployment. `unknown_requests` are those with
    an attempt whose cost is unknown, and which is therefore missing in `cost_usd`.
    `estimated_usd` is the part of the cost that rests on estimated usage.
    """

    group: tuple[str | None, ...]
    requests: int = 0
    attempts: int = 0
    unknown_requests: int = 0
    cost_usd: Decimal = ZERO
    estimated_usd: Decimal = ZERO
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_COLUMNS, 0))

    def add(self, other: Line) -> None:
        """Take in another line's sums."""
        self.requests += other.requests
        self.attempts += other.attempts
        self.unknown_requests += other.unknown_requests
        self.cost_usd = EXACT.add(self.cost_usd, other.cost_usd)
        self.estimated_usd = EXACT.add(self.estimated_usd, other.estimated_usd)
        for name in TOKEN_COLUMNS:
            self.tokens[name] += other.tokens[name]


@dataclass(frozen=True, slots=True)
class Report:
    """Lines in the order of their groups, dearest first within a day, and their sum."""

    by: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Line


def cost_report(
    path: Path,
    by: Sequence[str],
    since: datetime | None = None,
    until: datetime | None = None,
) -> Report:
    """The report over requests from `since` up to and without `until`, both aware.

    It sees the ledger at one moment. Raises `LedgerError`, and `KeyError` for a dimension that
    does not exist.
    """
    with reading(path) as connection:
        lines = _grouped(_rows(connection, by, since, until), len(by))
    total = Line(())
    for line in lines:
        total.add(line)
    return Report(tuple(by), tuple(sorted(lines, key=lambda line: _order(line, by))), total)


def _rows(
    connection: sqlite3.Connection,
    by: Sequence[str],
    since: datetime | None,
    until: datetime | None,
) -> Iterable[Sequence[Any]]:
    """Per attempt: group, whether it is the request's last, …; per request without one, once."""
    dimensions = "".join(f"{DIMENSIONS[name]}, " for name in by)
    tokens = ", ".join(f"a.{name}" for name in TOKEN_COLUMNS)
    query = f"""
        SELECT {dimensions} r.id, r.attempts, a.number, a.cost_usd, a.usage_source, {tokens}
        FROM requests r LEFT JOIN attempts a ON a.request_id = r.id
        WHERE r.at >= ? AND r.at < ?
        ORDER BY r.seq, a.number
    """  # noqa: S608
    bounds = (utc_text(since) if since else "", utc_text(until) if until else "~")
    return connection.execute(query, bounds)


def _grouped(rows: Iterable[Sequence[Any]], width: int) -> list[Line]:
    groups: dict[tuple[str | None, ...], Line] = {}
    unknown_id = None
    for row in rows:
        group = tuple(row[:width])
        id, attempts, number, cost, source, *tokens = row[width:]
        line = groups.get(group)
        if line is None:
            line = groups[group] = Line(group)
        if number is None:
            line.requests += 1
            continue
        line.attempts += 1
        line.requests += number == attempts
        if cost is None:
            line.unknown_requests += id != unknown_id
            unknown_id = id
        else:
            _add_cost(line, Decimal(cost), source)
        for name, tokens_of_class in zip(TOKEN_COLUMNS, tokens, strict=True):
            line.tokens[name] += tokens_of_class
    return list(groups.values())


def _add_cost(line: Line, cost: Decimal, source: str) -> None:
    line.cost_usd = EXACT.add(line.cost_usd, cost)
    if source == "estimated":
        line.estimated_usd = EXACT.add(line.estimated_usd, cost)


def _order(line: Line, by: Sequence[str]) -> tuple[Any, ...]:
    day = line.group[by.index("day")] if "day" in by else ""
    return (day or "", -line.cost_usd, tuple(value or "" for value in line.group))
