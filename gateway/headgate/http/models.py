"""`GET /v1/models`: what this key may use, in the list shape of whoever asks."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from headgate.dialects.anthropic_models import model_body, models_body
from headgate.errors import GatewayError
from headgate.http.caller import CurrentEngine, identity_of
from headgate.http.responses import json_body

CREATED = 1_767_225_600
"""2026-01-01: both dialects require a date, and a gateway's names have none of their own."""


class ModelEndpoints:
    """The model list and its entries."""

    def __init__(self, engine: CurrentEngine) -> None:
        self._engine = engine

    async def list(self, request: Request) -> Response:
        """All names the key may ask for."""
        names = self._allowed(request)
        if "anthropic-version" in request.headers:
            return json_body(models_body([(name, CREATED) for name in names]))
        rows = [_model(name) for name in names]
        return json_body(orjson.dumps({"object": "list", "data": rows}))

    async def get(self, request: Request) -> Response:
        """One name."""
        name = request.path_params["model"]
        if name not in self._allowed(request):
            raise GatewayError(
                404, "model_not_found", "No such model; GET /v1/models lists them.", param="model"
            )
        if "anthropic-version" in request.headers:
            return json_body(model_body(name, CREATED))
        return json_body(orjson.dumps(_model(name)))

    def _allowed(self, request: Request) -> tuple[str, ...]:
        identity = identity_of(request, self._engine())
        return tuple(name for name in self._engine().model_names if identity.may_use(name))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "headgate"}
