"""What a decision depends on: the facts of the request and the state of the world. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from headgate_providers.sdk import Operation

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it is known."""

    team: str | None = None
    project: str | None = None
    key: str | None = None
    user: str | None = None
    region: str | None = None


ANYONE = Caller()


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is asked. No content.

    `features` are the words of `headgate_providers.sdk.Feature`, `modalities` what the prompt holds
    (`text`, `image`, `audio`, `document`). `tokens_in` and `tokens_out` are estimates, the latter
    bounded by the caller. `label` is the sensitivity (`None`: the lowest; an unknown one is above
    all). `request_id` breaks ties; without it names do. `conversation` is what experiments stick
    to.
    """

    model: str
    operation: Operation = "chat"
    features: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset({"text"})
    tokens_in: int = 0
    tokens_out: int = 0
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    caller: Caller = ANYONE
    label: str | None = None
    stream: bool = False
    request_id: str | None = None
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """The state of everything else, taken before the decision.

    `down` names the deployments that cannot be asked and why; `metrics` holds measurements per
    deployment by the names of `should` (seconds, fractions, counts: finite, not negative; absent is
    unknown); `budgets` the used fraction of the budgets that this request counts against, by scope.
    `now` is aware. `snapshot_id` identifies the fleet's state in decision records.
    """

    now: datetime
    down: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    budgets: Mapping[str, float] = field(default_factory=dict)
    snapshot_id: str = ""
