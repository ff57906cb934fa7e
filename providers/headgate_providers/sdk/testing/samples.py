"""What the author gives: how his vendor answers, as recorded or scripted exchanges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from headgate_providers.sdk.errors import ErrorKind
from headgate_providers.sdk.sse import split_events
from headgate_providers.sdk.types import Dialect

CREDENTIAL = "hg-conformance-credential-4711"
"""The secret of the deployment under test. Quote it in a refusal where the vendor quotes it."""

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the upstream answers. The `body` of a stream that is no SSE is its events in order."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Sequence[bytes] = field(repr=False)

    @classmethod
    def json(
        cls, payload: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """A reply in one piece; `headers` are further ones."""
        return cls(status, {"content-type": JSON, **(headers or {})}, orjson.dumps(payload))

    @classmethod
    def sse(cls, *payloads: Mapping[str, Any] | str, named: bool = False) -> Exchange:
        """A stream of server-sent events: data as JSON, or as it is (`[DONE]`).

        With `named` each event also has its payload's `type` as its name.
        """
        return cls(200, {"content-type": EVENT_STREAM}, tuple(_sse(p, named) for p in payloads))

    @property
    def events(self) -> tuple[bytes, ...]:
        """The pieces of a stream between which it can break."""
        return tuple(split_events(self.body)) if isinstance(self.body, bytes) else tuple(self.body)

    @property
    def bytes(self) -> bytes:
        """The whole body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

    @property
    def streams(self) -> bool:
        """Whether this is a stream and not a reply in one piece."""
        return not isinstance(self.body, bytes) or EVENT_STREAM in self.headers.get(
            "content-type", ""
        )


def _sse(payload: Mapping[str, Any] | str, named: bool) -> bytes:
    data = payload.encode() if isinstance(payload, str) else orjson.dumps(payload)
    name = f"event: {payload['type']}\n".encode() if named and not isinstance(payload, str) else b""
    return name + b"data: " + data + b"\n\n"


NO_UPSTREAM = Exchange(200, {}, b"")
"""For backends that answer by themselves: supported, and nothing to script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One reply per scenario. What the backend does not support is an explicit `None` or empty.

    `text` and `text_streamed` both say `says` and report `usage` (input and output tokens; `None`
    if the vendor tells none). `tool_call` and `tool_call_streamed` both make `calls`, pairs of a
    name and decoded arguments. `embeddings` answers two inputs. `refusals` are error replies by the
    kind they must be read as, `failures` streams with status 200 in which the vendor tells of an
    error. `relayed` has replies in each dialect the backend speaks itself, whole or streamed.
    """

    says: str | None
    text: Exchange | None
    text_streamed: Exchange | None
    usage: tuple[int, int] | None
    calls: Sequence[tuple[str, Any]]
    tool_call: Exchange | None
    tool_call_streamed: Exchange | None
    embeddings: Exchange | None
    refusals: Mapping[ErrorKind, Exchange]
    failures: Mapping[ErrorKind, Exchange]
    relayed: Mapping[Dialect, Sequence[Exchange]]

    @property
    def streams(self) -> dict[str, Exchange]:
        """The streamed replies by scenario."""
        found = {"text": self.text_streamed, "tool call": self.tool_call_streamed}
        return {name: exchange for name, exchange in found.items() if exchange is not None}
