"""Where the ledger and the keys are when nothing says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path

VARIABLE = "HEADGATE_DATA_DIR"


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """`HEADGATE_DATA_DIR`, or the folder the platform has for a user's data."""
    given = environ.get(VARIABLE)
    return Path(given).expanduser() if given else user_data_path("headgate", appauthor=False)
