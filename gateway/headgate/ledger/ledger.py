"""The seam between the request path and where the record is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headgate.ledger.rows import AttemptRow, RequestRow


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """How the record keeping is doing.

    `backlog` are requests taken and not yet durable, `lag_s` the age of the oldest of them,
    `dropped` those that were lost (backlog full, or a row that cannot be stored), `error` the last
    failure in words, until a write succeeds.
    """

    written: int = 0
    backlog: int = 0
    dropped: int = 0
    lag_s: float = 0.0
    error: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether writes succeed."""
        return self.error is None


class Ledger(Protocol):
    """Where finished requests go."""

    def append(
        self, request: RequestRow, attempts: Sequence[AttemptRow], decision: bytes | None = None
    ) -> None:
        """Take a finished request with its attempts and its decision record (JSON).

        Called from the event loop: returns at once and never raises. A request id that is there
        already is not written again.
        """
        ...

    async def decision(self, decision_id: str) -> bytes | None:
        """A decision record; `None` if there is none, or it is older than what is kept."""
        ...

    def status(self) -> LedgerStatus:
        """How the record keeping is doing."""
        ...

    def close(self) -> None:
        """Write what was taken, then stop. May be called twice."""
        ...
