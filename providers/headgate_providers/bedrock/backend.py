"""The backend for AWS Bedrock's runtime."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict

from headgate_providers.bedrock.embeddings import bodies, embedder_of, read_vectors, usage_of
from headgate_providers.bedrock.models import FAMILIES, Family, FamilyName, family_of
from headgate_providers.bedrock.refusal import refusal
from headgate_providers.bedrock.reply import ConverseStream, read_whole
from headgate_providers.bedrock.request import COUNTED, chat_body, takes_top_k
from headgate_providers.bedrock.sigv4 import Credentials, Scope, signature_headers
from headgate_providers.sdk import (
    BackendError,
    Call,
    Capabilities,
    Embedding,
    Event,
    Feature,
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

CALLS_AT_ONCE = 8
"""Titan and Nova embed one text per call; so many calls of one request run at a time."""

_REGION = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class Guardrail(BaseModel):
    """A guardrail of the account, applied to every chat.

    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-converse-api.html
    """

    model_config = ConfigDict(extra="forbid")

    identifier: str
    version: str = "DRAFT"
    trace: Literal["enabled", "disabled", "enabled_full"] | None = None


class BedrockOptions(BaseModel):
    """What a deployment knows better than its model's name tells."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    family: FamilyName | None = None
    """Whose model it is, where the name (an inference profile's ARN) does not tell."""
    guardrail: Guardrail | None = None
    """The guardrail that watches over every chat."""


