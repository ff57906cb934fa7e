"""Kind `Catalog`: what there is to route to.

Models say what they can do, deployments say where they run, under whose law and at what price.
Everything but a deployment's name, provider and model may be left out; what is unknown never
satisfies a policy's `must`.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from headgate.config.base import Strict
from headgate.config.units import DurationS, Tokens

ApiVersion: TypeAlias = Literal["headgate/v1"]

Name: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$", max_length=128)
]
"""A name of something: letters, digits and `. _ : / @ + -`."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""One name, or a list of names of which any will do."""

_REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$")


def _reference(value: str) -> str:
    if _REFERENCE.match(value) is None:
        raise ValueError("write a reference, env:NAME or file:/path, never the secret itself")
    return value


SecretReference: TypeAlias = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _REFERENCE.pattern,
            "examples": ["env:OPENAI_API_KEY", "file:/run/secrets/openai"],
        }
    ),
]
"""Where a secret is: `env:NAME` or `file:/path`."""

Sensitivity: TypeAlias = tuple[Name, ...]
DEFAULT_SENSITIVITY: Sensitivity = ("public", "internal", "confidential", "restricted")

Modality: TypeAlias = Literal["text", "image", "audio", "document"]
ModelStatus: TypeAlias = Literal["approved", "trial", "deprecated", "blocked"]
ModelCapability: TypeAlias = Literal[
    "chat",
    "completion",
    "embeddings",
    "tools",
    "parallel_tool_calls",
    "json_object",
    "json_schema",
    "reasoning",
]


class Metadata(Strict):
    """Who answers for a document."""

    name: Name
    """What other documents and messages call it."""
    owner: str | None = None
    """The team to ask."""
    review_by: date | None = None
    """The day after which `headgate policy lint` asks for a review."""


