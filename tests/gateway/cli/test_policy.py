"""`headgate policy`: what it prints and how it exits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headgate.cli.policy import app

EXAMPLES = Path(__file__).parents[3] / "policies" / "examples"
GENERAL = str(EXAMPLES / "general.yaml")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """`general.yaml` with a route nothing reaches, a typo in a tag, and a wrong expectation."""
    shutil.copytree(EXAMPLES, tmp_path / "x")
    file = tmp_path / "x" / "general.yaml"
    text = file.read_text()
    text = text.replace('when: budget("team").used >= 0.95', "")
    text = text.replace(
        "- {tag: economy}\n      prefer: [{minimize: cost, within",
        "- {tag: econmy}\n      prefer: [{minimize: cost, within",
    )
    file.write_text(text)
    return file


def test_lint_is_silent_about_what_is_right() -> None:
    result = run("lint", GENERAL, "--today", "2026-11-23")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "0 warnings, 1 note"


def test_lint_names_file_and_line_and_fails(broken: Path) -> None:
    result = run("lint", str(broken), "--today", "2026-11-23")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(line.startswith(f"{broken}:") and "nothing gets here" in line for line in lines)
    assert any("did you mean `economy`?" in line for line in lines)


def test_lint_as_json_and_an_overdue_review() -> None:
    result = run("lint", GENERAL, "--today", "2027-06-01", "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    overdue = [row for row in rows if "review was due on 2027-01-31" in row["message"]]
    assert {(row["severity"], Path(row["file"]).name) for row in overdue} == {
        ("warning", "general.yaml"),
        ("warning", "team-budgets.yaml"),
    }
    assert all(row["line"] for row in overdue)


def test_test_runs_what_is_inside() -> None:
    result = run("test", GENERAL)
    assert result.exit_code == 0
    assert "ok    a long prompt skips the 32k model" in result.stdout
    assert result.stdout.splitlines()[-1] == "11 tests, 0 failed, 0 gaps"


def test_a_failing_test_is_shown_with_its_place(broken: Path) -> None:
    result = run("test", str(broken))
    assert result.exit_code == 1
    assert "FAIL  short English question goes to the small model" in result.stdout
    assert "route: expected general, got economy-when-poor" in result.stdout
    data = json.loads(run("test", str(broken), "--json").stdout)
    failed = [test for test in data["tests"] if not test["passed"]]
    assert failed[0]["file"] == str(broken)
    line = broken.read_text().splitlines()[failed[0]["line"] - 1]
    assert line.endswith("- name: short English question goes to the small model")


ROUTE = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments: [{name: a, provider: vllm, model: chat, url: "http://127.0.0.1:1/v1"}]
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: r
      match: {model: m, when: WHEN}
      tiers: [{select: {model: chat}}]
      otherwise: {reject: 503, code: no_capacity}
"""


def test_gaps_fail_unless_they_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(ROUTE.replace("WHEN", "req.stream"))
    result = run("test", str(file))
    assert result.exit_code == 1
    assert f"gap   {file}:10:13: no test reaches route `r`" in result.stdout
    assert run("test", str(file), "--allow-gaps").exit_code == 0


@pytest.mark.parametrize("command", [["lint"], ["test"], ["reach"], ["explain", "--model", "m"]])
def test_a_wrong_expression_has_a_place(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(ROUTE.replace("WHEN", "caller.regoin == 'eu'"))
    result = run(command[0], str(file), *command[1:])
    assert result.exit_code == 1
    assert f"{file}:11:31: " in result.stderr
    assert "did you mean `caller.region`?" in result.stderr


def test_a_file_that_is_not_there() -> None:
    result = run("lint", "no-such-file.yaml")
    assert result.exit_code == 1
    assert "no-such-file.yaml" in result.stderr


def explained(*arguments: str) -> dict[str, Any]:
    result = run("explain", GENERAL, "--offline", "--json", *arguments)
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_explain_says_where_and_why() -> None:
    result = run("explain", GENERAL, "--offline", "--model", "general", "--language", "pl")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("route general   label public")
    assert lines[1].startswith("  1  large-fra  tier default   should: missed tag")
    assert "  x  small-fra  pl is not among its languages" in lines


def test_explain_takes_the_whole_request() -> None:
    record = explained(
        *("--model", "general", "--team", "web", "--region", "eu", "--label", "confidential"),
        *("--tokens-in", "60000", "--tokens-out", "10", "--feature", "tools"),
        *("--metadata", "lane=x", "--down", "large-fra", "--conversation", "c-1"),
    )
    assert record["facts"]["caller"]["team"] == "web"
    assert record["facts"]["metadata"] == {"lane": "x"}
    assert record["facts"]["features"] == ["tools"]
    assert [one["deployment"] for one in record["candidates"]] == ["large-eu"]
    reasons = {drop["name"]: drop["code"] for drop in record["dropped"]}
    assert reasons == {
        "large-us": "clearance",
        "small-fra": "context",
        "large-fra": "circuit",
        "ft-fra": "tier",
    }


def test_explain_reads_facts_like_those_of_a_test(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    given = {"request": {"model": "general", "metadata": {"lane": "batch"}}}
    world = {"now": "2026-11-23T23:00:00+01:00"}
    file.write_text(json.dumps({"given": given, "world": world}))
    assert explained("--facts", str(file))["route"] == "night-batch"


def test_explain_an_unknown_model_suggests_one() -> None:
    refusal = explained("--model", "generall")["refusal"]
    assert refusal["status"] == 404
    assert "did you mean `general`?" in refusal["message"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "--facts"),
        (("--model", "m", "--feature", "tols"), "`tools`"),
        (("--model", "m", "--operation", "chats"), "`chat`"),
        (("--model", "m", "--metadata", "lane"), "KEY=VALUE"),
        (("--facts", "no-such.json"), "no-such.json"),
        (("--facts", GENERAL), "not JSON"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], hint: str) -> None:
    result = CliRunner(env={"COLUMNS": "300"}).invoke(
        app, ["explain", GENERAL, "--offline", *arguments]
    )
    assert result.exit_code == 2
    assert hint in result.stderr


def test_reach_is_a_table_by_label() -> None:
    lines = run("reach", GENERAL).stdout.splitlines()
    assert lines[0].split() == ["route", "public", "internal", "confidential", "restricted"]
    assert lines[-1].split("  ")[0] == "general"
    assert lines[-1].endswith("EU (own only)")
    rows = json.loads(run("reach", GENERAL, "--json").stdout)
    assert rows[-1]["deployments"] == ["large-fra", "small-fra"]


def test_schema_prints_or_writes(tmp_path: Path) -> None:
    schema = json.loads(run("schema", "policy").stdout)
    assert schema["title"] == "Headgate Policy"
    assert run("schema", "polcy").exit_code == 2
    result = run("schema", "--write", str(tmp_path))
    assert result.exit_code == 0
    assert json.loads((tmp_path / "policy.json").read_text()) == schema
