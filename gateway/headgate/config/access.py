"""Kind `Access`: teams, and the keys they call with. A key is kept as its hash only."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from headgate.config.base import Strict
from headgate.config.catalog import ApiVersion, Metadata, Name
from headgate.config.validation import misplaced

_HASH = re.compile(r"^sha256:[0-9a-f]{64}$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_HOW_TO_HASH = "write `hash: sha256:…` instead, from `printf %s KEY | sha256sum`"
_PLAIN = ("key", "value", "secret", "token", "api_key", "password")


def _hash(value: str) -> str:
    if _HASH.match(value) is None:
        raise ValueError(f"a key never stands here itself; {_HOW_TO_HASH}")
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    text = value if isinstance(value, str) else ""
    try:
        if _DATE.match(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        moment = datetime.min
    if moment.tzinfo is None:
        raise ValueError("write the last day, as 2027-03-31, or a moment, as 2027-03-31T12:00:00Z")
    return moment


KeyHash: TypeAlias = Annotated[
    str,
    AfterValidator(_hash),
    WithJsonSchema({"type": "string", "pattern": _HASH.pattern}),
]
"""`sha256:` and the 64 hexadecimal digits of the key's SHA-256."""

Expiry: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2027-03-31", "2027-03-31T12:00:00Z"]}),
]
"""The last day (UTC), or a moment with its time zone."""

Glob: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S+$")]
"""A model name; `*` stands for any characters."""


class Team(Strict):
    """People who share keys, budgets and a report."""

    name: Name
    """Unique in the configuration."""
    models: tuple[Glob, ...] | None = None
    """The models it may use; all if left out."""
    label: Name | None = None
    """The sensitivity of what it sends unless a request says more; the lowest by default."""
    metadata: dict[Name, str] = {}
    """Facts that policies may ask for, as `caller.region` for the member `region`."""


class Key(Strict):
    """A key of a team, known by its hash."""

    hash: KeyHash
    """`sha256:` and 64 hexadecimal digits; the key itself stands nowhere."""
    name: Name
    """What reports and logs call it."""
    team: Name
    """Whose key it is."""
    models: tuple[Glob, ...] | None = None
    """The models it may use of those its team may; all of them if left out."""
    project: Name | None = None
    """What its calls are reported under."""
    user: str | None = None
    """Who holds it."""
    expires: Expiry | None = None
    """The last day it works (UTC), or a moment; it does not expire if left out."""
    admin: bool = False
    """Whether it opens `/admin`."""

    @model_validator(mode="before")
    @classmethod
    def _no_plain_key(cls, value: Any) -> Any:
        for member in _PLAIN:
            if isinstance(value, dict) and member in value:
                raise misplaced(member, f"a key never stands in a file; {_HOW_TO_HASH}")
        return value


class AccessSpec(Strict):
    """What an access document holds."""

    teams: tuple[Team, ...] = ()
    """Who may call."""
    keys: tuple[Key, ...] = ()
    """With what."""


class Access(Strict):
    """Teams, and the keys they call with."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Access"]
    metadata: Metadata | None = None
    spec: AccessSpec
