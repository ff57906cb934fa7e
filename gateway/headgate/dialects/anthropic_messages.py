"""Anthropic's Messages API, `POST /v1/messages` and `/v1/messages/count_tokens`.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from headgate.dialects.anthropic_check import inspect
from headgate.dialects.anthropic_decode import decode
from headgate.dialects.anthropic_encode import MessageEncoder, error_envelope
from headgate.dialects.base import JsonBody, ReplyHead, Summary
from headgate.dialects.openai_shared import to_json
from headgate.errors import GatewayError
from headgate_providers.sdk import ChatRequest, Dialect, Operation


class AnthropicMessages:
    """The client dialect of messages."""

    name: Dialect = "anthropic_messages"
    operation: Operation = "chat"

    def inspect(self, body: JsonBody) -> Summary:
        """See `ClientDialect.inspect`."""
        return inspect(body)

    def inspect_count(self, body: JsonBody) -> Summary:
        """The same for a request to count tokens, which needs no `max_tokens`."""
        return inspect(body, limit_required=False)

    def decode(self, body: JsonBody, model: str) -> ChatRequest:
        """See `ClientDialect.decode`."""
        return decode(body, model)

    def encoder(self, head: ReplyHead) -> MessageEncoder:
        """See `ClientDialect.encoder`."""
        return MessageEncoder(head)

    def error(self, error: GatewayError) -> bytes:
        """See `ClientDialect.error`."""
        return error_envelope(error)


ANTHROPIC_MESSAGES = AnthropicMessages()


def count_tokens_body(input_tokens: int) -> bytes:
    """The reply to `POST /v1/messages/count_tokens`."""
    return to_json({"input_tokens": input_tokens})
