"""The backend for Cohere's own API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from headgate_providers.cohere.embeddings import bodies, read_vectors
from headgate_providers.cohere.refusal import refusal
from headgate_providers.cohere.reply import ChatStream, read_whole
from headgate_providers.cohere.request import chat_body
from headgate_providers.sdk import (
    BackendError,
    Call,
    Capabilities,
    Embedding,
    Event,
    Finish,
    HttpBackend,
    HttpRequest,
    Reader,
    Reply,
    Start,
    Target,
    Transport,
    Usage,
    UsageReported,
    WholeReader,
)

URL = "https://api.cohere.com"

CALLS_AT_ONCE = 4
"""So many calls of one embeddings request run at a time."""


class CohereBackend(HttpBackend):
    """Chat over `/v2/chat`, embeddings over `/v2/embed`."""

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion", "embeddings"}),
        features=frozenset(
            {
                "tools",
                "parallel_tool_calls",
                "json_object",
                "json_schema",
                "image",
                "document",
                "reasoning",
                "stop",
                "seed",
                "logprobs",
                "penalties",
                "top_k",
                "dimensions",
            }
        ),
    )
    default_url = URL
    secret_env = "COHERE_API_KEY"  # noqa: S105

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__(target, transport)
        base = (target.url or URL).rstrip("/")
        self._base = base.removesuffix("/v2").removesuffix("/v1")

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        return self._post("/v2/chat", {**chat_body(call.chat), "stream": call.stream})

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        one_call = call.chat.parallel_tool_calls is False
        if call.stream:
            return ChatStream(one_call)
        return WholeReader(lambda body: read_whole(body, one_call))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return refusal(status, headers, body)

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`. Embeddings may take several calls, and are complete when it returns.

        Raises `BackendError`.
        """
        if call.operation != "embeddings":
            return await super().send(call)
        return Reply(_at_once(await self._embed(call)))

    async def _embed(self, call: Call) -> list[Event]:
        wanted = bodies(call.embedding)
        gate = asyncio.Semaphore(CALLS_AT_ONCE)

        async def ask(body: Mapping[str, Any]) -> tuple[Sequence[Sequence[float]], Usage | None]:
            async with gate:
                return read_vectors(await self._ask(self._post("/v2/embed", body)))

        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(ask(body)) for body in wanted]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        answers = [task.result() for task in asked]
        vectors = [vector for found, _ in answers for vector in found]
        if len(vectors) != len(call.embedding.inputs):
            raise BackendError("malformed", "The upstream answered another number of embeddings.")
        events: list[Event] = [Start()]
        events += [Embedding(index, vector) for index, vector in enumerate(vectors)]
        events.append(Finish("stop"))
        used = [usage for _, usage in answers if usage is not None]
        if len(used) == len(answers):
            total, pictures = (
                sum(getattr(usage, name) for usage in used)
                for name in ("input_tokens", "image_input_tokens")
            )
            events.append(UsageReported(Usage(total, image_input_tokens=pictures)))
        return events

    async def probe(self) -> None:
        """See `Backend.probe`: asks for one model of the list, which costs nothing."""
        url = f"{self._base}/v1/models?page_size=1"
        await self._ask(HttpRequest("GET", url, self._headers()))

    async def _ask(self, request: HttpRequest) -> bytes:
        """Send a request and read its reply whole. Raises `BackendError`."""
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
        return body

    def _post(self, path: str, body: Mapping[str, Any]) -> HttpRequest:
        try:
            data = orjson.dumps(body)
        except TypeError as error:
            raise BackendError(
                "invalid_request",
                "The request is nested too deep or holds a number or character that JSON cannot "
                "carry.",
            ) from error
        headers = {"content-type": "application/json", **self._headers()}
        return HttpRequest("POST", self._base + path, headers, data)

    def _headers(self) -> dict[str, str]:
        secret = self.target.secret
        return {} if secret is None else {"authorization": f"Bearer {secret}"}


async def _at_once(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    yield events
