"""OpenAI's chat completions, `POST /v1/chat/completions`.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from headgate.dialects.base import JsonBody, ReplyHead, Summary
from headgate.dialects.openai_chat_check import inspect
from headgate.dialects.openai_chat_reply import ChatEncoder
from headgate.dialects.openai_chat_request import decode
from headgate.dialects.openai_shared import error_envelope
from headgate.errors import GatewayError
from headgate_providers.sdk import ChatRequest, Dialect, Operation


class OpenAIChat:
    """The client dialect of chat completions."""

    name: Dialect = "openai_chat"
    operation: Operation = "chat"

    def inspect(self, body: JsonBody) -> Summary:
        """See `ClientDialect.inspect`."""
        return inspect(body)

    def decode(self, body: JsonBody, model: str) -> ChatRequest:
        """See `ClientDialect.decode`."""
        return decode(body, model)

    def encoder(self, head: ReplyHead) -> ChatEncoder:
        """See `ClientDialect.encoder`."""
        return ChatEncoder(head)

    def error(self, error: GatewayError) -> bytes:
        """See `ClientDialect.error`."""
        return error_envelope(error)


OPENAI_CHAT = OpenAIChat()
