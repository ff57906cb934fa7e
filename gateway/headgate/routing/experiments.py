"""Which arm of an experiment a conversation belongs to."""

from __future__ import annotations

import hashlib

from headgate.config.experiment import ExperimentSpec


def position(salt: str, unit: str) -> float:
    """A place in [0, 100) that never changes: the first 64 bits of SHA-256 of `salt:unit`.

    Big-endian, as a fraction of 2^64, times 100. Anyone can recompute an assignment from this.
    """
    digest = hashlib.sha256(f"{salt}:{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 / 2**64


def assign(experiment: ExperimentSpec, unit: str) -> str:
    """The arm of `unit`. The arms with a percentage divide [0, 100) from the bottom, in order.

    The arm without one takes the rest. Raising the share of the last of them moves nobody between
    the others.
    """
    place = position(experiment.salt, unit)
    bound = 0.0
    rest = ""
    for name, arm in experiment.arms.items():
        if arm.percent is None:
            rest = name
            continue
        bound += arm.percent
        if place < bound:
            return name
    return rest
