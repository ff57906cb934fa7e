"""The embedded ledger: an SQLite file, written by one thread with group commit.

`append` puts a request into a queue and returns. The thread takes what has gathered, writes it in
one transaction and syncs it to the disk. While the disk fails, the batch is tried again and the
queue fills up to a bound; `status()` tells. `close` writes what was taken.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import structlog

from headgate.ledger.ledger import LedgerStatus
from headgate.ledger.prices import total_usd
from headgate.ledger.rows import AttemptRow, RequestRow
from headgate.ledger.schema import FILE_NAME, TOKEN_COLUMNS, LedgerError, open_writer, reading
from headgate_providers.sdk import Usage

log = structlog.get_logger(__name__)

BACKLOG_MAX = 100_000
"""Requests waiting for the disk; beyond it they are dropped, counted and shown."""

BATCH_MAX = 1000
GATHER_S = 0.01
"""How long the writer lets requests gather before it commits."""

RETRY_S = (0.1, 0.5, 2.0, 5.0)
CLOSE_TIMEOUT_S = 10.0
DECISIONS_MAX = 100_000

Item: TypeAlias = tuple[RequestRow, Sequence[AttemptRow], bytes | None, float]

_REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    OverflowError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
)
"""What a row that cannot be stored raises; trying again would not help."""


class SqliteLedger:
    """The ledger in `<data_dir>/ledger.db`. Several processes may write to the same file."""

    def __init__(
        self,
        data_dir: Path,
        *,
        backlog_max: int = BACKLOG_MAX,
        decisions_max: int = DECISIONS_MAX,
    ) -> None:
        """Open or make the file and start the writer. Raises `LedgerError`."""
        self.path = data_dir / FILE_NAME
        self._backlog_max = backlog_max
        self._decisions_max = decisions_max
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._fresh: dict[str, bytes] = {}
        self._closing = threading.Event()
        self._abandon = threading.Event()
        self._written = 0
        self._dropped = 0
        self._in_hand = 0
        self._oldest: float | None = None
        self._error: str | None = None
        self._connection = open_writer(self.path)
        self._thread = threading.Thread(target=self._run, name="headgate-ledger", daemon=True)
        self._thread.start()

    def append(
        self, request: RequestRow, attempts: Sequence[AttemptRow], decision: bytes | None = None
    ) -> None:
        """See `Ledger.append`."""
        if self._closing.is_set() or self._queue.qsize() >= self._backlog_max:
            self._drop("the backlog is full or the ledger is closed", request.id)
            return
        if decision is not None:
            self._fresh[request.decision_id or request.id] = decision
        self._queue.put((request, attempts, decision, time.monotonic()))

    async def decision(self, decision_id: str) -> bytes | None:
        """See `Ledger.decision`."""
        record = self._fresh.get(decision_id)
        return record or await asyncio.to_thread(read_decision, self.path, decision_id)

    def status(self) -> LedgerStatus:
        """See `Ledger.status`."""
        oldest = self._oldest
        return LedgerStatus(
            written=self._written,
            backlog=self._queue.qsize() + self._in_hand,
            dropped=self._dropped,
            lag_s=0.0 if oldest is None else time.monotonic() - oldest,
            error=self._error,
        )

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Write what was taken, then stop; gives up after `timeout_s` if the disk fails."""
        if not self._closing.is_set():
            self._closing.set()
            self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._abandon.set()
            self._thread.join(timeout_s)

    # the writer's thread

    def _run(self) -> None:
        while batch := self._next_batch():
            self._oldest = batch[0][3]
            self._in_hand = len(batch)
            self._write(batch)
            self._in_hand = 0
            self._oldest = None
        self._connection.close()

    def _next_batch(self) -> list[Item]:
        """What has gathered since the first request; empty when all is done."""
        first = self._queue.get()
        if first is None:
            return []
        self._closing.wait(GATHER_S)
        batch = [first]
        while len(batch) < BATCH_MAX:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            batch.append(item)
        return batch

    def _write(self, batch: list[Item]) -> None:
        tries = 0
        while True:
            try:
                self._commit(batch)
                break
            except _REFUSED as error:
                self._write_singly(batch, error)
                break
            except sqlite3.Error as error:
                self._error = str(error)
                if tries == 0:
                    log.error("ledger.write_failed", error=str(error), backlog=len(batch))
                if self._abandon.wait(RETRY_S[min(tries, len(RETRY_S) - 1)]):
                    for request, *_ in batch:
                        self._drop(str(error), request.id)
                    return
                tries += 1
        self._error = None
        for request, _, _, _ in batch:
            self._fresh.pop(request.decision_id or request.id, None)

    def _write_singly(self, batch: list[Item], error: Exception) -> None:
        """One row of the batch cannot be stored: keep the others."""
        if len(batch) == 1:
            self._drop(str(error), batch[0][0].id)
            return
        for item in batch:
            self._write([item])

    def _commit(self, batch: list[Item]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for request, attempts, decision, _ in batch:
                if self._connection.execute(_REQUEST, request_values(request, attempts)).rowcount:
                    self._connection.executemany(_ATTEMPT, map(attempt_values, attempts))
                if decision is not None:
                    record = (request.decision_id or request.id, decision)
                    self._connection.execute(_DECISION, record)
            self._forget_decisions()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._written += len(batch)

    def _forget_decisions(self) -> None:
        self._connection.execute(
            "DELETE FROM decisions WHERE seq <= (SELECT max(seq) FROM decisions) - ?",
            (self._decisions_max,),
        )

    def _drop(self, reason: str, request_id: str) -> None:
        self._dropped += 1
        log.error("ledger.row_lost", request_id=request_id, reason=reason)


def read_decision(path: Path, decision_id: str) -> bytes | None:
    """A decision record from a ledger's file."""
    with reading(path) as connection:
        row = connection.execute(
            "SELECT record FROM decisions WHERE id = ?", (decision_id,)
        ).fetchone()
    return bytes(row[0]) if row else None


_REQUEST_COLUMNS = (
    "id",
    "at",
    "team",
    "project",
    "user",
    "key_id",
    "route",
    "dialect",
    "operation",
    "model",
    "streamed",
    "outcome",
    "error_code",
    "policy_digest",
    "decision_id",
    "duration_s",
    "first_token_s",
    "attempts",
    "cost_usd",
)
_ATTEMPT_COLUMNS = (
    "request_id",
    "number",
    "deployment",
    "provider",
    "model",
    "region",
    "jurisdiction",
    "outcome",
    "status",
    "started",
    "duration_s",
    "first_token_s",
    *TOKEN_COLUMNS,
    "usage_source",
    "price_version",
    "cost_usd",
    "cost_source",
    "finish_reason",
    "upstream_id",
)


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


_ONCE = " ON CONFLICT (id) DO NOTHING"
_REQUEST = _insert("requests", _REQUEST_COLUMNS) + _ONCE
_ATTEMPT = _insert("attempts", _ATTEMPT_COLUMNS)
_DECISION = _insert("decisions", ("id", "record")) + _ONCE


def request_values(request: RequestRow, attempts: Sequence[AttemptRow]) -> tuple[Any, ...]:
    """The columns of a request; its cost is the sum of its attempts."""
    return (
        request.id,
        utc_text(request.at),
        request.team,
        request.project,
        request.user,
        request.key_id,
        request.route,
        request.dialect,
        request.operation,
        request.model,
        int(request.streamed),
        request.outcome,
        request.error_code,
        request.policy_digest,
        request.decision_id,
        request.duration_s,
        request.first_token_s,
        len(attempts),
        money_text(total_usd([attempt.cost_usd for attempt in attempts])),
    )


def attempt_values(attempt: AttemptRow) -> tuple[Any, ...]:
    """The columns of an attempt."""
    usage = attempt.usage or _NO_USAGE
    return (
        attempt.request_id,
        attempt.number,
        attempt.deployment,
        attempt.provider,
        attempt.model,
        attempt.region,
        attempt.jurisdiction,
        attempt.outcome,
        attempt.status,
        utc_text(attempt.started),
        attempt.duration_s,
        attempt.first_token_s,
        *(getattr(usage, name) for name in TOKEN_COLUMNS),
        attempt.usage_source,
        attempt.price_version,
        money_text(attempt.cost_usd),
        attempt.cost_source,
        attempt.finish_reason,
        attempt.upstream_id,
    )


_NO_USAGE = Usage(source="none")


def utc_text(moment: datetime) -> str:
    """`2026-11-24T09:30:00.000000Z`: sorts as it passes. Raises `ValueError` without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment in the ledger needs a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def money_text(amount: Decimal | None) -> str | None:
    """An amount in plain digits, all of them."""
    return None if amount is None else format(amount, "f")


__all__ = ["LedgerError", "SqliteLedger", "read_decision"]
