"""The worked examples hold, and hold because of what they say."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from headgate.routing.compile import compile_documents
from headgate.routing.lint import lint
from headgate.routing.testing import coverage, run_tests
from tests.gateway.routing.routing_documents import EXAMPLES, loaded

WITH_TESTS = ["eu-assistant", "legal-stricter", "general", "helpdesk-ft-canary"]


@pytest.mark.parametrize("name", WITH_TESTS)
def test_embedded_tests_hold_and_leave_no_gap(name: str) -> None:
    configuration = loaded(EXAMPLES / f"{name}.yaml")
    results = run_tests(configuration)
    assert [(result.name, result.mistakes) for result in results if not result.passed] == []
    assert [str(gap) for gap in coverage(configuration, results)] == []


@pytest.mark.parametrize("name", WITH_TESTS)
def test_lint_has_nothing_but_notes(name: str) -> None:
    findings = lint(loaded(EXAMPLES / f"{name}.yaml"), date(2026, 11, 23))
    assert [str(finding) for finding in findings if finding.severity != "note"] == []


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_every_example_can_be_loaded_by_itself(file: Path) -> None:
    assert compile_documents(loaded(file)).labels == (
        "public",
        "internal",
        "confidential",
        "restricted",
    )


WITHOUT = [
    (
        "eu-assistant",
        "        jurisdiction: [EU]\n",
        "",
        {
            "failover may not cross the border, even with capacity abroad",
            "restricted data never leaves own hardware",
            "a slow own pool yields to a healthy EU vendor for internal data",
        },
    ),
    (
        "legal-stricter",
        "  must: {operator: [self]}\n",
        "",
        {
            "the legal team stays on own hardware",
            "and is refused rather than sent to a vendor",
        },
    ),
    (
        "eu-assistant",
        "        - {ttft_p95: {max: 900ms}}\n",
        "",
        {
            "a slow pool is still used when it is the only lawful one",
            "a slow own pool yields to a healthy EU vendor for internal data",
            "a long queue weighs less than a slow start",
        },
    ),
    (
        "general",
        ' && !in_window("office")',
        "",
        {"batch by day uses the normal lane"},
    ),
    (
        "helpdesk-ft-canary",
        "  allow_status: [trial]",
        "  allow_status: []",
        {
            "a canary conversation gets the trial model first",
        },
    ),
]


@pytest.mark.parametrize(("name", "line", "instead", "failing"), WITHOUT)
def test_without_a_line_just_these_tests_fail(
    name: str, line: str, instead: str, failing: set[str], tmp_path: Path
) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    file = folder / f"{name}.yaml"
    text = file.read_text()
    assert text.count(line) == 1
    file.write_text(text.replace(line, instead))
    results = run_tests(loaded(file))
    assert {result.name for result in results if not result.passed} == failing
