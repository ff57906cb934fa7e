"""Patterns of names, in which `*` stands for any characters."""

from __future__ import annotations

import re
from collections.abc import Callable


def globbed(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text fits `pattern`, in which `*` stands for any characters."""
    match = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
    return lambda text: match(text) is not None
