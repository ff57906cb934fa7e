"""The Gemini API as a backend, and what it shares with Vertex AI.

https://ai.google.dev/api
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict

from headgate_providers.google.embeddings import gemini_body, read_vectors
from headgate_providers.google.refusal import refusal
from headgate_providers.google.reply import ReplyReader, read_whole
from headgate_providers.google.request import chat_body, prompt_body
from headgate_providers.google.stream import StreamReader
from headgate_providers.sdk import (
    FEATURES,
    BackendError,
    Call,
    Capabilities,
    ChatRequest,
    EmbeddingRequest,
    HttpBackend,
    HttpRequest,
    Reader,
    WholeReader,
)

URL = "https://generativelanguage.googleapis.com/v1beta"
REPLY_BYTES_MAX = 1024 * 1024
"""The bound for the short replies to `count_tokens` and `probe`."""

Threshold: TypeAlias = Literal[
    "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"
]


class GoogleOptions(BaseModel):
    """Options of a deployment of Gemini.

    `safety` sets filters by category, as in `{"HARM_CATEGORY_HARASSMENT": "BLOCK_ONLY_HIGH"}`.
    https://ai.google.dev/gemini-api/docs/safety-settings
    """

    model_config = ConfigDict(extra="forbid")

    safety: dict[str, Threshold] = {}


class GenerateContentBackend(HttpBackend):
    """Everything that speaks `generateContent`; a subclass knows addresses and credentials."""

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion", "embeddings"}),
        features=FEATURES - {"logit_bias", "token_ids"},
    )
    Options: ClassVar[type[BaseModel]] = GoogleOptions

    @abstractmethod
    def url(self, model: str, method: str) -> str:
        """The address of `method` of a model."""

    @abstractmethod
    def embeddings(self, request: EmbeddingRequest) -> tuple[str, dict[str, Any]]:
        """The method for embeddings and its body."""

    @abstractmethod
    def tier(self, tier: str) -> tuple[dict[str, str], dict[str, Any]]:
        """The headers and body members that ask for service tier `flex` or `priority`."""

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        if call.operation == "embeddings":
            method, body = self.embeddings(call.embedding)
            return self.post(self.url(call.model, method), body)
        chat = call.chat
        body = chat_body(chat)
        if self.options.safety:
            body["safetySettings"] = [
                {"category": category, "threshold": threshold}
                for category, threshold in self.options.safety.items()
            ]
        headers: dict[str, str] = {}
        if chat.service_tier in ("flex", "priority"):
            headers, members = self.tier(chat.service_tier)
            body.update(members)
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return self.post(self.url(call.model, method), body, headers)

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        if call.operation == "embeddings":
            return WholeReader(read_vectors)
        one_call = call.chat.parallel_tool_calls is False
        if call.stream:
            return StreamReader(ReplyReader(one_call))
        return WholeReader(lambda body: read_whole(body, one_call))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return refusal(status, headers, body)

    def post(
        self, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> HttpRequest:
        """A request with a JSON body; raises `BackendError` kind `invalid_request`."""
        try:
            data = orjson.dumps(body)
        except TypeError as error:
            raise BackendError(
                "invalid_request",
                "The request is nested too deep or holds a number or character that JSON cannot "
                "carry.",
            ) from error
        return HttpRequest(
            "POST", url, {"content-type": "application/json", **(headers or {})}, data
        )

    async def ask(self, request: HttpRequest) -> Mapping[str, Any]:
        """Send a small question and give the JSON object of its answer. Raises `BackendError`."""
        response = await self.transport.send(
            await self.sign(request), connect_s=self.target.timeouts.connect_s
        )
        try:
            body = await response.read(REPLY_BYTES_MAX)
        finally:
            await response.aclose()
        if not 200 <= response.status < 300:
            raise self.refusal(response.status, response.headers, body)
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BackendError("malformed", "The upstream's reply is not JSON.") from error
        return payload if isinstance(payload, dict) else {}

    def counting(self, chat: ChatRequest, model: str) -> dict[str, Any]:
        """The body of `countTokens`."""
        return prompt_body(chat)

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`."""
        body = self.counting(call.chat, call.model)
        answer = await self.ask(self.post(self.url(call.model, "countTokens"), body))
        total = answer.get("totalTokens")
        return total if isinstance(total, int) else None


class GoogleBackend(GenerateContentBackend):
    """The Gemini API of Google AI, with an API key."""

    default_url = URL
    secret_env = "GEMINI_API_KEY"  # noqa: S105

    def url(self, model: str, method: str) -> str:
        """See `GenerateContentBackend.url`."""
        return f"{self._base}/{quote(_resource(model), safe='/@')}:{method}"

    def embeddings(self, request: EmbeddingRequest) -> tuple[str, dict[str, Any]]:
        """See `GenerateContentBackend.embeddings`."""
        return "batchEmbedContents", gemini_body(request, _resource(request.model))

    def tier(self, tier: str) -> tuple[dict[str, str], dict[str, Any]]:
        """See `GenerateContentBackend.tier`."""
        return {}, {"serviceTier": tier}

    def counting(self, chat: ChatRequest, model: str) -> dict[str, Any]:
        """Only the nested form counts system instruction and tools too."""
        return {"generateContentRequest": {**prompt_body(chat), "model": _resource(model)}}

    async def sign(self, request: HttpRequest) -> HttpRequest:
        """Add the API key."""
        if self.target.secret is None:
            return request
        headers = {**request.headers, "x-goog-api-key": self.target.secret}
        return HttpRequest(request.method, request.url, headers, request.body)

    async def probe(self) -> None:
        """See `Backend.probe`: asks for the model's description."""
        resource = quote(_resource(self.target.model), safe="/@")
        await self.ask(HttpRequest("GET", f"{self._base}/{resource}", {}))

    @property
    def _base(self) -> str:
        return (self.target.url or URL).rstrip("/")


def _resource(model: str) -> str:
    """`gemini-2.5-flash` is `models/gemini-2.5-flash`; tuned models bring their own prefix."""
    return model if "/" in model else f"models/{model}"
