from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from headgate.cli.report import app
from headgate.ledger.rows import AttemptRow, RequestRow
from headgate.ledger.store import SqliteLedger
from headgate_providers.sdk import Usage

RUNNER = CliRunner()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    ledger = SqliteLedger(tmp_path)
    for id, team, day, cost, usage in (
        ("r1", "red", 1, Decimal("1.4E-7"), Usage(1000, 20, cache_read_tokens=400)),
        ("r2", "red", 2, Decimal("0.25"), Usage(5, 5, source="estimated")),
        ("r3", "=blue", 2, None, Usage(7, 7)),
    ):
        at = datetime(2026, 11, day, 12, tzinfo=UTC)
        ledger.append(
            RequestRow(
                id=id,
                at=at,
                team=team,
                route="assistant",
                dialect="openai_chat",
                operation="chat",
                model="assistant",
                outcome="ok",
                duration_s=1.0,
            ),
            [
                AttemptRow(
                    request_id=id,
                    number=1,
                    deployment="openai",
                    provider="openai",
                    model="gpt-4o",
                    started=at,
                    duration_s=1.0,
                    outcome="ok",
                    usage=usage,
                    cost_usd=cost,
                )
            ],
        )
    ledger.close()
    return tmp_path


def run(data_dir: Path, *arguments: str) -> Result:
    return RUNNER.invoke(app, ["cost", "--data-dir", str(data_dir), *arguments])


def printed(data_dir: Path, *arguments: str) -> Any:
    result = run(data_dir, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_table_for_people(data_dir: Path) -> None:
    result = run(data_dir)
    assert result.exit_code == 0
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "TEAM REQUESTS ATTEMPTS INPUT CACHED CACHE WRITES OUTPUT REASONING COST USD UNKNOWN"
        " ESTIMATED",
        "red 2 2 1005 400 0 25 0 0.25000014 0 100%",
        "=blue 1 1 7 0 0 7 0 0 1 0%",
        "total 3 3 1012 400 0 32 0 0.25000014 1 100%",
    ]


def test_json_keeps_every_digit(data_dir: Path) -> None:
    report = printed(data_dir, "--by", "team,day")
    assert report["by"] == ["team", "day"]
    assert [(row["team"], row["day"], row["cost_usd"]) for row in report["rows"]] == [
        ("red", "2026-11-01", "0.00000014"),
        ("red", "2026-11-02", "0.25"),
        ("=blue", "2026-11-02", "0"),
    ]
    assert report["total"]["cost_usd"] == "0.25000014"
    assert report["total"]["estimated_usd"] == "0.25"
    assert report["total"]["unknown_requests"] == 1
    assert report["total"]["cache_read_tokens"] == 400
    same = run(data_dir, "--json", "--by", "team,day")
    assert json.loads(same.stdout) == report


def test_csv_is_for_sheets(data_dir: Path) -> None:
    result = run(data_dir, "--format", "csv", "--by", "team")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["team"] for row in rows] == ["red", "'=blue"]
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("0.25000014")
    assert rows[0]["input_tokens"] == "1005"


@pytest.mark.parametrize(
    ("arguments", "requests"),
    [
        (["--from", "2026-11-02"], 2),
        (["--to", "2026-11-01"], 1),
        (["--from", "2026-11-01", "--to", "2026-11-02"], 3),
        (["--from", "2026-11-01T12:00:00Z", "--to", "2026-11-02T12:00:00Z"], 1),
        (["--from", "2026-11-02T13:00:00+01:00"], 2),
        (["--from", "2027-01-01"], 0),
    ],
)
def test_a_period(data_dir: Path, arguments: list[str], requests: int) -> None:
    assert printed(data_dir, *arguments)["total"]["requests"] == requests


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--by", "colour"], "deployment"),
        (["--by", ""], "deployment"),
        (["--from", "yesterday"], "2026-11-24"),
        (["--to", "2026-13-01"], "2026-11-24"),
        (["--format", "html"], "json"),
    ],
)
def test_wrong_usage_is_status_2_with_advice(
    data_dir: Path, arguments: list[str], word: str
) -> None:
    result = run(data_dir, *arguments)
    assert result.exit_code == 2
    assert word in result.stderr


def test_no_ledger_is_status_1(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "--data-dir" in result.stderr


def test_the_environment_names_the_folder(data_dir: Path) -> None:
    result = RUNNER.invoke(app, ["cost", "--json"], env={"HEADGATE_DATA_DIR": str(data_dir)})
    assert json.loads(result.stdout)["total"]["requests"] == 3
