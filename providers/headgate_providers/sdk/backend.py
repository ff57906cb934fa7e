"""The contract of a backend: take a call, answer with events.

A backend for a plain HTTP protocol derives from `HttpBackend` and gives three pure functions:
`request` (call → bytes), `reader` (bytes → events) and `refusal` (error reply → `BackendError`).
A backend over a vendor's own client derives from `Backend` and gives `send`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from headgate_providers.sdk.capabilities import Capabilities
from headgate_providers.sdk.errors import BackendError
from headgate_providers.sdk.events import Event, Failed
from headgate_providers.sdk.refusal import read_refusal
from headgate_providers.sdk.relay import relay_reader
from headgate_providers.sdk.transport import BODY_BYTES_MAX, HttpRequest, HttpResponse, Transport
from headgate_providers.sdk.types import ChatRequest, Dialect, EmbeddingRequest, Operation, Request

REFUSAL_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one attempt in seconds.

    `connect_s` until the connection stands; `first_token_s` until the first output of a streamed
    reply; `idle_s` between two pieces of it; `total_s` for the whole attempt.
    """

    connect_s: float = 2.0
    first_token_s: float = 20.0
    idle_s: float = 20.0
    total_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment as its backend sees it, with its `secrets` resolved."""

    name: str
    model: str
    url: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    region: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secret(self) -> str | None:
        """The credential, where there is just one."""
        return self.secrets.get("key")


@dataclass(slots=True)
class Call:
    """One attempt at a deployment.

    `body` is the request as the client sent it, decoded from `dialect`, and is never changed;
    `model` is the deployment's model name. `decode` gives the canonical request at first need.
    `relayable` is false when the gateway must see the reply's content. `usage_wanted` says whether
    the client asked for usage in a stream. `headers` are the client headers that travel on.
    """

    operation: Operation
    dialect: Dialect
    body: Mapping[str, Any]
    model: str
    decode: Callable[[], Request]
    stream: bool = False
    relayable: bool = True
    usage_wanted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    _request: Request | None = None

    @property
    def request(self) -> Request:
        """The canonical request with the deployment's model name."""
        if self._request is None:
            self._request = self.decode()
        return self._request

    @property
    def chat(self) -> ChatRequest:
        """The canonical request of a chat or completion call."""
        request = self.request
        assert isinstance(request, ChatRequest)
        return request

    @property
    def embedding(self) -> EmbeddingRequest:
        """The canonical request of an embeddings call."""
        request = self.request
        assert isinstance(request, EmbeddingRequest)
        return request


