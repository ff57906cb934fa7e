"""The output items of a response as they grow, and the typed events that tell of it.

Every item announces itself, its parts and its end; `body` is the item as the response object
holds it. https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.dialects.openai_responses_request import SIGNATURE_PREFIX
from headgate.dialects.openai_shared import URL_CITATION, to_json
from headgate_providers.sdk import MediaDelta
from headgate_providers.sdk.types import JsonObject


class EventLog:
    """Numbers the events of one response and keeps their bytes until they are taken.

    A `quiet` log keeps nothing: for a reply that is not streamed only the items count.
    """

    def __init__(self) -> None:
        self.quiet = False
        self._sequence = 0
        self._pieces: list[bytes] = []

    def add(self, kind: str, **members: Any) -> None:
        """Append one event."""
        if self.quiet:
            return
        payload = {"type": kind, "sequence_number": self._sequence, **members}
        self._sequence += 1
        self._pieces += (b"event: ", kind.encode(), b"\ndata: ", to_json(payload), b"\n\n")

    def take(self) -> bytes:
        """The bytes since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


class Item(ABC):
    """One output item; `index` is its place in the output."""

    def __init__(self, log: EventLog, identity: str, index: int) -> None:
        self.id = identity
        self.index = index
        self.is_open = True
        self.status = "in_progress"
        self._log = log

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """The item so far."""

    def open(self) -> None:
        """Announce the item."""
        self._log.add("response.output_item.added", output_index=self.index, item=self.body())

    def close(self, status: str = "completed") -> None:
        """Announce its end; an item that broke off for want of tokens is `incomplete`."""
        self._close_parts()
        self.is_open = False
        self.status = status
        self._log.add("response.output_item.done", output_index=self.index, item=self.body())

    def _close_parts(self) -> None:
        """Announce the end of what is inside."""

    def _add(self, kind: str, **members: Any) -> None:
        self._log.add(kind, item_id=self.id, output_index=self.index, **members)


@dataclass(slots=True)
class _ContentPart:
    kind: str
    index: int
    pieces: list[str] = field(default_factory=list)
    annotations: list[JsonObject] = field(default_factory=list)
    logprobs: list[JsonObject] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        text = "".join(self.pieces)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": self.annotations,
            "logprobs": self.logprobs,
        }


class MessageItem(Item):
    """Text and refusals."""

    def __init__(self, log: EventLog, identity: str, index: int) -> None:
        super().__init__(log, identity, index)
        self._parts: list[_ContentPart] = []

    def body(self) -> dict[str, Any]:
        """See `Item.body`."""
        return {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [part.body() for part in self._parts],
        }

    def text(self, piece: str, logprobs: Iterable[JsonObject]) -> None:
        """More text, with the log probabilities of its tokens."""
        part = self._part("output_text")
        rows = [logprob(row) for row in logprobs]
        part.pieces.append(piece)
        part.logprobs.extend(rows)
        self._add(
            "response.output_text.delta", content_index=part.index, delta=piece, logprobs=rows
        )

    def refusal(self, piece: str) -> None:
        """More of a refusal."""
        part = self._part("refusal")
        part.pieces.append(piece)
        self._add("response.refusal.delta", content_index=part.index, delta=piece)

    @property
    def has_text(self) -> bool:
        """Whether there is text that a citation can stand on."""
        return any(part.kind == "output_text" for part in self._parts)

    def annotate(self, annotation: JsonObject) -> None:
        """A citation of the text so far; it may also come when the message is over."""
        text = [part for part in self._parts if part.kind == "output_text"]
        part = text[-1] if text else self._part("output_text")
        part.annotations.append(annotation)
        self._add(
            "response.output_text.annotation.added",
            content_index=part.index,
            annotation_index=len(part.annotations) - 1,
            annotation=annotation,
        )

    def _part(self, kind: str) -> _ContentPart:
        last = self._parts[-1] if self._parts else None
        if last is not None and last.kind == kind:
            return last
        self._close_parts()
        part = _ContentPart(kind, len(self._parts))
        self._add("response.content_part.added", content_index=part.index, part=part.body())
        self._parts.append(part)
        return part

    def _close_parts(self) -> None:
        if not self._parts:
            return
        part = self._parts[-1]
        body = part.body()
        if part.kind == "refusal":
            done = {"refusal": body["refusal"]}
            self._add("response.refusal.done", content_index=part.index, **done)
        else:
            done = {"text": body["text"], "logprobs": part.logprobs}
            self._add("response.output_text.done", content_index=part.index, **done)
        self._add("response.content_part.done", content_index=part.index, part=body)


