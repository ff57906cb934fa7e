"""The backend for Anthropic, and for servers that speak its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from headgate_providers.anthropic.models import Traits, traits_of
from headgate_providers.anthropic.refusal import refusal
from headgate_providers.anthropic.reply import MessageStream, decode_message
from headgate_providers.anthropic.request import COUNTED_OUT, body_of, uses_files
from headgate_providers.sdk import (
    BackendError,
    Call,
    Capabilities,
    HttpBackend,
    HttpRequest,
    Reader,
    Target,
    Transport,
    WholeReader,
)

DEFAULT_URL = "https://api.anthropic.com"

DEFAULT_VERSION = "2023-06-01"
"""Sent as `anthropic-version` when the client sent none.

https://docs.anthropic.com/en/api/versioning
"""

FILES_BETA = "files-api-2025-04-14"
"""https://docs.anthropic.com/en/docs/build-with-claude/files"""


class AnthropicOptions(BaseModel):
    """What a deployment knows better than its model's name tells."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    max_tokens: int | None = Field(default=None, ge=1)
    """The output limit for callers who give none; the protocol demands one."""
    thinking: Literal["adaptive", "budget"] | None = None
    """How the model is asked to think: by effort words, or by a budget of tokens."""


class AnthropicBackend(HttpBackend):
    """Relays Anthropic's dialect and translates every other."""

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion"}),
        dialects=frozenset({"anthropic_messages"}),
        features=frozenset(
            {
                "tools",
                "parallel_tool_calls",
                "json_schema",
                "image",
                "document",
                "reasoning",
                "stop",
                "top_k",
            }
        ),
    )
    Options = AnthropicOptions
    default_url = DEFAULT_URL
    secret_env = "ANTHROPIC_API_KEY"  # noqa: S105

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__(target, transport)
        self._traits = _traits(target.model, self.options)
        if not self._traits.sampling:
            self.capabilities = replace(
                self.capabilities, features=self.capabilities.features - {"top_k"}
            )
        self._base = (target.url or DEFAULT_URL).rstrip("/").removesuffix("/v1")

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        body = body_of(call.chat, self._traits)
        return self._post("/v1/messages", call, body, files=uses_files(call.chat))

    def relay(self, call: Call) -> HttpRequest:
        """See `HttpBackend.relay`."""
        return self._post("/v1/messages", call, {**call.body, "model": call.model})

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        return MessageStream() if call.stream else WholeReader(decode_message)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return refusal(status, headers, body)

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`; imitators without the endpoint give `None`.

        https://docs.anthropic.com/en/api/messages-count-tokens
        """
        if call.relayable and call.dialect in self.capabilities.dialects:
            body, files = {**call.body, "model": call.model}, False
        else:
            body, files = body_of(call.chat, self._traits), uses_files(call.chat)
        counted = {name: value for name, value in body.items() if name not in COUNTED_OUT}
        request = self._post("/v1/messages/count_tokens", call, counted, files=files)
        try:
            reply = await self._ask(request)
        except BackendError as error:
            if error.status in (404, 405, 501):
                return None
            raise
        tokens = reply.get("input_tokens")
        if type(tokens) is not int or tokens < 0:
            raise BackendError("malformed", "The upstream did not tell the number of tokens.")
        return tokens

    async def probe(self) -> None:
        """See `Backend.probe`: asks for the first model of the list, which costs nothing."""
        url = f"{self._base}/v1/models?limit=1"
        await self._ask(HttpRequest("GET", url, self._headers({})))

    async def _ask(self, request: HttpRequest) -> dict[str, Any]:
        """Send a request beside the conversation and read its JSON object."""
        timeouts = self.target.timeouts
        try:
            async with asyncio.timeout(timeouts.total_s):
                response = await self.transport.send(request, connect_s=timeouts.connect_s)
                try:
                    body = await response.read()
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise BackendError("timeout", "The upstream did not answer in time.") from error
        if not 200 <= response.status < 300:
            raise self.refusal(response.status, response.headers, body)
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            payload = None
        if not isinstance(payload, dict):
            raise BackendError("malformed", "The upstream's reply is not a JSON object.")
        return payload

    def _post(
        self, path: str, call: Call, body: Mapping[str, Any], *, files: bool = False
    ) -> HttpRequest:
        headers = self._headers(call.headers)
        if files and "files-api" not in headers.get("anthropic-beta", ""):
            given = headers.get("anthropic-beta")
            headers["anthropic-beta"] = f"{given},{FILES_BETA}" if given else FILES_BETA
        headers["content-type"] = "application/json"
        return HttpRequest("POST", self._base + path, headers, orjson.dumps(body))

    def _headers(self, client: Mapping[str, str]) -> dict[str, str]:
        """The client's version and beta headers as they came, and our credential."""
        given = {name.lower(): value for name, value in client.items()}
        headers = {"anthropic-version": given.get("anthropic-version", DEFAULT_VERSION)}
        if (beta := given.get("anthropic-beta")) is not None:
            headers["anthropic-beta"] = beta
        if self.target.secret is not None:
            headers["x-api-key"] = self.target.secret
        return headers


def _traits(model: str, options: AnthropicOptions) -> Traits:
    traits = traits_of(model)
    if options.max_tokens is not None:
        traits = replace(traits, max_tokens=options.max_tokens)
    if options.thinking is not None:
        adaptive = options.thinking == "adaptive"
        traits = replace(traits, adaptive=adaptive, budgets=not adaptive or traits.budgets)
    return traits
