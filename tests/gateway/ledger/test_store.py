from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headgate.ledger.ledger import Ledger
from headgate.ledger.rows import AttemptRow, RequestRow
from headgate.ledger.schema import TOKEN_COLUMNS, LedgerError, reading
from headgate.ledger.store import SqliteLedger
from headgate_providers.sdk import Usage
from headgate_providers.sdk.usage import TOKEN_CLASSES

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def request(id: str = "req-1", **changes: Any) -> RequestRow:
    row = RequestRow(
        id=id,
        at=AT,
        team="red",
        route="assistant",
        dialect="openai_chat",
        operation="chat",
        model="assistant",
        outcome="ok",
        duration_s=0.5,
        decision_id=f"dec-{id}",
    )
    return replace(row, **changes)


def attempt(id: str = "req-1", number: int = 1, **changes: Any) -> AttemptRow:
    row = AttemptRow(
        request_id=id,
        number=number,
        deployment="openai",
        provider="openai",
        model="gpt-4o",
        started=AT,
        duration_s=0.4,
        outcome="ok",
        status=200,
        usage=Usage(100, 20, cache_read_tokens=40),
        price_version="2026-11-24/openai/gpt-4o",
        cost_usd=Decimal("0.0004"),
        cost_source="list",
    )
    return replace(row, **changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    store = SqliteLedger(tmp_path)
    yield store
    store.close()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with reading(path) as connection:
        return list(connection.execute(query))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_is_a_ledger(ledger: SqliteLedger) -> None:
    seam: Ledger = ledger
    assert seam.status().healthy


def test_every_token_class_has_its_column() -> None:
    assert TOKEN_COLUMNS == TOKEN_CLASSES


def test_a_clean_stop_loses_nothing(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    for n in range(3000):
        store.append(request(f"r{n}"), [attempt(f"r{n}")])
    store.close()
    store.close()
    assert rows(store.path, "SELECT count(*), count(DISTINCT id) FROM requests") == [(3000, 3000)]
    assert rows(store.path, "SELECT count(*) FROM attempts") == [(3000,)]
    assert (store.status().written, store.status().backlog) == (3000, 0)


def test_a_row_is_kept_as_it_was_given(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    usage = Usage(*range(10, 20), source="estimated")
    there = timezone(timedelta(hours=2))
    store.append(
        request(at=AT.astimezone(there), streamed=True, first_token_s=0.25, error_code="x"),
        [attempt(usage=usage, region="eu", upstream_id="chatcmpl-1", finish_reason="stop")],
    )
    store.close()
    columns = "id, at, team, streamed, first_token_s, error_code, attempts, cost_usd"
    assert rows(store.path, f"SELECT {columns} FROM requests") == [
        ("req-1", "2026-11-24T09:30:00.000000Z", "red", 1, 0.25, "x", 1, "0.0004")
    ]
    columns = f"{', '.join(TOKEN_COLUMNS)}, usage_source, region, upstream_id, finish_reason"
    assert rows(store.path, f"SELECT {columns} FROM attempts") == [
        (*range(10, 20), "estimated", "eu", "chatcmpl-1", "stop")
    ]


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        (["0.1", "0.2"], "0.3"),
        (["0.00000000000000000001", "123456789012345678"], "123456789012345678." + "0" * 19 + "1"),
        (["1.4E-7"], "0.00000014"),
        (["0", None], None),
        ([], "0"),
    ],
)
def test_a_request_costs_exactly_the_sum_of_its_attempts(
    tmp_path: Path, costs: list[str | None], total: str | None
) -> None:
    store = SqliteLedger(tmp_path)
    amounts = [None if cost is None else Decimal(cost) for cost in costs]
    store.append(request(), [attempt(number=n + 1, cost_usd=c) for n, c in enumerate(amounts)])
    store.close()
    assert rows(store.path, "SELECT cost_usd FROM requests") == [(total,)]


def test_the_same_request_twice_is_one_row(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    for _ in range(3):
        store.append(request(), [attempt(), attempt(number=2)], b"{}")
    store.close()
    assert rows(store.path, "SELECT count(*) FROM requests") == [(1,)]
    assert rows(store.path, "SELECT count(*) FROM attempts") == [(2,)]
    assert store.status().dropped == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE requests SET team = 'blue'",
        "DELETE FROM requests",
        "UPDATE attempts SET cost_usd = '0'",
        "DELETE FROM attempts",
    ],
)
def test_rows_are_never_changed(tmp_path: Path, statement: str) -> None:
    store = SqliteLedger(tmp_path)
    store.append(request(), [attempt()])
    store.close()
    with (
        closing(sqlite3.connect(store.path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


async def test_a_decision_is_found_at_once_and_after_a_restart(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    store.append(request(), [], b'{"route": "assistant"}')
    assert await store.decision("dec-req-1") == b'{"route": "assistant"}'
    store.close()
    again = SqliteLedger(tmp_path)
    assert await again.decision("dec-req-1") == b'{"route": "assistant"}'
    assert await again.decision("dec-unknown") is None
    again.close()


async def test_only_the_newest_decisions_are_kept(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path, decisions_max=10)
    for n in range(25):
        store.append(request(f"r{n}"), [], b"{}")
    store.close()
    assert rows(store.path, "SELECT count(*), min(id) FROM decisions") == [(10, "dec-r15")]
    assert rows(store.path, "SELECT count(*) FROM requests") == [(25,)]


def test_a_row_that_cannot_be_stored_costs_no_other_its_place(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    store.append(request("good-1"), [attempt("good-1")])
    store.append(request("no-zone", at=datetime(2026, 1, 1)), [])
    store.append(request("no-team", team=None), [])
    store.append(request("twice"), [attempt("twice"), attempt("twice")])
    store.append(request("good-2"), [attempt("good-2")])
    store.close()
    assert rows(store.path, "SELECT id FROM requests ORDER BY seq") == [("good-1",), ("good-2",)]
    assert rows(store.path, "SELECT count(*) FROM attempts") == [(2,)]
    assert store.status().dropped == 3


def test_a_failing_disk_is_shown_and_caught_up_with(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    other = sqlite3.connect(store.path, isolation_level=None)
    store._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")  # the file is locked for everyone else
    for n in range(50):
        store.append(request(f"r{n}"), [attempt(f"r{n}")])
    until(lambda: not store.status().healthy)
    assert store.status().backlog == 50
    assert store.status().lag_s > 0
    other.execute("ROLLBACK")
    other.close()
    until(lambda: store.status().backlog == 0)
    store.close()
    assert store.status().healthy
    assert rows(store.path, "SELECT count(*) FROM requests") == [(50,)]


def test_the_backlog_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path, backlog_max=10)
    other = sqlite3.connect(store.path, isolation_level=None)
    store._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    store.append(request("first"), [])
    until(lambda: not store.status().healthy)
    for n in range(30):
        store.append(request(f"r{n}"), [])
    assert store.status().dropped == 20
    store.close(timeout_s=0.2)
    assert store.status().dropped == 31
    other.close()
    store.append(request("late"), [])
    assert store.status().dropped == 32


def test_two_processes_write_and_a_third_reads(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path\n"
        "from test_store import SqliteLedger, attempt, request\n"
        "store = SqliteLedger(Path(sys.argv[1]))\n"
        "for n in range(300):\n"
        "    id = f'{sys.argv[2]}-{n}'\n"
        "    store.append(request(id), [attempt(id)])\n"
        "store.close()\n"
    )
    store = SqliteLedger(tmp_path)
    arguments = [sys.executable, "-c", script, str(tmp_path)]
    writers = [
        subprocess.Popen([*arguments, name, str(Path(__file__).parent)]) for name in ("a", "b")
    ]
    query = (
        "SELECT (SELECT count(*) FROM requests),"
        " (SELECT count(*) FROM attempts), (SELECT sum(attempts) FROM requests)"
    )
    while any(writer.poll() is None for writer in writers):
        [(requests, attempts, stated)] = rows(store.path, query)
        assert requests == attempts == (stated or 0)  # a request is never seen without its attempts
        time.sleep(0.02)
    assert [writer.wait() for writer in writers] == [0, 0]
    store.close()
    assert rows(store.path, query) == [(600, 600, 600)]


def test_append_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    store = SqliteLedger(tmp_path)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Event()

    def append() -> None:
        for n in range(2000):
            store.append(request(f"r{n}"), [attempt(f"r{n}")])
        done.set()

    threading.Thread(target=append).start()
    assert done.wait(10)
    assert rows(store.path, "SELECT count(*) FROM requests") == [(0,)]
    other.execute("ROLLBACK")
    other.close()
    store.close()
    assert rows(store.path, "SELECT count(*) FROM requests") == [(2000,)]


def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    SqliteLedger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("INSERT INTO schema_version VALUES (99, '')")
    with pytest.raises(LedgerError, match="newer release"):
        SqliteLedger(tmp_path)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="data directory"):
        SqliteLedger(tmp_path / "file")
    with pytest.raises(LedgerError, match="--data-dir"), reading(tmp_path / "none.db"):
        pass


def test_others_cannot_read_the_file(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "data").close()
    assert (tmp_path / "data" / "ledger.db").stat().st_mode & 0o077 == 0
