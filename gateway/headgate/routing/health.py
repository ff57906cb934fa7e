"""The state of the fleet, learnt from attempts: what is down, how quick each deployment is.

Passive only. A deployment that fails `FAILURES_MAX` times in a row rests for `REST_S`; one whose
vendor says how long to wait rests that long. The first attempt after a rest decides anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from headgate.routing.facts import World
from headgate_providers.sdk import BackendError, ErrorKind

FAILURES_MAX = 3
REST_S = 5.0
RATE_LIMITED_REST_S = 1.0
"""A vendor that limits without a hint is left alone this long."""
SAMPLES_MAX = 128

_COUNTED: frozenset[ErrorKind] = frozenset(
    {"connect", "reset", "timeout", "overloaded", "http_5xx", "malformed", "auth", "quota"}
)
"""Failures that say something about the deployment; a caller's mistake does not."""


@dataclass(slots=True)
class _Record:
    in_flight: int = 0
    failures: int = 0
    first_tokens_s: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    durations_s: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    failed: deque[bool] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))


class _Measured(Mapping[str, float]):
    """The metrics of one deployment by the names policies use, each worked out when asked for."""

    def __init__(self, record: _Record) -> None:
        self._record = record

    def __getitem__(self, name: str) -> float:
        record = self._record
        match name:
            case "queue":
                return float(record.in_flight)
            case "ttft_p50" | "ttft_p95":
                return _percentile(record.first_tokens_s, int(name[-2:]))
            case "latency_p50" | "latency_p95":
                return _percentile(record.durations_s, int(name[-2:]))
            case "error_rate" if record.failed:
                return sum(record.failed) / len(record.failed)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in _NAMES if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_NAMES = ("queue", "ttft_p50", "ttft_p95", "latency_p50", "latency_p95", "error_rate")


def _percentile(samples: Sequence[float], percent: int) -> float:
    if not samples:
        raise KeyError("no sample yet")
    return sorted(samples)[min(len(samples) * percent // 100, len(samples) - 1)]


class Health:
    """One per gateway; it outlives reloads, because deployments keep their names."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._resting: dict[str, tuple[float, str]] = {}

    def opened(self, deployment: str) -> None:
        """An attempt has begun."""
        self._record(deployment).in_flight += 1

    def closed(
        self,
        deployment: str,
        now_s: float,
        *,
        error: BackendError | None,
        answered: bool,
        first_token_s: float | None,
        duration_s: float,
    ) -> None:
        """An attempt is over: with an error, `answered`, or given up by the client."""
        record = self._record(deployment)
        record.in_flight -= 1
        if first_token_s is not None:
            record.first_tokens_s.append(first_token_s)
        if answered:
            record.durations_s.append(duration_s)
            record.failed.append(False)
            record.failures = 0
        elif error is not None:
            self._count(deployment, record, error, now_s)

    def world(self, now_s: float) -> World:
        """What a decision at `now_s` (monotonic seconds) may know."""
        for name in [n for n, (until_s, _) in self._resting.items() if until_s <= now_s]:
            del self._resting[name]
        down = {name: reason for name, (_, reason) in self._resting.items()}
        return World(datetime.now(UTC), down, _Metrics(self._records))

    def _count(self, name: str, record: _Record, error: BackendError, now_s: float) -> None:
        if error.kind == "rate_limited":
            rest_s = error.retry_after_s or RATE_LIMITED_REST_S
            self._resting[name] = (now_s + rest_s, f"rate limited for {rest_s:g} s")
        if error.kind not in _COUNTED:
            return
        record.failed.append(True)
        record.failures += 1
        if record.failures >= FAILURES_MAX:
            rest_s = max(error.retry_after_s or 0.0, REST_S)
            reason = f"circuit open ({record.failures} failures in a row, last: {error.kind})"
            self._resting[name] = (now_s + rest_s, reason)

    def _record(self, name: str) -> _Record:
        record = self._records.get(name)
        if record is None:
            record = self._records[name] = _Record()
        return record


class _Metrics(Mapping[str, Mapping[str, float]]):
    """The metrics of each deployment, computed only where a policy asks."""

    def __init__(self, records: Mapping[str, _Record]) -> None:
        self._records = records

    def __getitem__(self, name: str) -> Mapping[str, float]:
        return _Measured(self._records[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
