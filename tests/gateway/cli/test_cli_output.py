import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from headgate.cli.output import count, print_json, print_records, print_table

ROWS = [("web", Decimal("12.50"), None), ("legal-department", Decimal("3.1"), "eu\nwest")]


def test_columns_are_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["team", "usd", "region"], ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "team                usd  region",
        "web               12.50",
        "legal-department    3.1  eu west",
    ]


def test_a_table_without_rows_is_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["team", "usd"], [])
    assert capsys.readouterr().out == "team  usd\n"


def test_records_are_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_records(["team", "usd", "region"], ROWS, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found[1] == {"team": "legal-department", "usd": "3.1", "region": "eu\nwest"}


def test_json_keeps_money_exact(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        {"usd": Decimal("0.1000000000000000001"), "file": Path("a"), "day": date(2027, 1, 2)}
    )
    found = json.loads(capsys.readouterr().out)
    assert found == {"usd": "0.1000000000000000001", "file": "a", "day": "2027-01-02"}


def test_nouns_are_counted() -> None:
    assert [count(1, "route"), count(2, "route"), count(2, "policy")] == [
        "1 route",
        "2 routes",
        "2 policies",
    ]
