"""Text Generation Inference as a backend: the surface under `/v1`, or its own `/generate`.

Requests go over the gateway's own transport; only the control plane uses huggingface_hub's client.
https://huggingface.co/docs/text-generation-inference
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict

from headgate_providers.sdk import (
    BackendError,
    Call,
    Capabilities,
    Dialect,
    Event,
    Failed,
    Feature,
    HttpBackend,
    HttpRequest,
    Reader,
    Reply,
    Target,
    Transport,
    Usage,
    UsageReported,
    WholeReader,
)
from headgate_providers.tgi.errors import read_error, restated
from headgate_providers.tgi.generation import GenerationReader, decode_generation
from headgate_providers.tgi.prompt import PromptTemplate, generate_body, prompt_of, stops_of
from headgate_providers.tgi.reply import ChatReader, added, decode_chat
from headgate_providers.tgi.request import chat_body, completion_body, needs
from headgate_providers.tgi.words import Json, adapted, as_json

if TYPE_CHECKING:
    from headgate_providers.tgi.control import ControlPlane, ServerInfo

URL_VARIABLE = "HEADGATE_TGI_URL"
FORWARDED = frozenset({"traceparent", "tracestate"})
"""Client headers that travel on: TGI joins a trace."""
COUNT_BYTES_MAX = 64 * 1024 * 1024
"""A list of tokens can be as long as the prompt, many times over."""

_SHARED: frozenset[Feature] = frozenset({"stop", "seed", "logprobs", "json_schema"})
_CHAT: frozenset[Feature] = frozenset({"tools", "parallel_tool_calls", "image", "penalties"})
_PATHS: Mapping[Dialect, str] = {
    "openai_chat": "/v1/chat/completions",
    "openai_completions": "/v1/completions",
}

Correction: TypeAlias = Callable[[Event], Event | None]
"""What becomes of an event; `None` keeps it back."""


class TgiOptions(BaseModel):
    """Options of a deployment of TGI."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    api: Literal["chat", "generate"] = "chat"
    """`chat`: the surface under `/v1`, with the model's own chat template. `generate`: TGI's own
    surface, for models that have no chat template."""
    template: PromptTemplate = PromptTemplate()
    """With `api: generate`: how a conversation becomes one prompt."""


