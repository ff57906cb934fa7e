"""Proofs of thinking (signatures, encrypted blocks) mean something only to who made them.

A translated reply carries each proof marked with its issuer, `google:…`. When the client hands it
back, the mark comes off for the same issuer; for any other the proof is left out, because a vendor
answers 400 to a proof that is not its own. Relayed traffic is untouched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from headgate_providers.sdk import (
    ChatRequest,
    Dialect,
    Event,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Request,
    ToolCall,
    ToolCallDelta,
)

_MARK = re.compile(r"^([a-z][a-z0-9_]*):")
_SHARED = {"vertex": "google"}
"""Providers whose proofs another one takes."""
_UNMARKED: dict[Dialect, str] = {"anthropic_messages": "anthropic"}
"""Whose a proof without a mark is, by the dialect it was relayed in."""


def issuer_of(provider: str) -> str:
    """The word that marks a provider's proofs."""
    return _SHARED.get(provider, provider)


def mark(events: Sequence[Event], issuer: str) -> None:
    """Mark the proofs among the events of a translated reply, in place."""
    for event in events:
        kind = type(event)
        if kind is not ReasoningDelta and kind is not ToolCallDelta:
            continue
        if event.signature:  # type: ignore[union-attr]
            event.signature = f"{issuer}:{event.signature}"  # type: ignore[union-attr]
        if kind is ReasoningDelta and event.redacted:  # type: ignore[union-attr]
            event.redacted = f"{issuer}:{event.redacted}"  # type: ignore[union-attr]


def unmark(request: Request, issuer: str, dialect: Dialect) -> Request:
    """The request with the issuer's own proofs as it made them, and without those of others."""
    if not isinstance(request, ChatRequest):
        return request
    unmarked = _UNMARKED.get(dialect, issuer)
    messages = tuple(_message(message, issuer, unmarked) for message in request.messages)
    return request if messages == request.messages else replace(request, messages=messages)


def _message(message: Message, issuer: str, unmarked: str) -> Message:
    if message.role != "assistant":
        return message
    parts = (_part(part, issuer, unmarked) for part in message.parts)
    return replace(message, parts=tuple(part for part in parts if part is not None))


def _part(part: Part, issuer: str, unmarked: str) -> Part | None:
    if isinstance(part, ToolCall) and part.signature:
        return replace(part, signature=_own(part.signature, issuer, unmarked))
    if isinstance(part, Reasoning) and (part.signature or part.redacted):
        signature = _own(part.signature, issuer, unmarked)
        redacted = _own(part.redacted, issuer, unmarked)
        if not (signature or redacted or part.text):
            return None
        return replace(part, signature=signature, redacted=redacted)
    return part


def _own(proof: str | None, issuer: str, unmarked: str) -> str | None:
    if not proof:
        return None
    found = _MARK.match(proof)
    if found is None:
        return proof if unmarked == issuer else None
    return proof[found.end() :] if found[1] == issuer else None
