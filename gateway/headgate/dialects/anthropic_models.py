"""Anthropic's shape of `GET /v1/models` and `/v1/models/{id}`.

https://docs.anthropic.com/en/api/models-list
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from headgate.dialects.openai_shared import to_json


def models_body(models: Sequence[tuple[str, int]]) -> bytes:
    """The list of models, each given by its id and its time of creation in Unix seconds."""
    return to_json(
        {
            "data": [_model(identity, created) for identity, created in models],
            "has_more": False,
            "first_id": models[0][0] if models else None,
            "last_id": models[-1][0] if models else None,
        }
    )


def model_body(identity: str, created: int) -> bytes:
    """One model."""
    return to_json(_model(identity, created))


def _model(identity: str, created: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": identity, "display_name": identity, "created_at": moment}
