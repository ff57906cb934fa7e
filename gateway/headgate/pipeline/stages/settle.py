"""Settle: whatever the ending, write it down once: ledger, decision record, metrics, log, trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import orjson
from structlog.typing import FilteringBoundLogger

from headgate.config.catalog import Deployment
from headgate.errors import GatewayError
from headgate.ledger.ledger import Ledger
from headgate.ledger.prices import NOT_BILLED, Charge, Price, charge, total_usd
from headgate.ledger.rows import AttemptRow, Outcome, RequestRow
from headgate.pipeline.context import Attempt, Exchange
from headgate.routing.explain import to_record
from headgate.telemetry.exporters import Recorder
from headgate.telemetry.metrics import Metrics
from headgate.telemetry.tracing import AttemptSpan, RequestSpan

FindPrice = Callable[[str], Price | None]
"""The price in force for a deployment; `None` if it is unknown."""


class Settle:
    """Turns an ended exchange into records."""

    def __init__(
        self,
        ledger: Ledger,
        price: FindPrice,
        deployments: Mapping[str, Deployment],
        metrics: Metrics,
        recorders: Sequence[Recorder],
        logger: FilteringBoundLogger,
    ) -> None:
        self._ledger = ledger
        self._price = price
        self._deployments = deployments
        self._metrics = metrics
        self._recorders = recorders
        self._logger = logger

    @contextmanager
    def recording(self, exchange: Exchange) -> Iterator[None]:
        """Record the ending of the block."""
        outcome: Outcome = "ok"
        code = "ok"
        try:
            yield
        except GatewayError as error:
            outcome = "error" if exchange.attempts else "refused"
            code = error.code
            raise
        except (asyncio.CancelledError, GeneratorExit):
            outcome, code = "cancelled", "client_gone"
            raise
        except BaseException:
            outcome, code = "error", "internal_error"
            raise
        finally:
            self._record(exchange, outcome, code)

    def charge(self, exchange: Exchange, attempt: Attempt) -> Charge:
        """What an ended attempt cost; worked out once."""
        if attempt.charge is None:
            usage = attempt.billed_usage(exchange.input_tokens_estimate)
            price = self._price(attempt.deployment)
            attempt.charge = NOT_BILLED if usage is None else charge(usage, price)
        return attempt.charge

    def cost_usd(self, exchange: Exchange, attempt: Attempt) -> Decimal | None:
        """What all attempts so far cost, `attempt` the last; `None` if one of them is unknown."""
        charges = [self.charge(exchange, each).usd for each in exchange.attempts[: attempt.number]]
        return total_usd(charges)

    def _record(self, exchange: Exchange, outcome: Outcome, code: str) -> None:
        request = self._request_row(exchange, outcome, code)
        attempts = [self._attempt_row(exchange, attempt) for attempt in exchange.attempts]
        self._ledger.append(request, attempts, _decision_record(exchange, attempts, outcome, code))
        self._count(exchange, request, attempts, code)
        self._log(request, attempts, exchange.request_id, code)
        if self._recorders:
            self._export(exchange, request, attempts, code)

    def _request_row(self, exchange: Exchange, outcome: Outcome, code: str) -> RequestRow:
        identity, decision = exchange.identity, exchange.decision
        last = exchange.attempts[-1] if exchange.attempts else None
        first_token_s = None
        if last is not None and last.first_token_s is not None:
            first_token_s = last.started_s - exchange.arrived_s + last.first_token_s
        return RequestRow(
            id=exchange.id,
            at=exchange.arrived_at,
            team=identity.team,
            route=exchange.route_name or "",
            dialect=exchange.dialect.name,
            operation=exchange.dialect.operation,
            model=exchange.summary.model,
            outcome=outcome,
            duration_s=time.monotonic() - exchange.arrived_s,
            streamed=exchange.summary.stream,
            project=identity.project,
            user=identity.user,
            key_id=identity.key_id,
            error_code=None if outcome == "ok" else code,
            policy_digest=decision.policy_digest if decision else None,
            decision_id=exchange.id,
            first_token_s=first_token_s,
        )

    def _attempt_row(self, exchange: Exchange, attempt: Attempt) -> AttemptRow:
        deployment = self._deployments[attempt.deployment]
        usage = attempt.billed_usage(exchange.input_tokens_estimate)
        charged = self.charge(exchange, attempt)
        return AttemptRow(
            request_id=exchange.id,
            number=attempt.number,
            deployment=attempt.deployment,
            provider=deployment.provider,
            model=deployment.model_name,
            started=attempt.started_at,
            duration_s=attempt.duration_s or 0.0,
            outcome=attempt.outcome,
            region=deployment.region,
            jurisdiction=deployment.jurisdiction,
            status=attempt.error.status if attempt.error else 200,
            first_token_s=attempt.first_token_s,
            usage=usage,
            price_version=charged.price_version,
            cost_usd=charged.usd,
            cost_source=charged.source,
            finish_reason=attempt.finish,
            upstream_id=attempt.upstream_id,
        )

    def _count(
        self, exchange: Exchange, request: RequestRow, attempts: list[AttemptRow], code: str
    ) -> None:
        overhead_s = None
        if exchange.attempts:
            overhead_s = exchange.attempts[0].started_s - exchange.arrived_s
        self._metrics.request_ended(
            route=request.route,
            team=request.team,
            code=code,
            operation=request.operation,
            duration_s=request.duration_s,
            first_token_s=request.first_token_s if request.streamed else None,
            overhead_s=overhead_s,
        )
        for row in attempts:
            usage = row.usage
            self._metrics.attempt_ended(
                deployment=row.deployment,
                provider=row.provider,
                operation=request.operation,
                outcome=row.outcome,
                duration_s=row.duration_s,
                tokens=(usage.input_tokens, usage.output_tokens) if usage else None,
                team=request.team,
                cost_usd=row.cost_usd,
            )

    def _log(
        self, request: RequestRow, attempts: list[AttemptRow], request_id: str, code: str
    ) -> None:
        self._logger.info(
            "request",
            request_id=request_id,
            id=request.id,
            team=request.team,
            route=request.route,
            operation=request.operation,
            outcome=request.outcome,
            code=code,
            duration_ms=round(request.duration_s * 1000, 1),
            attempts=[f"{row.deployment}: {row.outcome}" for row in attempts],
        )

    def _export(
        self, exchange: Exchange, request: RequestRow, attempts: list[AttemptRow], code: str
    ) -> None:
        span = RequestSpan(
            id=request.id,
            operation=request.operation,
            dialect=request.dialect,
            route=request.route,
            team=request.team,
            code=code,
            start=request.at,
            duration_s=request.duration_s,
            trace_parent=exchange.trace_parent,
            policy_digest=request.policy_digest,
            streamed=request.streamed,
        )
        tries = [
            AttemptSpan(
                number=row.number,
                deployment=row.deployment,
                provider=row.provider,
                model=row.model,
                outcome=row.outcome,
                start=row.started,
                duration_s=row.duration_s,
                first_token_s=row.first_token_s,
                usage=row.usage,
                finish_reason=row.finish_reason,
                response_id=row.upstream_id,
                response_model=attempt.upstream_model,
                cost_usd=row.cost_usd,
            )
            for row, attempt in zip(attempts, exchange.attempts, strict=True)
        ]
        for recorder in self._recorders:
            recorder.record(span, tries)


def _decision_record(
    exchange: Exchange, attempts: list[AttemptRow], outcome: str, code: str
) -> bytes | None:
    if exchange.decision is None:
        return None
    record: dict[str, Any] = {
        "id": exchange.id,
        "team": exchange.identity.team,
        "request_id": exchange.request_id,
        "at": exchange.arrived_at,
        "result": {"outcome": outcome, "code": code},
        "decision": to_record(exchange.decision),
        "attempts": [
            {
                "number": row.number,
                "deployment": row.deployment,
                "outcome": row.outcome,
                "status": row.status,
                "reason": attempt.error.kind if attempt.error else None,
                "started": row.started,
                "duration_s": round(row.duration_s, 6),
                "first_token_s": row.first_token_s,
                "usage_source": row.usage_source,
                "cost_usd": None if row.cost_usd is None else format(row.cost_usd, "f"),
            }
            for row, attempt in zip(attempts, exchange.attempts, strict=True)
        ],
    }
    return orjson.dumps(record)
