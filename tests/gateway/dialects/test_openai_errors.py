"""The error envelope is the same in all of OpenAI's dialects."""

from __future__ import annotations

import json

import pytest

from headgate.dialects.base import ClientDialect
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from headgate.dialects.openai_responses import OPENAI_RESPONSES
from headgate.errors import GatewayError, InvalidRequest

DIALECTS = [OPENAI_CHAT, OPENAI_COMPLETIONS, OPENAI_EMBEDDINGS, OPENAI_RESPONSES]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_envelope(dialect: ClientDialect) -> None:
    error = InvalidRequest("`n` must be between 1 and 128; it is 0.", "n")
    assert json.loads(dialect.error(error)) == {
        "error": {
            "message": "`n` must be between 1 and 128; it is 0.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_request",
        }
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "insufficient_quota"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (408, "invalid_request_error"),
        (413, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "server_error"),
        (504, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    envelope = json.loads(OPENAI_CHAT.error(GatewayError(status, "any_code", "Words.")))
    assert envelope["error"]["type"] == kind
