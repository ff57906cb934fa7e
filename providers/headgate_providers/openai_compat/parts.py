"""The pieces of a message of a reply → events: content, thinking, sound, sources, logprobs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from headgate_providers.sdk import (
    Citation,
    Event,
    MediaDelta,
    ReasoningDelta,
    TextDelta,
)

_SOUNDS = {b"OggS": "audio/ogg", b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"ID3": "audio/mpeg"}


def content_events(content: object, choice: int) -> Iterator[Event]:
    """Content is a string, or a list of parts: text, Mistral's thinking and references, pictures.

    https://docs.mistral.ai/capabilities/reasoning
    """
    if isinstance(content, str):
        if content:
            yield TextDelta(content, choice)
        return
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        kind, text = part.get("type"), part.get("text")
        if kind == "thinking":
            yield from _thinking(part.get("thinking"), choice)
        elif kind == "image_url":
            yield from _picture(part.get("image_url"), choice)
        elif kind == "reference":
            yield Citation(dict(part), choice)
        elif isinstance(text, str) and text:
            yield TextDelta(text, choice)


def _thinking(thinking: object, choice: int) -> Iterator[Event]:
    rows = [{"text": thinking}] if isinstance(thinking, str) else thinking
    for row in rows if isinstance(rows, list) else ():
        text = row.get("text") if isinstance(row, Mapping) else None
        if isinstance(text, str) and text:
            yield ReasoningDelta(text, choice=choice)


def _picture(picture: object, choice: int) -> Iterator[Event]:
    """A picture the model made comes as a `data:` address; another address is cited."""
    url = picture.get("url") if isinstance(picture, Mapping) else picture
    if not isinstance(url, str):
        return
    head, _, data = url.partition(";base64,")
    if head.startswith("data:") and data:
        yield MediaDelta(head.removeprefix("data:"), data, choice)
    else:
        yield Citation({"type": "image_url", "image_url": {"url": url}}, choice)


def reasoning_events(message: Mapping[str, Any], choice: int) -> Iterator[Event]:
    """Thinking: `reasoning_content`, or `reasoning`, or OpenRouter's details with their proofs.

    Where several are there they repeat one text.
    https://openrouter.ai/docs/use-cases/reasoning-tokens
    """
    details = message.get("reasoning_details")
    if isinstance(details, list) and details:
        for detail in details:
            if isinstance(detail, Mapping):
                yield from _reasoning_detail(detail, choice)
        return
    for member in ("reasoning_content", "reasoning"):
        text = message.get(member)
        if isinstance(text, str) and text:
            yield ReasoningDelta(text, choice=choice)
            return


def _reasoning_detail(detail: Mapping[str, Any], choice: int) -> Iterator[Event]:
    text, signature, data, identity = (
        value if isinstance(value, str) and value else None
        for value in (
            detail.get("text") or detail.get("summary"),
            detail.get("signature"),
            detail.get("data"),
            detail.get("id"),
        )
    )
    if text or signature or data:
        yield ReasoningDelta(text or "", signature, data, identity, choice)


def audio_delta(
    audio: Mapping[str, Any], kept: bytearray, choice: int, *, complete: bool = False
) -> Iterator[Event]:
    """What is said, as text at once; the sound as a whole when the answer is `complete`."""
    transcript, data = audio.get("transcript"), audio.get("data")
    if isinstance(transcript, str) and transcript:
        yield TextDelta(transcript, choice)
    if isinstance(data, str):
        try:
            kept += base64.b64decode(data)
        except binascii.Error:
            return
    if complete and kept:
        kind = next((k for magic, k in _SOUNDS.items() if kept.startswith(magic)), "audio/pcm")
        yield MediaDelta(kind, base64.b64encode(kept).decode(), choice)


def citations_of_search(payload: Mapping[str, Any]) -> list[Event]:
    """Perplexity's sources, which stand beside the choices and repeat in every chunk.

    https://docs.perplexity.ai/api-reference/chat-completions-post
    """
    results = payload.get("search_results") or payload.get("citations")
    events: list[Event] = []
    for result in results if isinstance(results, list) else ():
        row = {"url": result, "title": ""} if isinstance(result, str) else result
        if isinstance(row, Mapping) and isinstance(row.get("url"), str):
            citation = {"url": row["url"], "title": row.get("title") or ""}
            citation |= {"start_index": 0, "end_index": 0}
            events.append(Citation({"type": "url_citation", "url_citation": citation}))
    return events


def legacy_logprobs(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parallel lists of `/completions` as rows."""
    tokens, values = raw.get("tokens"), raw.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list):
        return []
    tops = raw.get("top_logprobs")
    tops = tops if isinstance(tops, list) else []
    return [
        {
            "token": str(token),
            "logprob": value,
            "bytes": list(str(token).encode()),
            "top_logprobs": _top(tops[number] if number < len(tops) else None),
        }
        for number, (token, value) in enumerate(zip(tokens, values, strict=False))
    ]


def _top(row: object) -> list[dict[str, Any]]:
    if not isinstance(row, Mapping):
        return []
    return [
        {"token": str(token), "logprob": value, "bytes": list(str(token).encode())}
        for token, value in row.items()
    ]
