from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from headgate.access.identities import Directory
from headgate.access.keys import KeyStore, StoredKey
from headgate.cli.keys import app

RUNNER = CliRunner()


def run(data_dir: Path, *arguments: str) -> Result:
    return RUNNER.invoke(app, [*arguments, "--data-dir", str(data_dir)])


def printed(data_dir: Path, *arguments: str) -> Any:
    result = run(data_dir, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_made_key_opens_and_only_the_key_is_on_standard_output(tmp_path: Path) -> None:
    result = run(tmp_path, "create", "--team", "red", "--name", "app")
    assert result.exit_code == 0
    [secret] = result.stdout.splitlines()
    assert "only now" in result.stderr
    identity = Directory(tmp_path).lookup(secret)
    assert identity is not None
    assert (identity.team, identity.name, identity.admin) == ("red", "app", False)


def test_all_facts_are_kept(tmp_path: Path) -> None:
    made = printed(
        tmp_path,
        *("create", "--team", "red", "--project", "p", "--user", "u", "--admin"),
        *("--models", "gpt-*, own", "--expires", "90d"),
    )
    assert made["key"].startswith(f"hg-{made['id']}-")
    assert (made["project"], made["user"], made["admin"]) == ("p", "u", True)
    assert made["models"] == ["gpt-*", "own"]
    left = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    [listed] = printed(tmp_path, "list")
    assert listed == {name: value for name, value in made.items() if name != "key"}


def test_the_list_shows_no_key_and_what_works(tmp_path: Path) -> None:
    secret = run(tmp_path, "create", "--team", "red").stdout.strip()
    gone = printed(tmp_path, "create", "--team", "blue")
    run(tmp_path, "revoke", gone["id"])
    with closing(KeyStore(tmp_path)) as store:
        store.create(StoredKey("late", expires=datetime(2020, 1, 1, tzinfo=UTC)))
    shown = run(tmp_path, "list").stdout
    assert "red" in shown
    assert "blue" not in shown
    assert secret.rpartition("-")[2] not in shown
    states = {row["team"]: row["state"] for row in printed(tmp_path, "list", "--all")}
    assert states == {"red": "active", "blue": "revoked", "late": "expired"}


@pytest.mark.parametrize("prefix", ["", "hg-"])
def test_a_revoked_key_is_closed(tmp_path: Path, prefix: str) -> None:
    made = printed(tmp_path, "create", "--team", "red")
    result = run(tmp_path, "revoke", prefix + made["id"])
    assert result.exit_code == 0
    assert Directory(tmp_path).lookup(made["key"]) is None


def test_a_rotated_key_gives_a_new_one_and_some_time(tmp_path: Path) -> None:
    old = printed(tmp_path, "create", "--team", "red", "--name", "app")
    kept = printed(tmp_path, "rotate", old["id"], "--grace", "1h")
    directory = Directory(tmp_path)
    assert directory.lookup(old["key"]) is not None
    assert directory.lookup(kept["key"]) is not None
    assert kept["name"] == "app"
    new = printed(tmp_path, "rotate", kept["id"])
    directory = Directory(tmp_path)
    assert directory.lookup(kept["key"]) is None
    assert directory.lookup(new["key"]) is not None


def test_an_unknown_id_is_status_1(tmp_path: Path) -> None:
    for command in ("revoke", "rotate"):
        result = run(tmp_path, command, "nosuchid")
        assert result.exit_code == 1
        assert "keys list" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--team", " "],
        ["create", "--team", "red", "--expires", "soon"],
        ["create", "--team", "red", "--expires", "2020-01-01"],
        ["create", "--team", "red", "--models", " , "],
        ["rotate", "x", "--grace", "long"],
        ["revoke"],
    ],
)
def test_wrong_usage_is_status_2(tmp_path: Path, arguments: list[str]) -> None:
    assert run(tmp_path, *arguments).exit_code == 2


def test_a_folder_that_cannot_be_used_is_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file", "list")
    assert result.exit_code == 1
    assert "data directory" in result.stderr
