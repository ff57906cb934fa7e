"""Admit: who calls, and may the key use the model."""

from __future__ import annotations

from headgate.access.identities import Directory, Identity
from headgate.errors import GatewayError
from headgate.pipeline.context import Exchange


class Admit:
    """Turns away unknown keys and models a key may not use."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def authenticate(self, key: str) -> Identity:
        """Whose key it is; raises `GatewayError` 401, the same for absent, wrong and expired."""
        identity = self._directory.lookup(key)
        if identity is None:
            raise GatewayError(
                401,
                "invalid_api_key",
                "Send a valid key as `authorization: Bearer KEY`; "
                "`headgate keys create` makes one.",
            )
        return identity

    def check(self, exchange: Exchange) -> None:
        """Raises `GatewayError` 403 for a model outside the key's list."""
        model = exchange.summary.model
        if not exchange.identity.may_use(model):
            raise GatewayError(
                403,
                "model_not_allowed",
                f"This key may not use the model {model!r}; GET /v1/models lists what it may.",
                param="model",
            )
