"""The demonstration runs to its end and shows what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.model_server.servers import needs_model_server
from tests.recordings import needs_recordings

ROOT = Path(__file__).parents[2]
END_S = 60


@needs_model_server
@needs_recordings
@pytest.mark.server
def test_the_demonstration() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.walkthrough"],
        capture_output=True, text=True, cwd=ROOT, timeout=END_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("3. Our own server is stopped")
    assert before.count("own: ok") == 2
    assert "cloud: ok" not in before
    assert after.count("own: connect, then cloud: ok") == 3
    assert after.count("     | 1\n     | 2\n     | 3\n") == 3
    report = after.split("4. What it cost")[1]
    for team in ("search", "support"):
        assert f"   {team}" in report
    assert "In all 5 requests" in report
