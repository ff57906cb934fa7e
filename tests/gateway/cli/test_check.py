import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from headgate.cli import check as module
from tests.gateway.config.extensions_here import EXTENSIONS

GOOD = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {name: own, provider: simulated, model: llama}
    - {name: cloud, provider: simulated, model: llama, secret: env:HEADGATE_TEST_KEY}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: assistant
      match: {model: assistant}
      tiers: [{select: {deployment: own}}, {select: {deployment: cloud}}]
      otherwise: {reject: 503, code: no_capacity}
  tests:
    - name: own first
      given: {request: {model: assistant}}
      expect: {plan: [own, cloud]}
"""

app = typer.Typer(add_completion=False)
app.command()(module.check)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "installed", lambda: EXTENSIONS)
    monkeypatch.delenv("HEADGATE_TEST_KEY", raising=False)
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "main.yaml"
    file.write_text(GOOD)
    return file


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_good_configuration_is_summed_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TEST_KEY", "horse")
    status, out, err = run(file)
    assert (status, out, err) == (0, "ok: 2 documents, 2 deployments, 1 route, 1 test\n", "")


def test_the_configuration_can_come_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_CONFIG", str(file))
    assert run("--offline")[:2] == (0, "ok: 2 documents, 2 deployments, 1 route, 1 test\n")


def test_without_any_the_built_in_one_is_checked() -> None:
    status, out, _ = run("--offline")
    assert status == 0
    assert "1 route" in out


def test_a_missing_secret_fails_unless_offline(file: Path) -> None:
    status, out, err = run(file)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        f"{file}:6:64: the environment variable HEADGATE_TEST_KEY is not set; "
        "`cloud` takes its secret from it",
        "1 problem",
    ]
    assert run("--offline", file)[0] == 0


def test_a_problem_is_told_with_its_place(file: Path) -> None:
    file.write_text(GOOD.replace("match:", "mathc:").replace("name: own,", "nmae: own,"))
    status, out, err = run(file)
    assert (status, out) == (1, "")
    assert f"{file}:5:8: unknown key `nmae` in `spec.deployments[0]`, did you mean `name`?" in err
    assert f"{file}:13:7: unknown key `mathc` in `spec.routes[0]`, did you mean `match`?" in err
    assert err.endswith("problems\n")


def test_a_test_that_fails_is_a_problem_at_its_line(file: Path) -> None:
    file.write_text(GOOD.replace("plan: [own, cloud]", "deployment: cloud"))
    status, _, err = run("--offline", file)
    assert status == 1
    assert err.splitlines() == [
        f"{file}:17:7: the test `own first` fails: deployment: expected cloud, got own",
        "1 problem",
    ]


def test_an_expression_that_cannot_be_read_is_a_problem_at_its_line(file: Path) -> None:
    file.write_text(GOOD.replace("{model: assistant}\n      tiers", '{when: "1 +"}\n      tiers'))
    status, _, err = run("--offline", file)
    assert status == 1
    assert err.startswith(f"{file}:13:21: ")


def test_json_carries_the_same(file: Path) -> None:
    status, out, err = run("--offline", "--json", file)
    found = json.loads(out)
    assert (status, err, found["ok"], found["problems"]) == (0, "", True, [])
    assert found["counts"] == {
        "documents": 2,
        "deployments": 2,
        "routes": 1,
        "teams": 0,
        "tests": 1,
    }
    assert len(found["catalog_digest"]) == 64
    status, out, err = run("--json", file)
    found = json.loads(out)
    assert (status, err, found["ok"], found["counts"]) == (1, "", False, {})
    assert found["problems"][0] | {"message": ""} == {
        "file": str(file),
        "line": 6,
        "column": 64,
        "message": "",
    }


def test_wrong_usage_has_a_status_of_its_own() -> None:
    assert run("--offlin")[0] == 2
