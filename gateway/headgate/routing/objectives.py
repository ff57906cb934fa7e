"""Items of `prefer`: what they read from a candidate, and which values they take for equal.

With a tolerance, values fall into classes counted from the best: the first class is everything
`within` of the best, the next what is within that again, and so on (equal steps on a logarithmic
scale; nothing but zero is close to zero). Unknown values: a metric nobody has measured yet counts
as the best, so that a new deployment gets its first requests; an unknown cost or evaluation comes
after all known ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headgate.config.policy import Prefer
from headgate.routing.sites import Site

Read = Callable[[Site, int | None, Mapping[str, float]], float | None]
"""Gives the value from (site, estimated cost, metrics); `None` is unknown."""

_SLACK = 1e-9
"""Of a class's border, for values that lie on it but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """One prepared item. `step` is the width of a class as a logarithm, 0 without tolerance."""

    read: Read
    maximize: bool
    step: float
    unknown_last: bool

    def classes(self, values: Sequence[float | None]) -> list[float]:
        """The class of each value: lower is better, equal is equal."""
        classes = self._near(values) if self.step else self._exact(values)
        known = [number for number in classes if number is not None]
        unknown = math.inf if self.unknown_last or not known else min(known)
        return [unknown if number is None else number for number in classes]

    def _exact(self, values: Sequence[float | None]) -> list[float | None]:
        if self.maximize:
            return [None if value is None else -value for value in values]
        return list(values)

    def _near(self, values: Sequence[float | None]) -> list[float | None]:
        positive = [value for value in values if value]
        if not positive:
            return [None if value is None else 0.0 for value in values]
        if self.maximize:
            return self._steps(values, max(positive), zero=math.inf, sign=-1.0)
        return self._steps(values, min(positive), zero=-1.0, sign=1.0)

    def _steps(
        self, values: Sequence[float | None], best: float, zero: float, sign: float
    ) -> list[float | None]:
        classes: list[float | None] = []
        for value in values:
            if not value:
                classes.append(None if value is None else zero)
                continue
            steps = sign * math.log(value / best) / self.step - _SLACK
            classes.append(math.ceil(steps) - 1.0 if steps > 1.0 else 0.0)
        return classes


def prepare(prefer: Prefer) -> Objective:
    """The objective behind an item of `prefer`."""
    name, maximize = prefer.objective, prefer.maximize is not None
    return Objective(
        read=_reading(name),
        maximize=maximize,
        step=_step(prefer.within, maximize),
        unknown_last=name == "cost" or name.startswith("eval."),
    )


def _step(within: float, maximize: bool) -> float:
    if not maximize:
        return math.log1p(within)
    return -math.log1p(-within) if within < 1 else math.inf


def _reading(name: str) -> Read:
    if name == "cost":
        return lambda site, cost, metrics: cost
    if name.startswith("eval."):
        score = name.removeprefix("eval.")
        return lambda site, cost, metrics: site.evals.get(score)
    return lambda site, cost, metrics: metrics.get(name)
