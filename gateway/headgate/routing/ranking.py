"""The order of candidates: by the first missed wish, by tier, by objective, then by lot.

A newcomer that is not the best of its group on an objective with tolerance never changes the order
of candidates that differ in any of these; without tolerance no newcomer ever does. (Only the lot
looks at neighbours: among equals, consecutive attempts differ in operator or region.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headgate.routing.decision import Candidate
from headgate.routing.objectives import Objective
from headgate.routing.sites import Site


@dataclass(slots=True, eq=False)
class Ranked:
    """A candidate with what it is sorted by. `values` are those of the objectives."""

    candidate: Candidate
    site: Site
    grade: tuple[int, int]
    """Minus the place of the first missed wish, then the tier: lower is better."""
    values: tuple[float | None, ...]


def ordered(
    items: Iterable[Ranked], objectives: Sequence[Objective], request_seed: int | None
) -> list[Ranked]:
    """Best first. Equals are ordered by a hash of `request_seed`, or by name without one."""
    result: list[Ranked] = []
    for equals in _groups(items, objectives):
        if len(equals) > 1:
            equals = _apart(_by_lot(equals, request_seed), result)
        result += equals
    return result


def _groups(items: Iterable[Ranked], objectives: Sequence[Objective]) -> list[list[Ranked]]:
    """Groups of equals, best first."""
    grades: dict[tuple[int, int], list[Ranked]] = {}
    for item in items:
        grades.setdefault(item.grade, []).append(item)
    groups = [grades[grade] for grade in sorted(grades)]
    for place, objective in enumerate(objectives):
        finer: list[list[Ranked]] = []
        for group in groups:
            if len(group) == 1:
                finer.append(group)
            else:
                finer += _classes(group, objective, place)
        groups = finer
    return groups


def _classes(group: list[Ranked], objective: Objective, place: int) -> list[list[Ranked]]:
    classes: dict[float, list[Ranked]] = {}
    numbers = objective.classes([item.values[place] for item in group])
    for item, number in zip(group, numbers, strict=True):
        classes.setdefault(number, []).append(item)
    return [classes[number] for number in sorted(classes)]


_MASK = (1 << 64) - 1


def _by_lot(items: list[Ranked], request_seed: int | None) -> list[Ranked]:
    if request_seed is None:
        return sorted(items, key=lambda item: item.site.name)
    return sorted(items, key=lambda item: (_mixed(request_seed ^ item.site.seed), item.site.name))


def _mixed(bits: int) -> int:
    """The finaliser of splitmix64: every input bit changes every output bit half of the time.

    https://prng.di.unimi.it/splitmix64.c
    """
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def _apart(items: list[Ranked], before: list[Ranked]) -> list[Ranked]:
    """The same, each time the first whose operator or region differs from its predecessor's."""
    left, result = list(items), []
    previous = before[-1].site.domain if before else None
    while left:
        place = next((i for i, item in enumerate(left) if item.site.domain != previous), 0)
        result.append(left.pop(place))
        previous = result[-1].site.domain
    return result
