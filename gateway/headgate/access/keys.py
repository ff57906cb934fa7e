"""Virtual keys in the embedded store `<data_dir>/access.db`: made, listed, revoked, never deleted.

Each change gives the row a new `seq`, so that a reader takes over only what changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headgate.access.secrets import check_strength, digest, new_id, new_secret

FILE_NAME = "access.db"
VERSION = 1
BUSY_S = 5.0

_TABLES = """
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    team TEXT NOT NULL,
    project TEXT,
    user TEXT,
    models TEXT,
    admin INTEGER NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_seq ON keys (seq);
"""
_COLUMNS = "id, hash, name, team, project, user, models, admin, created, expires, revoked"


class KeyStoreError(Exception):
    """The store of keys cannot be used; the message says what to do."""


class UnknownKeyError(LookupError):
    """No key has this id."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept: everything but the key. Moments are UTC.

    `models` are globs; `None` allows what the team may use. A key works until `expires` or until
    it was `revoked`. `id` and `created` are given by the store.
    """

    team: str
    id: str = ""
    name: str = ""
    project: str | None = None
    user: str | None = None
    models: tuple[str, ...] | None = None
    admin: bool = False
    created: datetime | None = None
    expires: datetime | None = None
    revoked: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether it opens anything at that moment."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyStore:
    """The keys of a data directory. Methods touch the disk: not for the event loop."""

    def __init__(self, data_dir: Path) -> None:
        """Open or make the file. Raises `KeyStoreError`."""
        self.path = data_dir / FILE_NAME
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            self._check_version()
        except (OSError, sqlite3.Error) as error:
            raise KeyStoreError(
                f"The keys in {self.path} cannot be opened ({error}). "
                "Check that the data directory is writable and not full, or name another one."
            ) from error

    def _check_version(self) -> None:
        (newest,) = self._connection.execute("SELECT max(version) FROM schema_version").fetchone()
        if newest is not None and newest > VERSION:
            raise sqlite3.DatabaseError(f"written by a newer release, schema {newest}")
        self._connection.execute("INSERT OR IGNORE INTO schema_version VALUES (?)", (VERSION,))

    def create(self, key: StoredKey, secret: str | None = None) -> tuple[StoredKey, str]:
        """Keep a new key with these facts; gives it back with its id, and the secret to show once.

        `secret` is one that somebody chose. Raises `WeakKeyError`, `KeyStoreError`.
        """
        if secret is not None:
            check_strength(secret)
        made = replace(key, id=new_id(), created=datetime.now(UTC))
        secret = secret or new_secret(made.id)
        with self._writing() as connection:
            _insert(connection, made, digest(secret))
        return made, secret

    def revoke(self, key_id: str) -> StoredKey:
        """Stop a key for good; once more changes nothing. Raises `UnknownKeyError`."""
        with self._writing() as connection:
            key = _get(connection, key_id)
            if key.revoked is None:
                key = replace(key, revoked=datetime.now(UTC))
                _update(connection, key)
        return key

    def rotate(self, key_id: str, old_until: datetime) -> tuple[StoredKey, str]:
        """A new key with the facts of an old one, which works until `old_until` at most.

        Raises `UnknownKeyError`, also for a key that works no more.
        """
        now = datetime.now(UTC)
        with self._writing() as connection:
            old = _get(connection, key_id)
            if not old.works(now):
                raise UnknownKeyError(key_id)
            made = replace(old, id=new_id(), created=now)
            secret = new_secret(made.id)
            _insert(connection, made, digest(secret))
            _update(connection, replace(old, expires=min(old_until, old.expires or old_until)))
        return made, secret

    def all(self) -> list[StoredKey]:
        """Every key that ever was, oldest first."""
        rows = self._reading(f"SELECT {_COLUMNS} FROM keys ORDER BY created, id")  # noqa: S608
        return [_key(row) for row in rows]

    def changes(self, since: int) -> tuple[int, list[tuple[bytes, StoredKey]]]:
        """What changed after `since`: the new mark, and hashes with their keys."""
        rows = self._reading(
            f"SELECT {_COLUMNS}, seq FROM keys WHERE seq > ? ORDER BY seq",  # noqa: S608
            (since,),
        )
        return (rows[-1][-1] if rows else since), [(row[1], _key(row)) for row in rows]

    def find(self, secret: str) -> StoredKey | None:
        """The key with this text, also one that works no more."""
        rows = self._reading(
            f"SELECT {_COLUMNS} FROM keys WHERE hash = ?",  # noqa: S608
            (digest(secret),),
        )
        return _key(rows[0]) if rows else None

    def data_version(self) -> int:
        """A number that changes when another connection changed the file. Cheap."""
        return int(self._reading("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _reading(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise KeyStoreError(f"The keys in {self.path} cannot be read ({error}).") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError as error:
            raise KeyStoreError("There is such a key already.") from error
        except sqlite3.Error as error:
            raise KeyStoreError(f"The keys in {self.path} cannot be changed ({error}).") from error


_NEXT = "(SELECT coalesce(max(seq), 0) + 1 FROM keys)"


def _insert(connection: sqlite3.Connection, key: StoredKey, hashed: bytes) -> None:
    connection.execute(
        f"INSERT INTO keys ({_COLUMNS}, seq) VALUES (?,?,?,?,?,?,?,?,?,?,?, {_NEXT})",  # noqa: S608
        (
            key.id,
            hashed,
            key.name,
            key.team,
            key.project,
            key.user,
            None if key.models is None else json.dumps(key.models),
            int(key.admin),
            _text(key.created),
            _text(key.expires),
            _text(key.revoked),
        ),
    )


def _update(connection: sqlite3.Connection, key: StoredKey) -> None:
    connection.execute(
        f"UPDATE keys SET expires = ?, revoked = ?, seq = {_NEXT} WHERE id = ?",  # noqa: S608
        (_text(key.expires), _text(key.revoked), key.id),
    )


def _get(connection: sqlite3.Connection, key_id: str) -> StoredKey:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM keys WHERE id = ?",  # noqa: S608
        (key_id,),
    ).fetchone()
    if row is None:
        raise UnknownKeyError(key_id)
    return _key(row)


def _key(row: Sequence[Any]) -> StoredKey:
    id, _, name, team, project, user, models, admin, created, expires, revoked = row[:11]
    return StoredKey(
        id=id,
        team=team,
        name=name,
        project=project,
        user=user,
        models=None if models is None else tuple(json.loads(models)),
        admin=bool(admin),
        created=_moment(created),
        expires=_moment(expires),
        revoked=_moment(revoked),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
