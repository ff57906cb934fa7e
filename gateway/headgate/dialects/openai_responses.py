"""OpenAI's responses, `POST /v1/responses`, without its storage.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from headgate.dialects.base import JsonBody, ReplyHead, Summary
from headgate.dialects.openai_responses_check import inspect
from headgate.dialects.openai_responses_reply import ResponsesEncoder
from headgate.dialects.openai_responses_request import decode
from headgate.dialects.openai_shared import error_envelope
from headgate.errors import GatewayError
from headgate_providers.sdk import ChatRequest, Dialect, Operation


class OpenAIResponses:
    """The client dialect of responses."""

    name: Dialect = "openai_responses"
    operation: Operation = "chat"

    def inspect(self, body: JsonBody) -> Summary:
        """See `ClientDialect.inspect`."""
        return inspect(body)

    def decode(self, body: JsonBody, model: str) -> ChatRequest:
        """See `ClientDialect.decode`."""
        return decode(body, model)

    def encoder(self, head: ReplyHead) -> ResponsesEncoder:
        """See `ClientDialect.encoder`."""
        return ResponsesEncoder(head)

    def error(self, error: GatewayError) -> bytes:
        """See `ClientDialect.error`."""
        return error_envelope(error)


OPENAI_RESPONSES = OpenAIResponses()
