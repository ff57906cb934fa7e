from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.ledger.report import DIMENSIONS, Line, Report, cost_report
from headgate.ledger.rows import AttemptRow, RequestRow
from headgate.ledger.schema import FILE_NAME, LedgerError
from headgate.ledger.store import SqliteLedger
from headgate_providers.sdk import Usage

DAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
D = Decimal


def write(
    data_dir: Path, *requests: tuple[dict[str, Any], list[tuple[str, str | None, Usage]]]
) -> Path:
    """Requests with attempts (deployment, cost, usage); the model is the deployment's."""
    ledger = SqliteLedger(data_dir)
    for n, (changes, tries) in enumerate(requests):
        facts = {"at": DAY, "team": "red", "route": "assistant", "outcome": "ok", **changes}
        ledger.append(
            RequestRow(
                id=f"r{n}",
                dialect="openai_chat",
                operation="chat",
                model="assistant",
                duration_s=1.0,
                **facts,
            ),
            [
                AttemptRow(
                    request_id=f"r{n}",
                    number=number,
                    deployment=deployment,
                    provider="openai",
                    model=f"model-of-{deployment}",
                    started=DAY,
                    duration_s=1.0,
                    outcome="ok",
                    usage=usage,
                    cost_usd=None if cost is None else D(cost),
                )
                for number, (deployment, cost, usage) in enumerate(tries, 1)
            ],
        )
    ledger.close()
    return data_dir / FILE_NAME


def line(report: Report, *group: str | None) -> Line:
    return next(line for line in report.lines if line.group == group)


def test_sums_by_team_to_the_last_digit(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ({}, [("a", "0.1", Usage(10, 1))]),
        ({}, [("a", "0.2", Usage(20, 2, cache_read_tokens=5))]),
        ({"team": "blue"}, [("a", "0.00000000000000000003", Usage(1, 1))]),
    )
    report = cost_report(path, ["team"])
    assert [each.group for each in report.lines] == [("red",), ("blue",)]
    red = line(report, "red")
    assert (red.requests, red.attempts, red.cost_usd) == (2, 2, D("0.3"))
    assert (red.tokens["input_tokens"], red.tokens["cache_read_tokens"]) == (30, 5)
    assert report.total.cost_usd == D("0.30000000000000000003")


def test_a_request_with_two_attempts_is_counted_once_and_paid_twice(tmp_path: Path) -> None:
    path = write(tmp_path, ({}, [("a", "0.1", Usage(1, 0)), ("b", "0.2", Usage(1, 1))]))
    report = cost_report(path, ["deployment"])
    a, b = line(report, "a"), line(report, "b")
    assert (a.requests, a.attempts, a.cost_usd) == (0, 1, D("0.1"))
    assert (b.requests, b.attempts, b.cost_usd) == (1, 1, D("0.2"))
    assert (report.total.requests, report.total.attempts) == (1, 2)


def test_unknown_costs_are_counted_and_never_zero(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ({}, [("a", None, Usage(1, 1)), ("b", None, Usage(1, 1)), ("b", "0.5", Usage(1, 1))]),
        ({}, [("a", "0", Usage(1, 1))]),
    )
    report = cost_report(path, ["team"])
    assert (report.total.unknown_requests, report.total.cost_usd) == (1, D("0.5"))
    by_deployment = cost_report(path, ["deployment"])
    assert by_deployment.total.unknown_requests == 1
    assert by_deployment.total.requests == 2


def test_estimated_cost_is_shown_apart(tmp_path: Path) -> None:
    estimated = Usage(10, 10, source="estimated")
    path = write(tmp_path, ({}, [("a", "0.25", estimated)]), ({}, [("a", "0.75", Usage(1, 1))]))
    total = cost_report(path, ["team"]).total
    assert (total.estimated_usd, total.cost_usd) == (D("0.25"), D("1.00"))


def test_requests_without_attempts_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, ({"outcome": "refused"}, []))
    report = cost_report(path, ["team", "deployment"])
    assert [each.group for each in report.lines] == [("red", None)]
    assert (report.total.requests, report.total.attempts, report.total.cost_usd) == (1, 0, D(0))


def test_a_period_begins_at_its_start_and_ends_before_its_end(tmp_path: Path) -> None:
    at = [DAY - timedelta(microseconds=1), DAY, DAY + timedelta(days=1)]
    path = write(tmp_path, *(({"at": moment}, [("a", "1", Usage(1, 1))]) for moment in at))
    assert cost_report(path, ["team"], DAY, DAY + timedelta(days=1)).total.requests == 1
    assert cost_report(path, ["team"], since=DAY).total.requests == 2
    assert cost_report(path, ["team"], until=DAY).total.requests == 1
    days = [each.group[0] for each in cost_report(path, ["day"]).lines]
    assert days == ["2026-11-24", "2026-11-25"]


def test_every_dimension(tmp_path: Path) -> None:
    path = write(tmp_path, ({"project": "p", "user": "u"}, [("a", "1", Usage(1, 1))]))
    [one] = cost_report(path, list(DIMENSIONS)).lines
    assert one.group == ("red", "p", "u", "model-of-a", "a", "assistant", "2026-11-24")


def test_what_cannot_be_grouped_by_or_read(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="--data-dir"):
        cost_report(tmp_path / FILE_NAME, ["team"])
    with pytest.raises(KeyError):
        cost_report(write(tmp_path), ["id; DROP TABLE requests"])


def test_an_empty_ledger_has_an_empty_report(tmp_path: Path) -> None:
    report = cost_report(write(tmp_path), ["team"])
    assert (report.lines, report.total.cost_usd) == ((), D(0))


attempts = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.none() | st.decimals(0, 1000, places=15).map(lambda amount: format(amount, "f")),
        st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9)),
    ),
    max_size=3,
)
requests = st.tuples(
    st.fixed_dictionaries(
        {"team": st.sampled_from(["red", "blue"]), "project": st.none() | st.just("p")}
    ),
    attempts,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests, max_size=12), st.sets(st.sampled_from(sorted(DIMENSIONS)), min_size=1))
def test_the_total_is_the_sum_of_the_rows_however_grouped(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[dict[str, Any], list[tuple[str, str | None, Usage]]]],
    by: set[str],
) -> None:
    report = cost_report(write(tmp_path_factory.mktemp("ledger"), *written), sorted(by))
    costs = [D(cost) for _, tries in written for _, cost, _ in tries if cost is not None]
    assert report.total.cost_usd == sum(costs, D(0))
    assert sum((each.cost_usd for each in report.lines), D(0)) == report.total.cost_usd
    assert report.total.requests == len(written)
    assert sum(each.requests for each in report.lines) == len(written)
    assert report.total.attempts == sum(len(tries) for _, tries in written)
    unknown = sum(any(cost is None for _, cost, _ in tries) for _, tries in written)
    assert report.total.unknown_requests == unknown