class ReasoningItem(Item):
    """Thinking, as one part of summary, and the vendor's proof of it in `encrypted_content`."""

    def __init__(self, log: EventLog, identity: str, index: int, vendor_id: str | None) -> None:
        super().__init__(log, identity, index)
        self.vendor_id = vendor_id
        self._pieces: list[str] = []
        self._proof: str | None = None

    def body(self) -> dict[str, Any]:
        """See `Item.body`."""
        text = "".join(self._pieces)
        body: dict[str, Any] = {
            "id": self.id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}] if self._pieces else [],
        }
        if self._proof is not None:
            body["encrypted_content"] = self._proof
        return body

    def text(self, piece: str) -> None:
        """More thinking."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            self._add("response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(piece)
        self._add("response.reasoning_summary_text.delta", summary_index=0, delta=piece)

    def prove(self, signature: str | None, redacted: str | None) -> None:
        """The vendor's proof; a signature is marked, to tell it apart when it comes back."""
        self._proof = SIGNATURE_PREFIX + signature if signature else redacted

    def _close_parts(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        part = {"type": "summary_text", "text": text}
        self._add("response.reasoning_summary_text.done", summary_index=0, text=text)
        self._add("response.reasoning_summary_part.done", summary_index=0, part=part)


class CallItem(Item):
    """A function call."""

    def __init__(self, log: EventLog, identity: str, index: int, call_id: str, name: str) -> None:
        super().__init__(log, identity, index)
        self.signature: str | None = None
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    def body(self) -> dict[str, Any]:
        """See `Item.body`."""
        body: dict[str, Any] = {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": "".join(self._pieces),
        }
        if self.signature is not None:
            body["extra_content"] = {"google": {"thought_signature": self.signature}}
        return body

    def arguments(self, piece: str) -> None:
        """More of the arguments."""
        self._pieces.append(piece)
        self._add("response.function_call_arguments.delta", delta=piece)

    def _close_parts(self) -> None:
        self._add("response.function_call_arguments.done", arguments="".join(self._pieces))


class ImageItem(Item):
    """A picture, which comes whole."""

    def __init__(self, log: EventLog, identity: str, index: int, media: MediaDelta) -> None:
        super().__init__(log, identity, index)
        self._media = media

    def body(self) -> dict[str, Any]:
        """See `Item.body`."""
        return {
            "id": self.id,
            "type": "image_generation_call",
            "status": self.status,
            "output_format": self._media.media_type.rpartition("/")[2],
            "result": None if self.is_open else self._media.data,
        }

    def _close_parts(self) -> None:
        self._add("response.image_generation_call.in_progress")
        self._add("response.image_generation_call.completed")


def logprob(row: Mapping[str, Any]) -> JsonObject:
    """A token's log probability with all members that responses demand."""
    return {**_with_bytes(row), "top_logprobs": [_with_bytes(r) for r in _alternatives(row)]}


def _alternatives(row: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return row.get("top_logprobs") or ()


def _with_bytes(row: Mapping[str, Any]) -> dict[str, Any]:
    token = row["token"]
    known = row.get("bytes")
    octets = list(token.encode("utf-8", "replace")) if known is None else known
    return {"token": token, "logprob": row["logprob"], "bytes": octets}


def annotation(citation: Mapping[str, Any]) -> JsonObject:
    """A citation as responses have it, without nesting; a vendor's own shape stays."""
    if citation.get("type") != "url_citation":
        return citation
    inner = citation.get("url_citation")
    flat = inner if isinstance(inner, Mapping) else citation
    return {**URL_CITATION, **flat, "type": "url_citation"}
