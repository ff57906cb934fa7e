"""Kind `Budget`: money per scope and period."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from headgate.config.base import Strict
from headgate.config.catalog import ApiVersion, Metadata, Zone
from headgate.config.units import MoneyUsd, Share


class BudgetScope(Strict):
    """A limit for each of a kind."""

    scope: Literal["org", "team", "project", "user", "key"]
    """Whose spending is counted together; an expression asks `budget("team").used`."""
    limit: MoneyUsd
    """How much each may spend in a period."""
    per: Literal["day", "week", "month"]
    """The period, by the calendar of `tz`."""
    tz: Zone = "UTC"
    """The time zone in which a period begins."""
    exceptions: dict[str, MoneyUsd] = {}
    """Other limits, by name."""


class BudgetThreshold(Strict):
    """What happens at a share of the limit."""

    at: Share
    """The used share."""
    do: Annotated[tuple[Literal["notify", "economy", "reject"], ...], Field(min_length=1)]
    """`economy` is what policies see as `budget("…").used`."""


class BudgetSpec(Strict):
    """What a budget holds."""

    scopes: Annotated[tuple[BudgetScope, ...], Field(min_length=1)]
    thresholds: tuple[BudgetThreshold, ...] = ()
    reserve: Literal["estimate"] = "estimate"
    """What is set aside before the cost is known."""
    on_store_error: Literal["open", "closed"] = "closed"
    """Whether requests pass while the spending cannot be read."""


class Budget(Strict):
    """Money per scope and period.

    This version reads it so that policies can be tested against `budget("…")`, and does not
    enforce it: `notice` says so wherever the document is checked or loaded.
    """

    notice: ClassVar[str] = (
        "this version does not enforce budgets: nothing is rejected, and budget(…) is known in "
        "policy tests only"
    )

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Budget"]
    metadata: Metadata
    spec: BudgetSpec
