from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.access.first_key import ensure_admin_key
from headgate.access.keys import KeyStore, KeyStoreError, StoredKey, UnknownKeyError
from headgate.access.secrets import (
    KNOWN_DEFAULTS,
    LENGTH_MAX,
    WeakKeyError,
    check_strength,
    digest,
    new_id,
    new_secret,
)

GOOD = "Zk3-9fQx_81mNbVt0pLr"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    with closing(KeyStore(tmp_path)) as opened:
        yield opened


def test_a_key_shows_its_public_id_and_hides_256_bits() -> None:
    key_id = new_id()
    secret = new_secret(key_id)
    assert secret.startswith(f"hg-{key_id}-")
    assert len(secret.removeprefix(f"hg-{key_id}-")) == 43
    assert new_secret(key_id) != secret
    check_strength(secret)


@pytest.mark.parametrize(
    "secret",
    [*sorted(KNOWN_DEFAULTS), "ChangeMe", "", "short", "a" * 64, "with space " * 4, "ü" * 40],
)
def test_what_can_be_guessed_is_refused_with_advice(secret: str) -> None:
    with pytest.raises(WeakKeyError, match="openssl rand"):
        check_strength(secret)


def test_overlong_secrets_are_refused_and_never_equal_a_key() -> None:
    longest = (GOOD * 30)[:LENGTH_MAX]
    check_strength(longest)
    with pytest.raises(WeakKeyError, match="too long"):
        check_strength(longest + "x")
    assert digest(longest + "x") != digest(longest)
    assert digest(longest + "xy") == digest(longest + "xz")  # nothing is read beyond


@given(st.text(max_size=30))
def test_any_text_can_be_presented(secret: str) -> None:
    assert len(digest(secret)) == 32
    assert len(digest(secret + "\ud800")) == 32


def test_the_secret_is_nowhere_in_the_file(store: KeyStore) -> None:
    made, secret = store.create(StoredKey("red", name="app", models=("gpt-*",)))
    assert store.all() == [made]
    assert store.find(secret) == made
    files = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert secret.encode() not in files
    assert secret.split("-", 2)[2].encode() not in files
    assert digest(secret) in files


def test_everything_is_kept(store: KeyStore) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    key = StoredKey(
        "red",
        name="n",
        project="p",
        user="u",
        models=("a", "b*"),
        admin=True,
        expires=until,
    )
    made, _ = store.create(key)
    [read] = store.all()
    assert replace(read, id="", created=None) == key
    assert read.id == made.id
    assert read.created == made.created


def test_a_revoked_key_stays_listed_and_revoked(store: KeyStore) -> None:
    made, secret = store.create(StoredKey("red"))
    first = store.revoke(made.id)
    assert first.revoked is not None
    assert store.revoke(made.id) == first
    assert store.find(secret) == first
    assert not first.works(datetime.now(UTC))
    with pytest.raises(UnknownKeyError):
        store.revoke("nosuchid")


def test_rotation_leaves_the_old_key_some_time(store: KeyStore) -> None:
    made, _ = store.create(StoredKey("red", name="app", project="p"))
    until = datetime.now(UTC) + timedelta(hours=1)
    new, secret = store.rotate(made.id, until)
    assert (new.team, new.name, new.project) == ("red", "app", "p")
    assert store.find(secret) == new
    old = next(key for key in store.all() if key.id == made.id)
    assert old.expires == until
    store.revoke(made.id)
    with pytest.raises(UnknownKeyError):
        store.rotate(made.id, until)


def test_only_changes_are_read_again(store: KeyStore) -> None:
    made = [store.create(StoredKey(f"team{n}"))[0] for n in range(3)]
    mark, changed = store.changes(0)
    assert [key.team for _, key in changed] == ["team0", "team1", "team2"]
    assert store.changes(mark) == (mark, [])
    store.revoke(made[1].id)
    later, changed = store.changes(mark)
    assert later > mark
    assert [key.id for _, key in changed] == [made[1].id]


def test_another_process_shows_in_the_data_version(store: KeyStore) -> None:
    before = store.data_version()
    assert store.data_version() == before
    with closing(KeyStore(store.path.parent)) as other:
        other.create(StoredKey("red"))
    assert store.data_version() != before


def test_the_first_start_makes_one_admin_key(store: KeyStore) -> None:
    secret = ensure_admin_key(store, None)
    assert secret is not None
    key = store.find(secret)
    assert key is not None
    assert key.admin
    assert ensure_admin_key(store, None) is None
    store.revoke(key.id)
    assert ensure_admin_key(store, None) is not None


def test_the_environment_can_choose_the_admin_key(store: KeyStore) -> None:
    assert ensure_admin_key(store, GOOD) is None
    assert ensure_admin_key(store, GOOD) is None
    assert ensure_admin_key(store, None) is None
    [key] = store.all()
    assert key.admin
    other = GOOD[::-1]
    assert ensure_admin_key(store, other) is None
    assert [k.revoked is None for k in (store.find(GOOD), store.find(other)) if k] == [False, True]
    with pytest.raises(WeakKeyError, match="revoked"):
        ensure_admin_key(store, GOOD)


@pytest.mark.parametrize("chosen", ["changeme", "sk-1234", "admin", "tooshort"])
def test_a_weak_admin_key_is_refused_by_the_name_of_its_variable(
    store: KeyStore, chosen: str
) -> None:
    with pytest.raises(WeakKeyError, match="HEADGATE_ADMIN_KEY is refused"):
        ensure_admin_key(store, chosen)
    assert store.all() == []


def test_a_key_of_a_team_does_not_become_the_admin_key(store: KeyStore) -> None:
    _, secret = store.create(StoredKey("red"))
    with pytest.raises(WeakKeyError, match="no admin key"):
        ensure_admin_key(store, secret)


def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    KeyStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "access.db")) as connection, connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(KeyStoreError, match="newer release"):
        KeyStore(tmp_path)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyStoreError, match="data directory"):
        KeyStore(tmp_path / "file")


def test_others_cannot_read_the_file(store: KeyStore) -> None:
    assert store.path.stat().st_mode & 0o077 == 0