class BedrockBackend(HttpBackend):
    """Chat over Converse and ConverseStream, embeddings over InvokeModel.

    The credential is a Bedrock API key (secret `key`) or an access key (secrets `access_key_id`,
    `secret_access_key` and, for a temporary one, `session_token`). Raises `ValueError` where the
    deployment has neither a region nor an address, or only half an access key.
    """

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion", "embeddings"}),
        features=frozenset(
            {
                "tools",
                "parallel_tool_calls",
                "json_schema",
                "image",
                "audio",
                "document",
                "reasoning",
                "stop",
                "top_k",
                "dimensions",
            }
        ),
    )
    Options = BedrockOptions
    secret_env = "AWS_BEARER_TOKEN_BEDROCK"  # noqa: S105

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__(target, transport)
        self._family = _family(target.model, self.options)
        self._region = _region(target)
        self._base = (target.url or f"https://bedrock-runtime.{self._region}.amazonaws.com").rstrip(
            "/"
        )
        self._credentials = _credentials(target)
        lacking: set[Feature] = set()
        if not self._family.thinking:
            lacking.add("reasoning")
        if not takes_top_k(target.model, self._family):
            lacking.add("top_k")
        self.capabilities = replace(
            self.capabilities, features=self.capabilities.features - lacking
        )

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        body = chat_body(call.chat, self._family)
        if self.options.guardrail is not None:
            body["guardrailConfig"] = _guardrail(self.options.guardrail)
        return self._post(call.model, "converse-stream" if call.stream else "converse", body)

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        one_call = call.chat.parallel_tool_calls is False
        if call.stream:
            return ConverseStream(one_call)
        return WholeReader(lambda body: read_whole(body, one_call))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return refusal(status, headers, body)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        """Add the API key, or a signature that is good for the next minutes."""
        if self.target.secret is not None:
            added = {"authorization": f"Bearer {self.target.secret}"}
        elif self._credentials is not None:
            added = signature_headers(
                request.method,
                request.url,
                request.headers,
                request.body,
                self._credentials,
                Scope(self._region, "bedrock"),
                datetime.now(UTC),
            )
        else:
            return request
        return replace(request, headers={**request.headers, **added})

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`. Embeddings may take several calls, and are complete when it returns.

        Raises `BackendError`.
        """
        if call.operation != "embeddings":
            return await super().send(call)
        return Reply(_at_once(await self._embed(call)))

    async def _embed(self, call: Call) -> list[Event]:
        embedder = embedder_of(call.model)
        wanted = bodies(call.embedding, embedder)
        gate = asyncio.Semaphore(CALLS_AT_ONCE)

        async def ask(body: Mapping[str, Any]) -> tuple[Sequence[Sequence[float]], Usage | None]:
            async with gate:
                headers, reply = await self._ask(self._post(call.model, "invoke", body))
            return read_vectors(embedder, reply), usage_of(headers, reply)

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
        counts = [usage.input_tokens for _, usage in answers if usage is not None]
        if len(counts) == len(answers):
            events.append(UsageReported(Usage(input_tokens=sum(counts))))
        return events

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`; `None` for models that Bedrock does not count for.

        https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html
        """
        body = chat_body(call.chat, self._family)
        counted = {name: body[name] for name in COUNTED if name in body}
        request = self._post(call.model, "count-tokens", {"input": {"converse": counted}})
        try:
            _, reply = await self._ask(request)
        except BackendError as error:
            if error.kind in ("invalid_request", "not_found"):
                return None
            raise
        try:
            tokens = orjson.loads(reply).get("inputTokens")
        except (orjson.JSONDecodeError, AttributeError):
            tokens = None
        if type(tokens) is not int or tokens < 0:
            raise BackendError("malformed", "The upstream did not tell the number of tokens.")
        return tokens

    async def probe(self) -> None:
        """See `Backend.probe`.

        There is nothing free to ask for, so an empty chat is sent: who refuses it for its emptiness
        knows the model and took the credential.
        """
        try:
            await self._ask(self._post(self.target.model, "converse", {"messages": []}))
        except BackendError as error:
            if error.kind != "invalid_request":
                raise

    async def _ask(self, request: HttpRequest) -> tuple[Mapping[str, str], bytes]:
        """Send a request whose reply is short, and read it whole. Raises `BackendError`."""
        timeouts = self.target.timeouts
        try:
            async with asyncio.timeout(timeouts.total_s):
                response = await self.transport.send(
                    await self.sign(request), connect_s=timeouts.connect_s
                )
                try:
                    body = await response.read()
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise BackendError("timeout", "The upstream did not answer in time.") from error
        if not 200 <= response.status < 300:
            raise self.refusal(response.status, response.headers, body)
        return response.headers, body

    def _post(self, model: str, action: str, body: Mapping[str, Any]) -> HttpRequest:
        """A colon stays in the path: HTTP clients decode `%3A`, and then no signature would fit."""
        try:
            data = orjson.dumps(body)
        except TypeError as error:
            raise BackendError(
                "invalid_request",
                "The request is nested too deep or holds a number or character that JSON cannot "
                "carry.",
            ) from error
        url = f"{self._base}/model/{quote(model, safe=':')}/{action}"
        return HttpRequest("POST", url, {"content-type": "application/json"}, data)


def _family(model: str, options: BedrockOptions) -> Family:
    return family_of(model) if options.family is None else FAMILIES[options.family]


def _region(target: Target) -> str:
    """Never a default: where the data go is the operator's decision."""
    found = _REGION.search(target.url or "")
    region = target.region or (found[1] if found else None)
    if region is None and target.url is None:
        raise ValueError(f"Deployment {target.name!r} needs a `region`, such as eu-central-1.")
    if region is None and "access_key_id" in target.secrets:
        raise ValueError(
            f"Deployment {target.name!r} needs a `region`: an access key signs for one."
        )
    return region or ""


def _credentials(target: Target) -> Credentials | None:
    identity, secret = (target.secrets.get(n) for n in ("access_key_id", "secret_access_key"))
    if identity and secret:
        return Credentials(identity, secret, target.secrets.get("session_token"))
    if identity or secret:
        raise ValueError(
            f"Deployment {target.name!r} needs both `access_key_id` and `secret_access_key` in its "
            "`secret`."
        )
    if target.secret is None and target.url is None:
        raise ValueError(
            f"Deployment {target.name!r} needs a `secret`: a Bedrock API key, or `access_key_id` "
            "and `secret_access_key`."
        )
    return None


def _guardrail(guardrail: Guardrail) -> dict[str, str]:
    config = {
        "guardrailIdentifier": guardrail.identifier,
        "guardrailVersion": guardrail.version,
    }
    return config if guardrail.trace is None else {**config, "trace": guardrail.trace}


async def _at_once(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    yield events
