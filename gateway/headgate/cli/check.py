"""`headgate check`: is this configuration right, and do its own tests hold?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from headgate.cli.output import JsonOption, count, fail, print_json, print_problem
from headgate.config.configuration import Configuration
from headgate.config.extensions import installed
from headgate.config.load import draft
from headgate.config.problems import ConfigError, Problem
from headgate.routing.findings import PolicyError
from headgate.routing.testing import Result, run_tests

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        envvar="HEADGATE_CONFIG",
        show_default="the built-in configuration",
        help="Files, or folders of files.",
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Look at no environment variable and no secret file; for machines without them.",
    ),
]


def check(paths: Paths = None, offline: Offline = False, as_json: JsonOption = False) -> None:
    """Validate every document and run the tests inside the policies.

    Problems go to standard error as FILE:LINE:COLUMN: what is wrong.

    The exit status is 1 if there is one, or if a test fails.
    """
    try:
        report = examine(paths or [], offline=offline)
    except ConfigError as error:
        report = Report(problems=error.problems)
    if as_json:
        print_json(report.as_data())
    else:
        _print(report)
    if not report.ok:
        raise fail()


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. Without a configuration there are problems."""

    problems: tuple[Problem, ...] = ()
    configuration: Configuration | None = None
    tests: int = 0

    @property
    def ok(self) -> bool:
        """Whether the configuration is right and its tests hold."""
        return not self.problems

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What is worth saying and no mistake."""
        return self.configuration.notices if self.configuration else ()

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of what a configuration is made of."""
        if self.configuration is None:
            return {}
        return {
            "document": len(self.configuration.documents),
            "deployment": len(self.configuration.catalog.deployments),
            "route": sum(len(policy.spec.routes) for policy in self.configuration.policies),
            "team": len(self.configuration.access.teams),
            "test": self.tests,
        }

    def as_data(self) -> dict[str, Any]:
        """The report for programs."""
        found = self.configuration
        return {
            "ok": self.ok,
            "problems": [_as_data(problem) for problem in self.problems],
            "notices": [_as_data(notice) for notice in self.notices],
            "counts": {f"{noun}s": number for noun, number in self.counts.items()},
            "left_out": sorted(found.absent) if found else [],
            "catalog_digest": found.catalog_digest if found else None,
            "policy_digest": found.policy_digest if found else None,
        }


def examine(paths: Sequence[Path], *, offline: bool) -> Report:
    """Load the configuration and run its tests. Raises `ConfigError`.

    The tests see every deployment, also those that do not join in this environment, so that they
    hold or fail on every machine alike.
    """
    found = draft(paths, installed())
    everything = found.offline()
    configuration = everything if offline else found.complete(os.environ)
    try:
        results = run_tests(everything)
    except PolicyError as error:
        problems = [everything.problem(f.document, f.place, f.message) for f in error.findings]
        raise ConfigError(problems) from None
    failures = tuple(_failure(everything, result) for result in results if not result.passed)
    return Report(failures, configuration, len(results))


def _failure(configuration: Configuration, result: Result) -> Problem:
    message = f"the test `{result.name}` fails: {'; '.join(result.mistakes)}"
    return configuration.problem(result.document, result.place, message)


def _print(report: Report) -> None:
    for line in (*report.problems, *report.notices):
        print_problem(line)
    if report.problems:
        print_problem(count(len(report.problems), "problem"))
        return
    parts = [count(number, noun) for noun, number in report.counts.items() if number]
    typer.echo(f"ok: {', '.join(parts)}")
    if report.configuration and report.configuration.absent:
        absent = count(len(report.configuration.absent), "deployment")
        typer.echo(f"left out by `requires_env` here: {absent} (--json names them)")


def _as_data(problem: Problem) -> dict[str, Any]:
    mark = problem.mark
    return {
        "file": problem.file,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "message": problem.message,
    }
