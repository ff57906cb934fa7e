"""The whole plugin contract.

A plugin looks at the text of requests and replies and says what to do with it. It is named in
`Gateway.spec.plugins` (for all traffic) or in a route's `guards`; its options are validated by its
`Options` model when configuration is loaded. The life of a plugin:

    __init__(options)    keep the options; open nothing
    open()               start what it needs; the gateway is not serving yet
    review_request()     once per request, with every text the model would read
    review_reply()       once per reply; returns a reviewer that is fed the text as it streams
    close()              in reverse order of opening

Verdict (what the plugin found) and action (what the gateway does) are two things: a plugin blocks,
modifies or allows; a raised exception is a broken plugin, and the request is refused.

Text that a reviewer holds back reaches the client later; a reviewer that needs to see across two
pieces holds the shorter tail that could still become a finding, and gives it up on `close`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Context:
    """Whose call it is. No credential, no text."""

    request_id: str
    team: str
    route: str | None
    model: str
    operation: str


@dataclass(frozen=True, slots=True)
class Allow:
    """Nothing found."""


@dataclass(frozen=True, slots=True)
class Modify:
    """Send these texts instead: as many as were given, in the same order."""

    texts: tuple[str, ...]
    finding: str
    """What was found, in words fit for logs: never the text itself."""


@dataclass(frozen=True, slots=True)
class Block:
    """Refuse the request, or stop the reply."""

    finding: str
    """What was found, in words fit for the caller: never the text itself."""


Verdict: TypeAlias = Allow | Modify | Block

ALLOW = Allow()


class Blocked(Exception):
    """Raised by a `ReplyReviewer` to stop the reply; `finding` as in `Block`."""

    def __init__(self, finding: str) -> None:
        super().__init__(finding)
        self.finding = finding


class ReplyReviewer(Protocol):
    """Reviews the text of one choice of one reply; one instance per choice and kind of text."""

    findings: int
    """How many findings were changed so far."""

    def feed(self, text: str) -> str:
        """The text that may go out now; raises `Blocked` to stop the reply."""
        ...

    def close(self) -> str:
        """The rest of the text held back; raises `Blocked`."""
        ...


class NoOptions(BaseModel):
    """For plugins without options."""

    model_config = ConfigDict(extra="forbid")


class Plugin(ABC):
    """Behaviour around a request. Override what is needed; the defaults do nothing."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = NoOptions
    reviews_requests: bool = False
    """Whether `review_request` does anything; may be set per instance."""
    reviews_replies: bool = False
    """Whether `review_reply` does anything. Replies are then translated, not relayed."""

    def __init__(self, options: Any) -> None:
        """`options` is a valid instance of `Options`."""
        self.options = options

    async def open(self) -> None:
        """Start what the plugin needs."""

    async def review_request(self, texts: Sequence[str], context: Context) -> Verdict:
        """Judge every text of a request: system prompt, messages, tool results, tools."""
        return ALLOW

    def review_reply(self, context: Context) -> ReplyReviewer:
        """A fresh reviewer; called only when `reviews_replies` is true."""
        raise NotImplementedError(f"{self.name} reviews replies but gives no reviewer")

    async def close(self) -> None:
        """Free what `open` started."""
