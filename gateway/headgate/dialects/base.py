"""What a client dialect is: pure functions between a wire format and the canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headgate.errors import GatewayError
from headgate_providers.sdk import Dialect, Event, Feature, Operation, Request

JsonBody = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What routing and limits need to know of a request, read without decoding all of it.

    `modalities` holds `text`, `image`, `audio`, `document`. `input_characters` counts the text the
    model will read; `output_tokens_max` is the caller's bound, all choices together.
    """

    model: str
    stream: bool = False
    usage_wanted: bool = False
    features: frozenset[Feature] = frozenset()
    modalities: frozenset[str] = frozenset({"text"})
    input_characters: int = 0
    output_tokens_max: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """What an encoder needs besides the events.

    `id` is the gateway's own (without a dialect's prefix), `model` the name the client asked for,
    `created` Unix seconds, `body` the client's request (some dialects echo parts of it).
    """

    id: str
    model: str
    created: int
    body: JsonBody
    usage_wanted: bool = False


class Encoder(Protocol):
    """Writes one reply in the client's dialect. Never receives `Raw`."""

    def feed(self, events: Sequence[Event]) -> bytes:
        """The bytes of a stream that these events add; empty if none."""
        ...

    def close(self) -> bytes:
        """The regular end of a stream."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The end of a stream that broke: an error event, and never the regular end."""
        ...

    def whole(self, events: Iterable[Event]) -> bytes:
        """A reply that is not streamed, as one JSON body."""
        ...


class ClientDialect(Protocol):
    """One wire format that clients speak."""

    name: Dialect
    operation: Operation

    def inspect(self, body: JsonBody) -> Summary:
        """Check the shape and summarise; raises `InvalidRequest` with `param` set.

        Runs for every request, relayed ones too: one walk, no copies, no deep validation of
        members that only the target understands. Unknown members are allowed.
        """
        ...

    def decode(self, body: JsonBody, model: str) -> Request:
        """The canonical request for upstream model `model`; raises `InvalidRequest`."""
        ...

    def encoder(self, head: ReplyHead) -> Encoder:
        """A fresh encoder for one reply."""
        ...

    def error(self, error: GatewayError) -> bytes:
        """The JSON error envelope."""
        ...
