"""What a backend answers: a series of events, streamed or not.

A reply is `Start`, then deltas, then one `Finish` per choice, with `UsageReported` anywhere (the
last one counts). A relayed reply is `Raw` bytes with `Start`, `Finish` and `UsageReported` beside
them for the ledger. `Failed` ends a reply that broke. `fold` turns events into a whole reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from headgate_providers.sdk.errors import BackendError
from headgate_providers.sdk.types import JsonObject
from headgate_providers.sdk.usage import Usage

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(slots=True)
class Start:
    """The reply has begun; `id` and `model` are the vendor's, `created` in Unix seconds."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


@dataclass(slots=True)
class TextDelta:
    """More text of choice `choice`."""

    text: str
    choice: int = 0


@dataclass(slots=True)
class ReasoningDelta:
    """More thinking. `signature` and `redacted` are opaque and come whole, after the text."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None
    choice: int = 0


@dataclass(slots=True)
class ToolCallDelta:
    """More of the `index`-th tool call of a choice; `id` and `name` come with its first delta."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    signature: str | None = None
    choice: int = 0


@dataclass(slots=True)
class RefusalDelta:
    """More of a refusal in the model's words."""

    text: str
    choice: int = 0


@dataclass(slots=True)
class MediaDelta:
    """A whole picture or sound the model made, base64 in `data`."""

    media_type: str
    data: str
    choice: int = 0


@dataclass(slots=True)
class Citation:
    """An annotation in OpenAI's `url_citation` shape, or the vendor's own shape unchanged."""

    annotation: JsonObject
    choice: int = 0


@dataclass(slots=True)
class Logprobs:
    """Token log probabilities in OpenAI's `content` shape."""

    content: Sequence[JsonObject]
    choice: int = 0


@dataclass(slots=True)
class Finish:
    """The choice is complete. `native` is the vendor's word, `stop_sequence` the one that hit."""

    reason: FinishReason
    native: str | None = None
    stop_sequence: str | None = None
    choice: int = 0


@dataclass(slots=True)
class UsageReported:
    """Usage so far; a later report replaces an earlier one."""

    usage: Usage


@dataclass(slots=True)
class Embedding:
    """The vector of input `index`."""

    index: int
    vector: Sequence[float]


@dataclass(slots=True)
class Raw:
    """Bytes of the client's own dialect, to be sent on untouched.

    `deltas` counts the pieces of model output seen in them: 0 while only the envelope was seen
    (failing over is still invisible), and the base of the estimate when usage never comes.
    """

    data: bytes
    deltas: int = 0


@dataclass(slots=True)
class Failed:
    """The upstream reported a failure inside its reply, or broke off."""

    error: BackendError


Event: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | RefusalDelta
    | MediaDelta
    | Citation
    | Logprobs
    | Finish
    | UsageReported
    | Embedding
    | Raw
    | Failed
)


@dataclass(slots=True)
class FoldedToolCall:
    """A complete tool call; `arguments` is JSON text as the model wrote it."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None


@dataclass(slots=True)
class FoldedReasoning:
    """One block of thinking with its proof."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


@dataclass(slots=True)
class Choice:
    """One complete answer."""

    text: str = ""
    refusal: str = ""
    reasoning: list[FoldedReasoning] = field(default_factory=list)
    tool_calls: list[FoldedToolCall] = field(default_factory=list)
    media: list[MediaDelta] = field(default_factory=list)
    citations: list[JsonObject] = field(default_factory=list)
    logprobs: list[JsonObject] = field(default_factory=list)
    finish: Finish | None = None


@dataclass(slots=True)
class Completion:
    """A whole reply: its choices in order, or its vectors."""

    start: Start
    choices: list[Choice]
    vectors: list[Sequence[float]]
    usage: Usage | None
    error: BackendError | None


def fold(events: Iterable[Event]) -> Completion:
    """Put the events of one reply together. `Raw` is not folded: it is a reply already."""
    reply = Completion(Start(), [], [], None, None)
    calls: dict[tuple[int, int], FoldedToolCall] = {}
    vectors: dict[int, Sequence[float]] = {}
    for event in events:
        match event:
            case Start():
                reply.start = event
            case UsageReported():
                reply.usage = event.usage
            case Embedding():
                vectors[event.index] = event.vector
            case Failed():
                reply.error = event.error
            case Raw():
                raise TypeError("a relayed reply cannot be folded")
            case _:
                _fold_into(_choice(reply, event.choice), event, calls)
    reply.vectors = [vectors[index] for index in sorted(vectors)]
    return reply


def _choice(reply: Completion, index: int) -> Choice:
    while len(reply.choices) <= index:
        reply.choices.append(Choice())
    return reply.choices[index]


def _fold_into(choice: Choice, event: Any, calls: dict[tuple[int, int], FoldedToolCall]) -> None:
    match event:
        case TextDelta():
            choice.text += event.text
        case RefusalDelta():
            choice.refusal += event.text
        case ReasoningDelta():
            _fold_reasoning(choice.reasoning, event)
        case ToolCallDelta():
            call = calls.get((event.choice, event.index))
            if call is None:
                call = calls[event.choice, event.index] = FoldedToolCall()
                choice.tool_calls.append(call)
            call.id = event.id or call.id
            call.name = event.name or call.name
            call.signature = event.signature or call.signature
            call.arguments += event.arguments
        case MediaDelta():
            choice.media.append(event)
        case Citation():
            choice.citations.append(event.annotation)
        case Logprobs():
            choice.logprobs.extend(event.content)
        case Finish():
            choice.finish = event


def _fold_reasoning(blocks: list[FoldedReasoning], delta: ReasoningDelta) -> None:
    """A signature or a redacted block closes the block it belongs to."""
    last = blocks[-1] if blocks else None
    if (
        last is None
        or last.signature
        or last.redacted
        or (delta.id and last.id not in (None, delta.id))
    ):
        last = FoldedReasoning()
        blocks.append(last)
    last.text += delta.text
    last.signature = delta.signature or last.signature
    last.redacted = delta.redacted or last.redacted
    last.id = delta.id or last.id
