"""`headgate policy`: look at routing rules without sending anything anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import orjson
import typer
from pydantic import Field, ValidationError

from headgate.cli.check import Offline, Paths
from headgate.cli.output import JsonOption, count, fail, print_json, print_problem, print_table
from headgate.config.base import Strict
from headgate.config.configuration import Configuration
from headgate.config.extensions import installed
from headgate.config.load import load
from headgate.config.policy_test import Given, GivenWorld
from headgate.config.problems import ConfigError, Problem, did_you_mean
from headgate.config.schema import as_text, schemas, write_schemas
from headgate.ledger.price_book import PriceBook
from headgate.pipeline.surroundings import surroundings
from headgate.routing import explain as explaining
from headgate.routing import lint as linting
from headgate.routing.compile import Compiled, compile_documents
from headgate.routing.decision import Decision
from headgate.routing.findings import Finding, PolicyError
from headgate.routing.plan import plan
from headgate.routing.reach import Reach
from headgate.routing.reach import reach as reached
from headgate.routing.refusals import unknown_model
from headgate.routing.sites import NO_SURROUNDINGS, Surroundings
from headgate.routing.testing import Result, coverage, facts_of, run_tests, world_of
from headgate_providers.sdk import FEATURES, Operation

app = typer.Typer(
    help="Check, test and explain routing policies. Needs no network.", no_args_is_help=True
)


@app.command()
def lint(
    paths: Paths = None,
    today: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day to compare review dates with."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find routes nothing reaches, rules that never hold, words nobody has, overdue reviews.

    The exit status is 1 if there is a warning or an error; a note is only worth knowing.
    """
    configuration = _loaded(paths)
    day = today.date() if today else date.today()
    with _locating(configuration):
        findings = linting.lint(configuration, day)
    problems = [_located(configuration, finding) for finding in findings]
    if as_json:
        rows = zip(findings, problems, strict=True)
        print_json([{"severity": f.severity, **_place(problem)} for f, problem in rows])
    else:
        for finding, problem in zip(findings, problems, strict=True):
            typer.echo(f"{_where(problem)}{finding.severity}: {problem.message}")
        doubtful = sum(finding.severity != "note" for finding in findings)
        typer.echo(f"{count(doubtful, 'warning')}, {count(len(findings) - doubtful, 'note')}")
    if any(finding.severity != "note" for finding in findings):
        raise fail()


