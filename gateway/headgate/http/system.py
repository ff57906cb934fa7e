"""Endpoints for machines that watch the gateway: `/livez`, `/readyz`, `/metrics`, and `/`."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from headgate.telemetry.metrics import Metrics


class SystemEndpoints:
    """Unauthenticated, and without anything secret.

    `unready` says why the gateway should get no traffic (`None`: it should).
    """

    def __init__(self, metrics: Metrics | None, unready: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._unready = unready

    async def root(self, _: Request) -> Response:
        """For clients that look whether anything is there (`HEAD /`)."""
        return PlainTextResponse("Headgate. The API is under /v1.\n")

    async def livez(self, _: Request) -> Response:
        """The process runs and answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """It should get traffic."""
        reason = self._unready()
        return PlainTextResponse(f"{reason or 'ok'}\n", 503 if reason else 200)

    async def metrics(self, _: Request) -> Response:
        """All metrics in the Prometheus text format."""
        assert self._metrics is not None
        return Response(self._metrics.render(), media_type=self._metrics.content_type)