class TgiBackend(HttpBackend):
    """Reaches a TGI server, one's own or an Inference Endpoint; a secret is sent as bearer token.

    The deployment's model is the name of a LoRA adapter, or anything else for the base model.
    """

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion"}),
        dialects=frozenset(_PATHS),
        # Its grammar makes at most one call in a reply, so that parallel ones are always off.
        features=_SHARED | _CHAT,
    )
    Options = TgiOptions

    def __init__(self, target: Target, transport: Transport) -> None:
        """See `Backend`. Raises `ValueError` where there is no address."""
        super().__init__(target, transport)
        url = target.url or os.environ.get(URL_VARIABLE)
        if not url:
            raise ValueError(
                f"Provider 'tgi' has no usual address: set the deployment's url or {URL_VARIABLE}."
            )
        self._base = url.rstrip("/").removesuffix("/v1")
        self._control: ControlPlane | None = None
        self._headers = {"content-type": "application/json", "user-agent": "headgate"}
        if target.secret:
            self._headers["authorization"] = f"Bearer {target.secret}"
        if self._generates:
            self.capabilities = Capabilities(
                self.capabilities.operations, features=_SHARED | {"top_k"}
            )

    def relay(self, call: Call) -> HttpRequest:
        """See `HttpBackend.relay`. Shapes that TGI would refuse or misread are put right."""
        return self._post(call, _PATHS[call.dialect], adapted({**call.body, "model": call.model}))

    def request(self, call: Call) -> HttpRequest:
        """See `HttpBackend.request`."""
        if call.operation == "embeddings":
            raise BackendError("unsupported", "Provider 'tgi' does not know embeddings.")
        for feature in needs(call.chat):
            if feature not in self.capabilities.features:
                raise BackendError("unsupported", f"Provider 'tgi' does not know {feature} here.")
        if self._generates:
            path = "/generate_stream" if call.stream else "/generate"
            return self._post(call, path, generate_body(call.chat, self._template(call)))
        if call.operation == "completion":
            return self._post(call, _PATHS["openai_completions"], completion_body(call.chat))
        return self._post(call, _PATHS["openai_chat"], chat_body(call.chat))

    def reader(self, call: Call) -> Reader:
        """See `HttpBackend.reader`."""
        asked = call.chat.stop
        if not self._generates:
            if call.stream:
                return ChatReader(asked)
            return WholeReader(partial(decode_chat, stops=asked))
        stops, logprobs = stops_of(call.chat, self._template(call)), call.chat.logprobs
        if call.stream:
            return GenerationReader(stops, asked, logprobs)
        return WholeReader(
            partial(decode_generation, stops=stops, asked_stops=asked, logprobs=logprobs)
        )

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """See `HttpBackend.refusal`."""
        return read_error(status, headers, body)

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`."""
        reply = await super().send(call)
        if reply.relayed:
            correction: Correction = _RelayCorrection()
        elif self._generates and not call.stream:
            correction = partial(_with_prompt, header=reply.headers.get("x-prompt-tokens", ""))
        else:
            return reply
        return Reply(
            _corrected(reply, correction),
            relayed=reply.relayed,
            headers=reply.headers,
            close=reply.aclose,
        )

    async def count_tokens(self, call: Call) -> int | None:
        """See `Backend.count_tokens`."""
        if self._generates or call.operation == "completion":
            template = self._template(call) if self._generates else None
            path, body = "/tokenize", {"inputs": prompt_of(call.chat, template)}
        else:
            path, body = "/chat_tokenize", chat_body(call.chat)
        request = HttpRequest("POST", self._base + path, self._headers, as_json(body))
        response = await self.transport.send(request, connect_s=self.target.timeouts.connect_s)
        try:
            answer = await response.read(COUNT_BYTES_MAX)
        finally:
            await response.aclose()
        if not 200 <= response.status < 300:
            raise self.refusal(response.status, response.headers, answer)
        return _length(answer)

    async def probe(self) -> None:
        """See `Backend.probe`: asks for the server's health. Needs the extra `tgi`."""
        await self.control.check()

    async def info(self) -> ServerInfo:
        """The model and the limits that the server states. Needs the extra `tgi`."""
        return await self.control.info()

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        if self._control is not None:
            await self._control.aclose()

    @property
    def control(self) -> ControlPlane:
        """The server's control plane; raises `BackendError` where the extra `tgi` is missing."""
        if self._control is None:
            try:
                from headgate_providers.tgi.control import ControlPlane
            except ModuleNotFoundError as error:
                raise BackendError(
                    "unsupported",
                    f"Asking a TGI server for its state needs the package {error.name!r}: "
                    "install headgate-providers[tgi].",
                ) from error
            self._control = ControlPlane(self._base, self.target.secret)
        return self._control

    @property
    def _generates(self) -> bool:
        options: TgiOptions = self.options
        return options.api == "generate"

    def _template(self, call: Call) -> PromptTemplate | None:
        """The form of the prompt; what is to be completed has its form already."""
        options: TgiOptions = self.options
        return None if call.operation == "completion" else options.template

    def _post(self, call: Call, path: str, body: Json) -> HttpRequest:
        if call.stream and not self._generates:
            body["stream"] = True
            if path == _PATHS["openai_chat"]:
                asked = body.get("stream_options")
                body["stream_options"] = {
                    **(asked if isinstance(asked, Mapping) else {}),
                    "include_usage": True,
                }
        headers = dict(self._headers)
        for name, value in call.headers.items():
            if name.lower() in FORWARDED:
                headers[name.lower()] = value
        return HttpRequest("POST", self._base + path, headers, as_json(body))


class _RelayCorrection:
    """What the relay cannot know: TGI's words for errors in a stream, and its usage per prompt."""

    def __init__(self) -> None:
        self._usage: Usage | None = None

    def __call__(self, event: Event) -> Event:
        if isinstance(event, UsageReported):
            self._usage = added(self._usage, event.usage)
            return UsageReported(self._usage)
        if isinstance(event, Failed) and event.error.kind == "http_5xx":
            return Failed(restated(event.error.message, event.error.code))
        return event


def _with_prompt(event: Event, header: str) -> Event | None:
    """A whole reply of `/generate` tells the length of the prompt in the header only.

    Without it the usage is left to be estimated: half of it would pass for all of it.
    """
    if not isinstance(event, UsageReported) or event.usage.input_tokens:
        return event
    if not header.isdecimal():
        return None
    return UsageReported(replace(event.usage, input_tokens=int(header)))


async def _corrected(reply: Reply, correct: Correction) -> AsyncIterator[Sequence[Event]]:
    async for batch in reply:
        events = [kept for event in batch if (kept := correct(event)) is not None]
        if events:
            yield events


def _length(answer: bytes) -> int | None:
    """The number of tokens in a reply of `/tokenize` or `/chat_tokenize`."""
    try:
        tokens: Any = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    if isinstance(tokens, dict):
        tokens = tokens.get("tokenize_response")
    return len(tokens) if isinstance(tokens, list) else None