@app.command()
def test(
    paths: Paths = None,
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Only say what no test has looked at.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the tests inside policies and experiments.

    The exit status is 1 if one fails, or if a route, a refusal or a wish has no test.
    """
    configuration = _loaded(paths)
    with _locating(configuration):
        results = run_tests(configuration)
    gaps = [_located(configuration, gap) for gap in coverage(configuration, results)]
    failed = [result for result in results if not result.passed]
    if as_json:
        print_json(
            {
                "tests": [_result(configuration, result) for result in results],
                "gaps": [_place(gap) for gap in gaps],
            }
        )
    else:
        _print_results(configuration, results, gaps)
    if failed or (gaps and not allow_gaps):
        raise fail()


class Question(Strict):
    """What `--facts` reads: the same words as a test inside a policy."""

    given: Given
    world: GivenWorld = Field(default_factory=GivenWorld)


@app.command()
def explain(
    paths: Paths = None,
    model: Annotated[str | None, typer.Option(help="The model name a client asks for.")] = None,
    operation: Annotated[str, typer.Option(help="chat, completion or embeddings.")] = "chat",
    team: Annotated[str | None, typer.Option(help="The caller's team.")] = None,
    region: Annotated[str | None, typer.Option(help="The caller's region.")] = None,
    label: Annotated[str | None, typer.Option(help="The sensitivity label.")] = None,
    language: Annotated[str | None, typer.Option(help="As a two-letter code.")] = None,
    tokens_in: Annotated[int, typer.Option(min=0, help="Tokens of the prompt.")] = 1000,
    tokens_out: Annotated[int, typer.Option(min=0, help="Tokens of the reply, at most.")] = 500,
    feature: Annotated[
        list[str] | None, typer.Option(help="What it needs, such as tools; repeat for several.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE; repeat for several.")
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(help="The conversation's id, for experiments.")
    ] = None,
    down: Annotated[
        list[str] | None, typer.Option(help="A deployment that does not answer.")
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(help="A JSON file with `given` and `world`, as in a policy's test."),
    ] = None,
    offline: Offline = False,
    as_json: JsonOption = False,
) -> None:
    """Say where a request would go, and why each deployment is or is not a candidate."""
    if facts is None:
        request = {
            "model": _given(model),
            "operation": _one_of(operation, get_args(Operation), "--operation"),
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "language": language,
            "features": [_one_of(name, sorted(FEATURES), "--feature") for name in feature or ()],
            "metadata": dict(_pair(text) for text in metadata or ()),
        }
        caller = {"team": team, "region": region}
        given = {"request": request, "caller": caller, "label": label}
        given["conversation"] = conversation
        question = Question.model_validate({"given": given, "world": {"down": down or []}})
    else:
        question = _read(facts)
    decision = _decided(_loaded(paths, offline=offline), question)
    if as_json:
        print_json(explaining.to_record(decision))
    else:
        typer.echo(explaining.to_text(decision))


@app.command()
def reach(paths: Paths = None, as_json: JsonOption = False) -> None:
    """Show which jurisdictions each route can ever reach, by sensitivity label."""
    compiled = _compiled(_loaded(paths))
    rows = reached(compiled)
    if as_json:
        print_json([_reach(row) for row in rows])
        return
    by_route: dict[str, list[str]] = {}
    for row in rows:
        by_route.setdefault(row.route, []).append(str(row))
    print_table(["route", *compiled.labels], [[route, *cells] for route, cells in by_route.items()])


@app.command()
def schema(
    kind: Annotated[
        str | None, typer.Argument(help="catalog, policy, overlay …; all of them if left out.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write all of them into this folder instead.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the documents, for editors."""
    if write is not None:
        for file in write_schemas(write):
            typer.echo(str(file))
        return
    known = schemas()
    if kind is None:
        print_json(known)
        return
    typer.echo(as_text(known[_one_of(kind.lower(), list(known), "KIND")]), nl=False)


def _loaded(paths: Sequence[Path] | None, *, offline: bool = True) -> Configuration:
    try:
        return load(paths or [], installed(), offline=offline)
    except ConfigError as error:
        _give_up(error.problems)


@contextmanager
def _locating(configuration: Configuration) -> Iterator[None]:
    """Contradictions between documents become problems with a place, and end the command."""
    try:
        yield
    except PolicyError as error:
        _give_up(_located(configuration, finding) for finding in error.findings)


def _give_up(problems: Iterable[object]) -> NoReturn:
    for problem in problems:
        print_problem(problem)
    raise fail()


def _compiled(configuration: Configuration, around: Surroundings = NO_SURROUNDINGS) -> Compiled:
    with _locating(configuration):
        return compile_documents(configuration, around)


def _decided(configuration: Configuration, question: Question) -> Decision:
    compiled = _compiled(configuration, surroundings(configuration, PriceBook()))
    world = world_of(question.world)
    if question.world.now is None:
        world = replace(world, now=datetime.now(UTC))
    decision = plan(compiled, facts_of(question.given), world)
    if decision.outcome == "unknown_model":
        refusal = unknown_model(decision.facts.model, compiled.model_names)
        return replace(decision, refusal=refusal)
    return decision


def _given(model: str | None) -> str:
    if model is None:
        raise typer.BadParameter("give the model name a client asks for, or --facts FILE")
    return model


def _one_of(value: str, known: Sequence[str], option: str) -> str:
    if value not in known:
        hint = did_you_mean(value, known) or f"; known are {', '.join(known)}"
        raise typer.BadParameter(f"there is no `{value}`{hint}", param_hint=option)
    return value


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"write KEY=VALUE, not `{text}`", param_hint="--metadata")
    return key, value


def _read(file: Path) -> Question:
    try:
        return Question.model_validate(orjson.loads(file.read_bytes()))
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--facts") from None
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{file}: not JSON: {error}", param_hint="--facts") from None
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise typer.BadParameter(f"{file}: {details}", param_hint="--facts") from None


def _located(configuration: Configuration, remark: Finding | Result) -> Problem:
    message = remark.message if isinstance(remark, Finding) else "; ".join(remark.mistakes)
    return configuration.problem(remark.document, remark.place, message)


def _where(problem: Problem) -> str:
    return str(problem).removesuffix(problem.message)


def _place(problem: Problem) -> dict[str, Any]:
    mark = problem.mark
    return {
        "file": problem.file,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "message": problem.message,
    }


def _print_results(
    configuration: Configuration, results: Sequence[Result], gaps: Sequence[Problem]
) -> None:
    for result in results:
        typer.echo(f"{'ok  ' if result.passed else 'FAIL'}  {result.name}")
        if not result.passed:
            typer.echo(f"      {_located(configuration, result)}")
    for gap in gaps:
        typer.echo(f"gap   {gap}")
    failed = sum(not result.passed for result in results)
    typer.echo(f"{count(len(results), 'test')}, {failed} failed, {count(len(gaps), 'gap')}")


def _result(configuration: Configuration, result: Result) -> dict[str, Any]:
    place = _place(_located(configuration, result))
    mistakes = {"passed": result.passed, "mistakes": list(result.mistakes)}
    return {"name": result.name, **mistakes, "file": place["file"], "line": place["line"]}


def _reach(row: Reach) -> dict[str, Any]:
    return {
        "route": row.route,
        "label": row.label,
        "jurisdictions": list(row.jurisdictions),
        "deployments": list(row.deployments),
        "own_only": row.own_only,
    }
