"""The tables of the embedded ledger, and opening its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

FILE_NAME = "ledger.db"
VERSION = 1
BUSY_S = 5.0
"""How long a writer waits for another process's commit."""

TOKEN_COLUMNS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_output_tokens",
)

_TABLES = f"""
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    team TEXT NOT NULL,
    project TEXT,
    user TEXT,
    key_id TEXT,
    route TEXT NOT NULL,
    dialect TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    streamed INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error_code TEXT,
    policy_digest TEXT,
    decision_id TEXT,
    duration_s REAL NOT NULL,
    first_token_s REAL,
    attempts INTEGER NOT NULL,
    cost_usd TEXT
);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at);
CREATE TABLE IF NOT EXISTS attempts (
    request_id TEXT NOT NULL REFERENCES requests (id),
    number INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    region TEXT,
    jurisdiction TEXT,
    outcome TEXT NOT NULL,
    status INTEGER,
    started TEXT NOT NULL,
    duration_s REAL NOT NULL,
    first_token_s REAL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in TOKEN_COLUMNS)},
    usage_source TEXT NOT NULL,
    price_version TEXT,
    cost_usd TEXT,
    cost_source TEXT NOT NULL,
    finish_reason TEXT,
    upstream_id TEXT,
    PRIMARY KEY (request_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL
);
"""

_GUARD = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class LedgerError(Exception):
    """The ledger's file cannot be used; the message says what to do."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open or make the file. Commits are synced to the disk. Raises `LedgerError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE must not slip through
        _prepare(connection)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(
            f"The ledger {path} cannot be opened ({error}). "
            "Check that the data directory is writable and not full, or name another one."
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    script = _TABLES + "".join(
        _GUARD.format(table=table, verb=verb)
        for table in ("requests", "attempts")
        for verb in ("UPDATE", "DELETE")
    )
    connection.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")
    (newest,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    if newest is not None and newest > VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer release, schema {newest}")
    connection.execute(
        "INSERT OR IGNORE INTO schema_version VALUES (?, ?)",
        (VERSION, datetime.now(UTC).isoformat()),
    )


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection that sees one moment; writers go on. Raises `LedgerError`."""
    if not path.is_file():
        raise LedgerError(f"There is no ledger at {path}. Name its folder with --data-dir.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            yield reader
    except sqlite3.Error as error:
        raise LedgerError(f"The ledger {path} cannot be read ({error}).") from error
