"""The tests inside a policy: given a request and a world, expect a decision."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema, model_validator

from headgate.config.base import Strict
from headgate.config.catalog import Modality, Name
from headgate.config.units import DurationS, Share, Tokens
from headgate_providers.sdk import Feature, Operation

ReasonCode: TypeAlias = Literal[
    "tier",
    "jurisdiction",
    "region",
    "operator",
    "provider",
    "training",
    "retention_days",
    "status",
    "clearance",
    "operation",
    "modality",
    "capability",
    "language",
    "context",
    "parameter",
    "circuit",
]
"""Why a deployment is no candidate; of several reasons the first in this order is given."""

WishName: TypeAlias = Literal[
    "ttft_p50",
    "ttft_p95",
    "latency_p50",
    "latency_p95",
    "queue",
    "error_rate",
    "max_cost",
    "tag",
]
"""The keys of `should`."""


class GivenCaller(Strict):
    """Who asks."""

    team: str | None = None
    project: str | None = None
    key: str | None = None
    user: str | None = None
    region: str | None = None


class GivenRequest(Strict):
    """What is asked."""

    model: str
    """The model name the client asks for."""
    operation: Operation = "chat"
    tokens_in: Tokens = 0
    """Tokens of the prompt."""
    tokens_out: Tokens = 0
    """Tokens of the reply, at most."""
    language: str | None = None
    """As a two-letter code."""
    modalities: Annotated[tuple[Modality, ...], Field(alias="in", min_length=1)] = ("text",)
    """What the prompt holds."""
    features: tuple[Feature, ...] = ()
    """What else it needs: tools, json_schema, seed …"""
    metadata: dict[str, str] = {}
    """What the caller says about it."""
    stream: bool = False


class Given(Strict):
    """The facts of a request."""

    request: GivenRequest
    caller: GivenCaller = GivenCaller()
    label: Name | None = None
    """The sensitivity label; the lowest one if left out."""
    conversation: str | None = None
    """What experiments stick to."""


def _names_to_reasons(value: object) -> object:
    return dict.fromkeys(value, "circuit open") if isinstance(value, list | tuple) else value


Down: TypeAlias = Annotated[
    dict[Name, str],
    BeforeValidator(_names_to_reasons),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"type": "string"}},
            ]
        }
    ),
]
"""Names of deployments that do not answer, or a mapping from name to reason."""


class GivenMetrics(Strict):
    """What was measured at a deployment."""

    ttft_p50: DurationS | None = None
    ttft_p95: DurationS | None = None
    latency_p50: DurationS | None = None
    latency_p95: DurationS | None = None
    queue: Annotated[float, Field(ge=0)] | None = None
    error_rate: Share | None = None

    @property
    def known(self) -> dict[str, float]:
        """Those that are given, in seconds and fractions."""
        return self.model_dump(exclude_none=True)


class GivenWorld(Strict):
    """The state of everything else. By default all is up, nothing is measured or spent."""

    down: Down = {}
    """Deployments that do not answer."""
    metrics: dict[Name, GivenMetrics] = {}
    """Measurements per deployment."""
    budget: dict[str, Annotated[float, Field(ge=0)]] = {}
    """The used fraction of each budget scope, such as `{team: 0.96}`."""
    now: AwareDatetime | None = None
    """The moment; 2026-01-01T00:00:00Z if left out."""


class Expect(Strict):
    """What the decision must be. At least one key; those left out are not compared."""

    route: Name | None = None
    """The route that takes the request."""
    tier: str | None = None
    """The tier of the chosen deployment."""
    deployment: Name | None = None
    """The chosen deployment."""
    plan: tuple[Name, ...] | None = None
    """All candidates in order."""
    relaxed: tuple[WishName, ...] | None = None
    """The wishes that the chosen deployment misses, no more and no fewer."""
    deny: str | None = None
    """The code of the refusal."""
    because: dict[Name, ReasonCode] = {}
    """Why these deployments are no candidates."""
    skipped: dict[Name, ReasonCode] = {}
    """The same, for a request that is served."""
    no_match: bool | None = None
    """No route takes the request."""
    arm: Name | None = None
    """The arm of the route's experiment."""

    @model_validator(mode="after")
    def _something(self) -> Expect:
        if not self.model_fields_set:
            raise ValueError("a test must expect something")
        return self


class PolicyTest(Strict):
    """One case."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """A sentence: what must hold."""
    given: Given
    """The request."""
    world: GivenWorld = GivenWorld()
    """The state of everything else."""
    expect: Expect
    """The decision."""
