"""`POST /v1/messages/count_tokens`: what a request would weigh, without asking a model."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES, count_tokens_body
from headgate.http.body import BodyLimits, read_json
from headgate.http.caller import CurrentEngine, identity_of
from headgate.http.credentials import headers_of, presented_request_id
from headgate.http.inference import forwarded
from headgate.http.responses import json_body
from headgate.pipeline.context import Exchange, new_id


class CountTokensEndpoint:
    """Asks the deployment that would answer; estimates where its vendor does not count."""

    def __init__(self, engine: CurrentEngine, limits: BodyLimits) -> None:
        self._engine = engine
        self._limits = limits

    async def post(self, request: Request) -> Response:
        """The count in Anthropic's shape."""
        engine = self._engine()
        headers = headers_of(request.scope)
        identity = identity_of(request, engine)
        body = await read_json(request.receive, headers, self._limits)
        own_id = new_id()
        exchange = Exchange(
            id=own_id,
            request_id=presented_request_id(headers) or own_id,
            dialect=ANTHROPIC_MESSAGES,
            body=body,
            summary=ANTHROPIC_MESSAGES.inspect_count(body),
            identity=identity,
            headers=forwarded(headers),
        )
        return json_body(count_tokens_body(await engine.count_tokens(exchange)))
