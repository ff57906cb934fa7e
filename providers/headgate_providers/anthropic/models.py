"""What a Claude model takes, read from its name.

The versions differ in how thinking is asked for and in whether sampling may be tuned; a wrong guess
is a 400 for the caller. A name without a version (an alias, another vendor's model behind the same
protocol) gets the oldest and most widely imitated form; the deployment's options override it.
https://docs.anthropic.com/en/docs/about-claude/models/overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model takes.

    `adaptive`: it decides itself how much to think and takes an effort word. `budgets`: it takes a
    number of tokens to think. `sampling`: it takes temperature, top_p and top_k. `max_tokens`: the
    output limit for callers who gave none (the protocol demands one), within what the model can.
    """

    adaptive: bool = False
    budgets: bool = True
    sampling: bool = True
    max_tokens: int = 4096


def traits_of(model: str) -> Traits:
    """The traits of the model with this name.

    >>> traits_of("claude-haiku-4-5-20251001").adaptive, traits_of("claude-sonnet-5").adaptive
    (False, True)
    """
    version = version_of(model)
    if version is None:
        return Traits()
    return Traits(
        adaptive=version >= (4, 6),
        budgets=version < (4, 7),
        sampling=version < (4, 7),
        max_tokens=32_000 if version >= (4, 0) else 8192 if version >= (3, 5) else 4096,
    )


def version_of(model: str) -> tuple[int, int] | None:
    """The version in a name: before or after the family, and never the date at the end."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None
