"""One request on its way: what is known of it, and what each attempt came to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import getrandbits
from typing import Any

from headgate.access.identities import Identity
from headgate.dialects.base import ClientDialect, Summary
from headgate.ledger.prices import Charge
from headgate.routing.decision import Decision
from headgate_providers.sdk import (
    BackendError,
    Embedding,
    Event,
    Failed,
    Finish,
    MediaDelta,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for estimates; never used where the vendor counts."""

_MAY_BE_BILLED = frozenset({"ok", "cancelled", "timeout"})


def new_id() -> str:
    """32 hexadecimal digits that sort by time: 48 bits of milliseconds, then 80 random ones.

    Unique, not secret: knowing an id opens nothing.
    """
    return f"{time.time_ns() // 1_000_000:012x}{getrandbits(80):020x}"


@dataclass(slots=True)
class Attempt:
    """One upstream try. Times are seconds of the monotonic clock unless they say otherwise."""

    number: int
    deployment: str
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_s: float = field(default_factory=time.monotonic)
    first_token_s: float | None = None
    duration_s: float | None = None
    outcome: str = "open"
    error: BackendError | None = None
    usage: Usage | None = None
    finish: str | None = None
    upstream_id: str | None = None
    upstream_model: str | None = None
    deltas: int = 0
    characters: int = 0
    charge: Charge | None = None

    def observe(self, events: Sequence[Event]) -> None:
        """Take from a batch what the ledger needs."""
        for event in events:
            kind = type(event)
            if kind is Raw:
                self.deltas += event.deltas  # type: ignore[union-attr]
            elif kind is TextDelta or kind is ReasoningDelta:
                self.deltas += 1
                self.characters += len(event.text)  # type: ignore[union-attr]
            elif kind is ToolCallDelta:
                self.deltas += 1
                self.characters += len(event.arguments)  # type: ignore[union-attr]
            elif kind is Embedding or kind is MediaDelta:
                self.deltas += 1
            elif kind is UsageReported:
                self.usage = event.usage  # type: ignore[union-attr]
            elif kind is Finish:
                self.finish = event.native or event.reason  # type: ignore[union-attr]
            elif kind is Start:
                self.upstream_id = event.id  # type: ignore[union-attr]
                self.upstream_model = event.model  # type: ignore[union-attr]
            elif kind is Failed:
                self.error = event.error  # type: ignore[union-attr]
        if self.first_token_s is None and self.deltas:
            self.first_token_s = time.monotonic() - self.started_s

    def end(self, outcome: str, error: BackendError | None = None) -> None:
        """Close it; only the first end counts."""
        if self.outcome == "open":
            self.outcome = outcome
            self.error = error or self.error
            self.duration_s = time.monotonic() - self.started_s

    def billed_usage(self, input_tokens_estimate: int) -> Usage | None:
        """What the vendor may bill; `None` where it bills nothing.

        A finished reply is what the vendor says it is. One that was not finished is estimated
        from what was seen of it, because what a vendor says at the start of a stream is not its
        last word. A refusal is not billed; an attempt that the client or a timeout ended before
        any output may have cost its input.
        """
        if self.finish is not None and self.usage is not None:
            return self.usage
        if not self.deltas and self.outcome not in _MAY_BE_BILLED:
            return None
        seen = max(self.characters // CHARACTERS_PER_TOKEN, self.deltas)
        if self.usage is None:
            return Usage(input_tokens_estimate, seen, source="estimated")
        output = max(self.usage.output_tokens, seen)
        return replace(self.usage, output_tokens=output, source="estimated")


@dataclass(slots=True)
class Exchange:
    """One request and all that happens to it.

    `id` is the gateway's own, `request_id` what the client sees (its own one, if well-formed).
    `body` is replaced, never changed, when a guard modifies texts.
    """

    id: str
    request_id: str
    dialect: ClientDialect
    body: Mapping[str, Any]
    summary: Summary
    identity: Identity
    headers: Mapping[str, str] = field(default_factory=dict)
    arrived_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    arrived_s: float = field(default_factory=time.monotonic)
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    trace_parent: str | None = None
    label: str | None = None

    @property
    def route_name(self) -> str | None:
        """The route that took it, once that is known."""
        return self.decision.route if self.decision else None

    @property
    def input_tokens_estimate(self) -> int:
        """The input in tokens, by rule of thumb."""
        return self.summary.input_characters // CHARACTERS_PER_TOKEN + 1