class Model(Strict):
    """What a model can do, wherever it is deployed. What is left out is taken as possible."""

    status: ModelStatus = "approved"
    """Only `approved` models get traffic; a `trial` model only through an experiment."""
    capabilities: tuple[ModelCapability, ...] | None = None
    """What it can do. `chat` implies `completion`, `tools` implies `parallel_tool_calls`,
    `json_schema` implies `json_object`."""
    input: tuple[Modality, ...] | None = Field(default=None, alias="in")
    """What it takes: text, image, audio, document."""
    output: tuple[Modality, ...] | None = Field(default=None, alias="out")
    """What it makes."""
    context: Tokens | None = None
    """Input and output together, in tokens."""
    languages: tuple[str, ...] = ("*",)
    """The languages it is good at, as two-letter codes; `*` is any."""
    evals: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Scores by name, higher is better; a policy can `maximize: eval.NAME`."""
    aliases: tuple[Name, ...] = ()
    """Other names a client may ask for it by."""


class Price(Strict):
    """USD per million tokens of each class. A class left out costs what `in` or `out` costs."""

    input: Annotated[Decimal, Field(ge=0)] = Field(alias="in")
    """Input tokens."""
    output: Annotated[Decimal, Field(ge=0)] = Field(alias="out")
    """Output tokens, reasoning included."""
    cache_read: Annotated[Decimal, Field(ge=0)] | None = None
    """Input tokens that the vendor read from its prompt cache."""
    cache_write: Annotated[Decimal, Field(ge=0)] | None = None
    """Input tokens that the vendor wrote to its prompt cache."""
    cache_write_1h: Annotated[Decimal, Field(ge=0)] | None = None
    """Input tokens written to the cache for an hour."""
    audio_in: Annotated[Decimal, Field(ge=0)] | None = None
    """Audio input tokens."""
    audio_out: Annotated[Decimal, Field(ge=0)] | None = None
    """Audio output tokens."""
    image_in: Annotated[Decimal, Field(ge=0)] | None = None
    """Image input tokens."""
    image_out: Annotated[Decimal, Field(ge=0)] | None = None
    """Image output tokens."""


class DataTerms(Strict):
    """What the operator does with what it sees."""

    training: bool
    """Whether it trains on it."""
    retention_days: Annotated[int, Field(ge=0)]
    """How long it keeps it; 0 is not at all."""


class TimeoutLimits(Strict):
    """Limits of one attempt. What is left out comes from the deployment, then from the default."""

    connect_s: DurationS | None = Field(default=None, alias="connect")
    """Until the connection stands; 2s by default."""
    first_token_s: DurationS | None = Field(default=None, alias="first_token")
    """Until the first output of a streamed reply; 20s by default."""
    idle_s: DurationS | None = Field(default=None, alias="idle")
    """Between two pieces of a streamed reply; 20s by default."""
    total_s: DurationS | None = Field(default=None, alias="total")
    """For the whole attempt; 120s by default."""


class Deployment(Strict):
    """One place where a model answers."""

    name: Name
    """Unique in the configuration."""
    provider: Name
    """The backend that speaks to it; `headgate providers list` shows what is installed."""
    model: Name
    """A model of the catalog, or else the model name the provider knows."""
    upstream_model: Name | None = None
    """The model name the provider knows, where it differs from `model`; `env:NAME` reads it."""
    url: str | None = None
    """Where it answers, or `env:NAME` to read it from there; cloud providers have a default."""
    secret: SecretReference | dict[Name, SecretReference] | None = None
    """A reference to the credential, or several by name."""
    region: Name | None = None
    """Where it runs; some providers build the address from it."""
    jurisdiction: Name | None = None
    """Whose law it is under."""
    operator: Name | None = None
    """Who runs it; `self` is you."""
    clearance: Name | None = None
    """The highest sensitivity label it may see; the lowest one by default."""
    data: DataTerms | None = None
    """What the operator does with the data."""
    price: Price | None = None
    """Overrides the price list."""
    tags: tuple[Name, ...] = ()
    """Words of your own to select by."""
    timeouts: TimeoutLimits = TimeoutLimits()
    """Limits of one attempt."""
    options: dict[str, Any] = {}
    """Settings of the provider, checked against its schema."""
    requires_env: str | None = None
    """Environment variables that must be set for the deployment to join; `!NAME` must not be."""
    serves: tuple[Name, ...] = ()
    """Further model names a client may ask for it by."""

    @property
    def model_name(self) -> str:
        """The model name that the provider is asked for."""
        return self.upstream_model or self.model

    @property
    def secret_references(self) -> dict[str, str]:
        """The references by name; a single one is called `key`."""
        if isinstance(self.secret, str):
            return {"key": self.secret}
        return dict(self.secret or {})


Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone; write one such as Europe/Berlin") from error
    return value


Zone: TypeAlias = Annotated[str, AfterValidator(_zone)]
Clock: TypeAlias = Annotated[str, StringConstraints(pattern=_CLOCK)]


class Window(Strict):
    """Hours of the week by the wall clock of a time zone; an expression asks `in_window("…")`."""

    tz: Zone
    """The time zone, such as `Europe/Berlin`."""
    days: tuple[Day, ...] = _DAYS
    """The days on which it begins."""
    start: Clock = Field(alias="from")
    """When it begins, such as `"08:00"`."""
    end: Clock = Field(alias="to")
    """When it is over; if not later than `from`, on the next day."""

    def contains(self, moment: datetime) -> bool:
        """Whether the (aware) moment is inside."""
        local = moment.astimezone(ZoneInfo(self.tz))
        now = local.time().replace(tzinfo=None)
        start, end = _clock(self.start), _clock(self.end)
        today = _DAYS[local.weekday()] in self.days
        if start < end:
            return today and start <= now < end
        yesterday = _DAYS[(local - timedelta(days=1)).weekday()] in self.days
        return (today and now >= start) or (yesterday and now < end)


def _clock(text: str) -> time:
    return time.max if text == "24:00" else time.fromisoformat(text)


class CatalogSpec(Strict):
    """What a catalog holds."""

    sensitivity: Annotated[Sensitivity, Field(min_length=1)] = DEFAULT_SENSITIVITY
    """The labels of content, from low to high."""
    windows: dict[Name, Window] = {}
    """Hours that policies refer to by name."""
    models: dict[Name, Model] = {}
    """What models can do; a deployment's model need not be listed."""
    deployments: tuple[Deployment, ...] = ()
    """Where models answer."""


class Catalog(Strict):
    """Models, deployments, and the words policies use about them."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Catalog"]
    metadata: Metadata | None = None
    spec: CatalogSpec
