from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from headgate.access.identities import Directory, Identity
from headgate.access.keys import KeyStore, StoredKey
from headgate.access.secrets import LENGTH_MAX
from headgate.config.access import AccessSpec

SECRET = "document-key-0123456789abcdef"


def access(*keys: dict[str, Any], teams: list[dict[str, Any]] | None = None) -> AccessSpec:
    return AccessSpec.model_validate({"keys": list(keys), "teams": teams or []})


def document(secret: str = SECRET, **changes: Any) -> dict[str, Any]:
    hashed = f"sha256:{sha256(secret.encode()).hexdigest()}"
    return {"hash": hashed, "name": "app", "team": "red", **changes}


def created(data_dir: Path, **changes: Any) -> tuple[StoredKey, str]:
    with closing(KeyStore(data_dir)) as store:
        return store.create(StoredKey(**{"team": "red", **changes}))


def revoked(data_dir: Path, key_id: str) -> None:
    with closing(KeyStore(data_dir)) as store:
        store.revoke(key_id)


def test_keys_of_the_file_and_of_documents_are_found(tmp_path: Path) -> None:
    key, secret = created(tmp_path, name="n", project="p", user="u", admin=True, models=("a",))
    directory = Directory(tmp_path, access(document(project="q")))
    assert directory.lookup(secret) == Identity(
        key_id=key.id, team="red", name="n", project="p", user="u", admin=True, models=("a",)
    )
    found = directory.lookup(SECRET)
    assert found is not None
    assert (found.team, found.name, found.project, found.admin) == ("red", "app", "q", False)
    assert found.key_id.startswith("doc-")


def test_unknown_expired_revoked_and_none_are_the_same(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    _, expired = created(tmp_path, expires=past)
    key, gone = created(tmp_path)
    revoked(tmp_path, key.id)
    directory = Directory(tmp_path, access(document(expires="2020-01-31")))
    for secret in (None, "", "x", expired, gone, SECRET, "y" * 10_000_000, "\ud800"):
        assert directory.lookup(secret) is None


def test_a_key_with_something_behind_it_is_another_key(tmp_path: Path) -> None:
    longest = "Zk39fQx8" * (LENGTH_MAX // 8)
    directory = Directory(tmp_path, access(document(longest)))
    assert directory.lookup(longest) is not None
    assert directory.lookup(longest + "x") is None
    assert directory.lookup(longest + "x" * 9999) is None


TEAM = {
    "name": "red",
    "models": ["gpt-*", "own"],
    "label": "internal",
    "metadata": {"region": "eu", "tier": "gold"},
}


def test_the_team_adds_what_it_knows(tmp_path: Path) -> None:
    _, secret = created(tmp_path)
    directory = Directory(tmp_path, access(document(), teams=[TEAM]))
    for presented in (secret, SECRET):
        identity = directory.lookup(presented)
        assert identity is not None
        assert (identity.label, identity.region) == ("internal", "eu")
        assert identity.metadata["tier"] == "gold"
        assert identity.team_models == ("gpt-*", "own")


@pytest.mark.parametrize(
    ("key_models", "team_models", "allowed"),
    [
        (None, None, {"gpt-4o", "own", "claude"}),
        (("gpt-*",), None, {"gpt-4o"}),
        (None, ("own",), {"own"}),
        (("gpt-*", "own"), ("own", "claude"), {"own"}),
        ((), None, set()),
        (("GPT-4o",), None, set()),
    ],
)
def test_key_and_team_must_both_allow_a_model(
    key_models: tuple[str, ...] | None, team_models: tuple[str, ...] | None, allowed: set[str]
) -> None:
    identity = Identity("id", "red", models=key_models, team_models=team_models)
    assert {name for name in ("gpt-4o", "own", "claude") if identity.may_use(name)} == allowed


def test_new_documents_replace_the_old_ones(tmp_path: Path) -> None:
    _, secret = created(tmp_path)
    directory = Directory(tmp_path, access(document(), teams=[TEAM]))
    directory.configure(access(document("another-key-0123456789abcdef")))
    assert directory.lookup(SECRET) is None
    assert directory.lookup("another-key-0123456789abcdef") is not None
    identity = directory.lookup(secret)
    assert identity is not None
    assert identity.label is None


def test_a_revocation_in_the_file_closes_a_documented_key(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as store:
        key, _ = store.create(StoredKey("red"), SECRET)
        store.revoke(key.id)
    assert Directory(tmp_path, access(document())).lookup(SECRET) is None


def test_a_known_default_in_a_document_opens_nothing(tmp_path: Path) -> None:
    directory = Directory(tmp_path, access(document("changeme"), document()))
    assert directory.lookup("changeme") is None
    assert directory.lookup(SECRET) is not None


async def seen(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_changes_by_another_process_show(tmp_path: Path) -> None:
    directory = Directory(tmp_path, access(teams=[TEAM]))
    watching = asyncio.create_task(directory.watch())
    script = (
        "import sys; from pathlib import Path\n"
        "from headgate.access.keys import KeyStore, StoredKey\n"
        "print(*KeyStore(Path(sys.argv[1])).create(StoredKey('red'))[1:])\n"
    )
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    secret = process.stdout.strip()
    await seen(lambda: directory.lookup(secret))
    identity = directory.lookup(secret)
    assert identity is not None
    assert identity.label == "internal"
    revoked(tmp_path, identity.key_id)
    await seen(lambda: directory.lookup(secret) is None)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_change_before_the_watch_began_is_not_missed(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    _, secret = created(tmp_path)
    assert directory.lookup(secret) is None
    watching = asyncio.create_task(directory.watch())
    await seen(lambda: directory.lookup(secret))
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


def test_every_one_of_many_keys_is_found(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as store:
        secrets = [store.create(StoredKey(f"team{n % 7}"))[1] for n in range(500)]
    directory = Directory(tmp_path)
    assert len(directory) == 500
    assert all(directory.lookup(secret) for secret in secrets)
