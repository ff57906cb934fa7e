"""All endpoints in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.dialects.base import ClientDialect
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from headgate.dialects.openai_responses import OPENAI_RESPONSES
from headgate.errors import GatewayError
from headgate.http import responses
from headgate.http.body import BodyLimits
from headgate.http.caller import CurrentEngine
from headgate.http.count_tokens import CountTokensEndpoint
from headgate.http.credentials import headers_of, presented_request_id
from headgate.http.decisions import DecisionEndpoint, FindDecision
from headgate.http.inference import InferenceEndpoint
from headgate.http.models import ModelEndpoints
from headgate.http.system import SystemEndpoints
from headgate.pipeline.context import new_id
from headgate.telemetry.metrics import Metrics

DIALECTS: dict[str, ClientDialect] = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/messages": ANTHROPIC_MESSAGES,
}
"""The endpoints that ask a model."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the endpoints need. Without `metrics` there is no `/metrics`."""

    engine: CurrentEngine
    limits: BodyLimits
    metrics: Metrics | None
    unready: Callable[[], str | None]
    find_decision: FindDecision
    logger: FilteringBoundLogger


class Edge:
    """The ASGI application: endpoints that ask a model at once, everything else by Starlette.

    A model request needs nothing of a web framework, and Starlette's way to an endpoint costs a
    fifth of what the gateway costs per request.
    """

    def __init__(
        self,
        inference: Mapping[str, InferenceEndpoint],
        others: Starlette,
        logger: FilteringBoundLogger,
    ) -> None:
        self._inference = inference
        self._others = others
        self._logger = logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to its endpoint."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        endpoint = self._inference.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is not None:
            await endpoint(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = presented_request_id(headers_of(scope)) or new_id()
        try:
            await self._others(scope, receive, responses.identified(send, request_id))
        except Exception:  # Starlette raises it again after it has answered
            self._logger.exception("request crashed", request_id=request_id)


def new_app(needs: Endpoints, lifespan: Any) -> Edge:
    """The ASGI application."""
    inference = {
        path: InferenceEndpoint(dialect, needs.engine, needs.limits, needs.logger)
        for path, dialect in DIALECTS.items()
    }
    models = ModelEndpoints(needs.engine)
    system = SystemEndpoints(needs.metrics, needs.unready)
    routes = [
        *(Route(path, endpoint, methods=["POST"]) for path, endpoint in inference.items()),
        Route(
            "/v1/messages/count_tokens",
            CountTokensEndpoint(needs.engine, needs.limits).post,
            methods=["POST"],
        ),
        Route("/v1/models", models.list),
        Route("/v1/models/{model:path}", models.get),
        Route("/v1/decisions/{id}", DecisionEndpoint(needs.engine, needs.find_decision).get),
        Route("/livez", system.livez),
        Route("/readyz", system.readyz),
        Route("/", system.root),
    ]
    if needs.metrics is not None:
        routes.append(Route("/metrics", system.metrics))
    others = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            404: responses.unknown_endpoint,
            405: responses.wrong_method,
            GatewayError: responses.refused,
            Exception: responses.crashed,
        },
    )
    return Edge(inference, others, needs.logger)
