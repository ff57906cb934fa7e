"""Ids for the tool calls of models that give none."""

from __future__ import annotations

from hashlib import sha256

_PREFIX = "gcall_"


def own_id(*facts: object) -> str:
    """A short id that is always the same for the same facts, in letters every vendor takes."""
    return _PREFIX + sha256(repr(facts).encode()).hexdigest()[:24]


def is_own_id(identity: str) -> bool:
    """Whether the id is ours, so that Google never saw it."""
    return identity.startswith(_PREFIX)
