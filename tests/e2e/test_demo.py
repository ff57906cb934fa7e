"""`make demo` shows the whole job and ends by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.model_server.servers import needs_model_server
from tests.recordings import needs_recordings


@needs_recordings
@needs_model_server
def test_the_demo() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "research asks, own answers (attempt 1)" in done.stdout
    assert "research asks, openai answers (attempt 2)" in done.stdout
    assert "total" in done.stdout
