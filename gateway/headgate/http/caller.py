"""Who calls an endpoint that asks no model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from starlette.requests import Request

from headgate.access.identities import Identity
from headgate.http.credentials import headers_of, presented_key
from headgate.pipeline.engine import Engine

CurrentEngine: TypeAlias = Callable[[], Engine]
"""The engine of the configuration in force."""


def identity_of(request: Request, engine: Engine) -> Identity:
    """Whose key it is; raises `GatewayError` 401."""
    return engine.admit.authenticate(presented_key(headers_of(request.scope)))
