"""What is wrong with a configuration, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, in a sentence that says what to do. Never contains a secret value."""

    message: str
    file: str
    mark: Mark | None = None

    def __str__(self) -> str:
        place = f":{self.mark.line}:{self.mark.column}" if self.mark else ""
        return f"{self.file}{place}: {self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used.

    `files` are those that were read until then, so that a watcher sees the correction of any.
    """

    def __init__(self, problems: Iterable[Problem], files: Sequence[Path] = ()) -> None:
        self.problems = tuple(problems)
        self.files = tuple(files)
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """The end of a sentence: `` , did you mean `right`? `` or nothing if none is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), by_lower, n=1, cutoff=0.6)
    return f", did you mean `{by_lower[close[0]]}`?" if close else ""
