"""What every command prints with: tables for people, JSON for programs, problems for editors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import orjson
import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
"""The option of every command that prints a table."""

_GAP = "  "


def print_json(value: Any) -> None:
    """One JSON value, indented; decimals and paths as text, dates by ISO 8601."""
    packed = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    typer.echo(packed.decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns under their headings, numbers to the right; nothing is cut off."""
    shown = list(rows)
    cells = [[*columns], *([_cell(value) for value in row] for row in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [bool(shown) and all(_is_number(row[i]) for row in shown) for i in range(len(columns))]
    for line in cells:
        padded = (
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        )
        typer.echo(_GAP.join(padded).rstrip())


def print_records(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool) -> None:
    """A table, or the same rows as a JSON list of objects."""
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


def print_problem(problem: object) -> None:
    """A line on standard error."""
    typer.echo(str(problem), err=True)


def fail(message: object | None = None) -> typer.Exit:
    """For `raise fail(…)`: the check failed, exit status 1."""
    if message is not None:
        print_problem(message)
    return typer.Exit(1)


def count(number: int, noun: str) -> str:
    """`1 route`, `2 routes`, `2 policies`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("\n", " ")


def _is_number(value: Any) -> bool:
    return value is None or (not isinstance(value, bool | str) and hasattr(value, "__float__"))
