"""The backend for OpenAI's dialects: relays what the vendor speaks, translates the rest to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from headgate_providers.catalog import GENERIC, Vendor
from headgate_providers.openai_compat.address import base_address, place
from headgate_providers.openai_compat.embeddings import decode_embeddings
from headgate_providers.openai_compat.errors import read_error
from headgate_providers.openai_compat.reply import StreamReader, decode_chat
from headgate_providers.openai_compat.request import (
    adapted,
    chat_body,
    chat_needs,
    completion_body,
    embedding_needs,
    embeddings_body,
    require,
)
from headgate_providers.sdk import (
    BackendError,
    Call,
    Capabilities,
    Dialect,
    HttpBackend,
    HttpRequest,
    Operation,
    Reader,
    Target,
    Transport,
    WholeReader,
)

FORWARDED = frozenset(
    {
        "anthropic-beta",
        "anthropic-version",
        "http-referer",
        "idempotency-key",
        "openai-beta",
        "traceparent",
        "tracestate",
        "x-title",
    }
)
"""Client headers that may travel on, if the gateway lets them; never a credential or a cookie."""

_ADAPTED: frozenset[Dialect] = frozenset({"openai_chat", "openai_completions", "openai_embeddings"})
_USAGE_ON_REQUEST: frozenset[Dialect] = frozenset({"openai_chat", "openai_completions"})
_ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""A list of models can be long: OpenRouter's has hundreds of kilobytes."""


class OpenAICompatOptions(BaseModel):
    """What differs at this deployment."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    headers: dict[str, str] = {}
    """Further request headers, such as `OpenAI-Organization`; never a secret."""
    defaults: dict[str, Any] = {}
    """Members added to every request body in which the caller did not set them."""
    dialects: frozenset[Dialect] | None = None
    """What the server speaks, where that is not what the provider usually does."""
    stream_options: bool = True
    """Whether the server knows `stream_options`; false for those that refuse it."""


def capabilities_of(vendor: Vendor, dialects: frozenset[Dialect] | None = None) -> Capabilities:
    """What a vendor can do, by its row; `dialects` replaces what the row says it speaks."""
    spoken = vendor.dialects if dialects is None else dialects
    operations: set[Operation] = set()
    if "openai_chat" in spoken:
        operations |= {"chat", "completion"}
    if "openai_completions" in spoken:
        operations.add("completion")
    if "openai_embeddings" in spoken:
        operations.add("embeddings")
    return Capabilities(frozenset(operations), spoken, vendor.features)


class OpenAICompatBackend(HttpBackend):
    """Reaches deployments of one vendor; without a row of the catalog, any such server."""

    capabilities = capabilities_of(GENERIC)
    Options = OpenAICompatOptions

    def __init__(self, target: Target, transport: Transport, *, vendor: Vendor = GENERIC) -> None:
        """See `Backend`. Raises `ValueError` where there is no address."""
        super().__init__(target, transport)
        self.options: OpenAICompatOptions
        self.vendor = self.specialised(vendor)
        self.capabilities = capabilities_of(self.vendor, self.options.dialects)
        self._base = base_address(self.vendor, target.url)
        self._headers = {
            "content-type": "application/json",
            "user-agent": "headgate",
            **self.credentials(),
            **{name.lower(): value for name, value in self.options.headers.items()},
        }

    def specialised(self, vendor: Vendor) -> Vendor:
        """The row as it holds for this deployment."""
        return vendor

    def credentials(self) -> dict[str, str]:
        """The headers that authenticate; none without a secret, as for a model server at home."""
        secret = self.target.secret
        if not secret:
            return {}
        if self.vendor.auth == "api-key":
            return {"api-key": secret}
        return {"authorization": f"Bearer {secret}"}

    def address(self, what: str) -> str | None:
        """Where a dialect, or `models`, is served; `None` if nowhere."""
        path = place(self.vendor, what)
        return self._base + path if path else None

    def relay(self, call: Call) -> HttpRequest:
        """See `HttpBackend.relay`. Members the vendor is known to refuse are put right."""
        body: dict[str, Any] = {**call.body, "model": call.model}
        return self._post(call, call.dialect, body)

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        if call.operation == "embeddings":
            require(embedding_needs(call.embedding), self.vendor)
            body = embeddings_body(call.embedding, self.vendor)
            return self._post(call, "openai_embeddings", body)
        if "openai_chat" not in self.capabilities.dialects and not self._completes(call):
            raise BackendError("unsupported", f"Provider {self.vendor.name!r} does not chat.")
        require(chat_needs(call.chat), self.vendor)
        completes = self._completes(call)
        body = completion_body(call.chat) if completes else chat_body(call.chat, self.vendor)
        if call.stream:
            body["stream"] = True
        return self._post(call, "openai_completions" if completes else "openai_chat", body)

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        if call.operation == "embeddings":
            int8 = "int8_vectors" in self.vendor.quirks
            return WholeReader(partial(decode_embeddings, int8=int8))
        return StreamReader() if call.stream else WholeReader(decode_chat)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return read_error(status, headers, body)

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`: for Anthropic's dialect where the server counts for it."""
        if call.dialect != "anthropic_messages" or "counts_tokens" not in self.vendor.quirks:
            return None
        address = self.address("anthropic_messages")
        body = orjson.dumps({**call.body, "model": call.model})
        request = HttpRequest("POST", f"{address}/count_tokens", self._headers, body)
        try:
            counted = orjson.loads(await self._fetch(request))
        except orjson.JSONDecodeError:
            return None
        tokens = counted.get("input_tokens") if isinstance(counted, dict) else None
        return tokens if isinstance(tokens, int) else None

    async def probe(self) -> None:
        """See `Backend.probe`: asks for the list of models. A server without one is there too."""
        address = self.address("models")
        if address is None:
            return
        try:
            await self._fetch(HttpRequest("GET", address, self._headers))
        except BackendError as error:
            if error.status not in (404, 405):
                raise

    def _completes(self, call: Call) -> bool:
        """Whether a completion goes to `/completions`, as base models want, and not to a chat."""
        return call.operation == "completion" and "openai_completions" in self.capabilities.dialects

    def _post(self, call: Call, dialect: Dialect, body: dict[str, Any]) -> HttpRequest:
        if call.stream and dialect in _USAGE_ON_REQUEST and self.options.stream_options:
            asked = body.get("stream_options")
            asked = asked if isinstance(asked, Mapping) else {}
            body["stream_options"] = {**asked, "include_usage": True}
        for member, value in self.options.defaults.items():
            body.setdefault(member, value)
        if dialect in _ADAPTED:
            body = adapted(body, self.vendor)
        headers = dict(self._headers)
        for name, value in call.headers.items():
            if name.lower() in FORWARDED:
                headers.setdefault(name.lower(), value)
        address = self.address(dialect)
        if address is None:
            raise BackendError("unsupported", f"Provider {self.vendor.name!r} lacks {dialect}.")
        return HttpRequest("POST", address, headers, orjson.dumps(body))

    async def _fetch(self, request: HttpRequest) -> bytes:
        response = await self.transport.send(request, connect_s=self.target.timeouts.connect_s)
        try:
            body = await response.read(_ANSWER_BYTES_MAX)
            if not 200 <= response.status < 300:
                raise self.refusal(response.status, response.headers, body)
            return body
        finally:
            await response.aclose()
