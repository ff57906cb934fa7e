"""The generated page is what `make docs` would write now."""

from __future__ import annotations

import pytest

from tests import generated_docs
from tests.generated_docs import FAILS, MIDDLE, PAGE, provider_part, recording_part
from tests.recordings import needs_recordings

STALE = "docs/backends.md is out of date: run `make docs`"


def test_the_providers_are_current() -> None:
    assert PAGE.read_text().partition(MIDDLE)[0] == provider_part(), STALE


@needs_recordings
def test_the_recordings_are_current_and_pass() -> None:
    part = recording_part()
    assert FAILS not in part
    assert PAGE.read_text() == provider_part() + part, STALE


def test_where_no_recordings_are_their_table_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated_docs, "index", lambda: ())
    assert PAGE.read_text().endswith(recording_part())
    assert "| anthropic |" in recording_part()