class Reply:
    """An open reply: iterate for batches of events, then `aclose` it, however it ended."""

    def __init__(
        self,
        batches: AsyncIterator[Sequence[Event]],
        *,
        relayed: bool = False,
        headers: Mapping[str, str] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._batches = batches
        self._close = close
        self.relayed = relayed
        self.headers: Mapping[str, str] = headers or {}

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        return self._batches

    async def aclose(self) -> None:
        """Stop the upstream's work if it is not done, and free the connection."""
        if self._close is not None:
            await self._close()
        aclose = getattr(self._batches, "aclose", None)
        if aclose is not None:
            await aclose()


class Reader(Protocol):
    """Turns the bytes of one reply into events; no I/O."""

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The events completed by this chunk. A failure inside the reply is a `Failed` event."""
        ...

    def close(self) -> Sequence[Event]:
        """The upstream is done. Gives `Failed` if the reply is not complete."""
        ...


class NoOptions(BaseModel):
    """For backends without options."""

    model_config = ConfigDict(extra="forbid")


class Backend(ABC):
    """A way to reach deployments of one provider. One instance per deployment."""

    capabilities: Capabilities = Capabilities()
    """May be narrowed per instance."""

    Options: ClassVar[type[BaseModel]] = NoOptions
    """The schema of `options` of a deployment; validated when configuration is loaded."""

    default_url: ClassVar[str | None] = None
    """The usual base address, where there is one."""
    secret_env: ClassVar[str | None] = None
    """The customary environment variable of the credential."""
    prices: ClassVar[str | None] = None
    """The provider's name in price lists, where it is another."""

    def __init__(self, target: Target, transport: Transport) -> None:
        """Keep what is given; open nothing. `target.options` is already valid for `Options`."""
        self.target = target
        self.transport = transport
        self.options: Any = self.Options.model_validate(dict(target.options))

    @abstractmethod
    async def send(self, call: Call) -> Reply:
        """Start the call; returns when the upstream accepted it. Raises `BackendError`."""

    async def count_tokens(self, call: Call) -> int | None:
        """The input tokens of a chat call as the vendor counts them; `None` if it does not tell."""
        return None

    async def probe(self) -> None:
        """Check cheaply that the upstream is there; raises `BackendError` if not."""

    async def aclose(self) -> None:
        """Free what the instance opened (the shared transport is not its own)."""


class HttpBackend(Backend):
    """A backend whose protocol is one HTTP request and its reply."""

    @abstractmethod
    def request(self, call: Call) -> HttpRequest:
        """Translate a call of another dialect. Pure; raises `BackendError` kind `unsupported`."""

    def relay(self, call: Call) -> HttpRequest:
        """The same dialect on both sides: the client's body with only the model exchanged."""
        raise NotImplementedError(f"{type(self).__name__} claims dialects but has no relay()")

    @abstractmethod
    def reader(self, call: Call) -> Reader:
        """A reader for the reply to `request(call)`."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
        """Classify an error reply by this backend's table."""
        return read_refusal(status, headers, body)

    async def sign(self, request: HttpRequest) -> HttpRequest:
        """Add credentials that must be computed or fetched; by default there are none."""
        return request

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`."""
        relayed = call.relayable and call.dialect in self.capabilities.dialects
        request = await self.sign(self.relay(call) if relayed else self.request(call))
        response = await self.transport.send(request, connect_s=self.target.timeouts.connect_s)
        try:
            if not 200 <= response.status < 300:
                body = await response.read(REFUSAL_BYTES_MAX)
                error = self.refusal(response.status, response.headers, body)
                error.message = _unspoken(error.message, self.target.secrets)
                raise error
            reader = (
                relay_reader(call.dialect, call.stream, call.usage_wanted)
                if relayed
                else self.reader(call)
            )
        except BaseException:
            await response.aclose()
            raise
        return Reply(
            _batches(response, reader),
            relayed=relayed,
            headers=response.headers,
            close=response.aclose,
        )


def _unspoken(message: str, secrets: Mapping[str, str]) -> str:
    """The vendor's sentence without our credentials, which some vendors quote."""
    for secret in secrets.values():
        message = message.replace(secret, "[secret]") if secret else message
    return message


async def _batches(response: HttpResponse, reader: Reader) -> AsyncIterator[Sequence[Event]]:
    try:
        async for chunk in response.chunks():
            events = reader.feed(chunk)
            if events:
                yield events
        events = reader.close()
    except BackendError as error:
        events = (Failed(error),)
    if events:
        yield events


class WholeReader:
    """A reader for replies that are not streamed: waits for all of it, then decodes once."""

    def __init__(
        self, decode: Callable[[bytes], Sequence[Event]], limit: int = BODY_BYTES_MAX
    ) -> None:
        self._decode = decode
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """Keep the chunk; raises `BackendError` over the limit."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise BackendError("malformed", "The upstream's reply is over the size limit.")
        self._pieces.append(chunk)
        return ()

    def close(self) -> Sequence[Event]:
        """Decode the whole body. `decode` raises `BackendError` for what is no complete reply."""
        return self._decode(b"".join(self._pieces))


def broken_off() -> Failed:
    """What a streamed reader gives on `close` when it has not seen the end."""
    return Failed(BackendError("reset", "The upstream ended its stream before it was complete."))
