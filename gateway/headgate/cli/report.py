"""`headgate report`: what was spent, by whom and on what."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from headgate.cli.output import fail, print_json, print_table
from headgate.config.data_dir import default_data_dir
from headgate.ledger.report import DIMENSIONS, Line, Report, cost_report
from headgate.ledger.schema import FILE_NAME, LedgerError

app = typer.Typer(help="Cost reports from the ledger.", no_args_is_help=True)


class Format(StrEnum):
    """How the report is printed."""

    table = "table"
    csv = "csv"
    json = "json"


By = Annotated[
    str,
    typer.Option("--by", metavar="NAMES", help=f"Group by one or more of {', '.join(DIMENSIONS)}."),
]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="D", help="First day (UTC), or a moment: 2026-11-01T12:00Z."),
]
Until = Annotated[
    str | None,
    typer.Option("--to", metavar="D", help="Last day (UTC), or a moment, not included."),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="HEADGATE_DATA_DIR", help="Where the ledger is."),
]


@app.callback()
def _group() -> None:
    """Cost reports from the ledger."""


@app.command()
def cost(
    by: By = "team",
    since: Since = None,
    until: Until = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    data_dir: DataDir = None,
) -> None:
    """What was spent, exact to the last digit.

    UNKNOWN counts requests with an attempt whose cost is not known; it is missing in the cost.

    ESTIMATED is the share of the cost that rests on estimated token counts.
    """
    names = _dimensions(by)
    bounds = _moment(since, "--from"), _moment(until, "--to", last=True)
    folder = data_dir or default_data_dir(os.environ)
    try:
        report = cost_report(folder / FILE_NAME, names, *bounds)
    except LedgerError as error:
        raise fail(error) from None
    _PRINTERS[Format.json if as_json else format](report)


def _dimensions(by: str) -> list[str]:
    names = [name.strip() for name in by.split(",")]
    for name in names:
        if name not in DIMENSIONS:
            raise typer.BadParameter(
                f"{name!r} is none of {', '.join(DIMENSIONS)}.", param_hint="--by"
            )
    return list(dict.fromkeys(names))


def _moment(text: str | None, option: str, *, last: bool = False) -> datetime | None:
    """A day, of which `last` means the end, or a moment (UTC unless it says otherwise)."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-24"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=1) if last else day
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "Write a day as 2026-11-24, or a moment as 2026-11-24T12:00:00Z.", param_hint=option
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Plain(Decimal):
    """An amount that prints all its digits and no exponent."""

    def __str__(self) -> str:
        return format(self, "f")


_TABLE_TOKENS = {
    "input": ("input_tokens",),
    "cached": ("cache_read_tokens",),
    "cache writes": ("cache_write_tokens", "cache_write_1h_tokens"),
    "output": ("output_tokens",),
    "reasoning": ("reasoning_tokens",),
}
"""The token columns of the table; csv and json have every class."""


def _print_table(report: Report) -> None:
    lines = [*report.lines, report.total]
    columns = [
        *report.by,
        "requests",
        "attempts",
        *_TABLE_TOKENS,
        "cost usd",
        "unknown",
        "estimated",
    ]
    groups = [[value or "-" for value in line.group] for line in report.lines]
    groups.append(["total", *[""] * (len(report.by) - 1)])
    print_table(
        [column.upper() for column in columns],
        [_table_row(group, line) for group, line in zip(groups, lines, strict=True)],
    )


def _table_row(group: Sequence[str], line: Line) -> list[Any]:
    share = line.estimated_usd / line.cost_usd if line.cost_usd else Decimal(0)
    return [
        *group,
        line.requests,
        line.attempts,
        *(sum(line.tokens[name] for name in names) for names in _TABLE_TOKENS.values()),
        _Plain(line.cost_usd),
        line.unknown_requests,
        f"{share:.0%}",
    ]


def _record(by: Sequence[str], line: Line) -> dict[str, Any]:
    """A line with every class of token; amounts are text, so that no digit is lost."""
    return {
        **dict(zip(by, line.group, strict=False)),
        "requests": line.requests,
        "attempts": line.attempts,
        "unknown_requests": line.unknown_requests,
        "cost_usd": format(line.cost_usd, "f"),
        "estimated_usd": format(line.estimated_usd, "f"),
        **line.tokens,
    }


def _print_csv(report: Report) -> None:
    """One row per group and no total: a sheet sums for itself."""
    text = io.StringIO()
    columns = [*report.by, *_record((), report.total)]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for line in report.lines:
        writer.writerow({**_record(report.by, line), **_safe_names(report.by, line)})
    typer.echo(text.getvalue(), nl=False)


def _safe_names(by: Sequence[str], line: Line) -> dict[str, str]:
    """Names that a sheet would take for a formula get an apostrophe in front."""
    return {
        name: f"'{value}" if value and value[0] in "=+-@\t\r" else value or ""
        for name, value in zip(by, line.group, strict=True)
    }


def _print_json(report: Report) -> None:
    print_json(
        {
            "by": list(report.by),
            "rows": [_record(report.by, line) for line in report.lines],
            "total": _record((), report.total),
        }
    )


_PRINTERS: dict[Format, Callable[[Report], None]] = {
    Format.table: _print_table,
    Format.csv: _print_csv,
    Format.json: _print_json,
}
