"""The rows of the ledger: one per accepted request, one per upstream attempt. Only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from headgate.ledger.prices import CostSource
from headgate_providers.sdk import Usage
from headgate_providers.sdk.usage import UsageSource

Outcome: TypeAlias = Literal["ok", "error", "cancelled", "refused"]
"""How a request ended: answered, failed, left by the client, or refused by us."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One upstream try. `number` counts from 1 within the request.

    `outcome` is `ok`, `cancelled` or the kind of the error; `status` the vendor's HTTP status.
    `cost_usd` is `None` where it is unknown, and 0 where the vendor bills nothing. `upstream_id`
    is the vendor's id of the reply. `started` is aware; it is stored in UTC.
    """

    request_id: str
    number: int
    deployment: str
    provider: str
    model: str
    started: datetime
    duration_s: float
    outcome: str
    region: str | None = None
    jurisdiction: str | None = None
    status: int | None = None
    first_token_s: float | None = None
    usage: Usage | None = None
    price_version: str | None = None
    cost_usd: Decimal | None = None
    cost_source: CostSource = "none"
    finish_reason: str | None = None
    upstream_id: str | None = None

    @property
    def usage_source(self) -> UsageSource:
        """Who counted the tokens; `none` if nobody did."""
        return "none" if self.usage is None else self.usage.source


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One accepted client call under our own id.

    `model` is the name the client asked for, `decision_id` that of its decision record,
    `policy_digest` the policy in force. What it cost is the sum of its attempts. `at` is aware.
    """

    id: str
    at: datetime
    team: str
    route: str
    dialect: str
    operation: str
    model: str
    outcome: Outcome
    duration_s: float
    streamed: bool = False
    project: str | None = None
    user: str | None = None
    key_id: str | None = None
    error_code: str | None = None
    policy_digest: str | None = None
    decision_id: str | None = None
    first_token_s: float | None = None
