"""Grounding and citation metadata as annotations in OpenAI's `url_citation` shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate_providers.sdk import Citation

_Json = Mapping[str, Any]


class Citations:
    """Gives each source of one choice once, with the characters of the answer that rest on it.

    Google counts a segment in bytes of UTF-8, OpenAI in characters, hence the text is kept.
    """

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._text: list[str] = []
        self._given: set[tuple[str, int, int]] = set()

    def add_text(self, text: str) -> None:
        """More of the answer."""
        self._text.append(text)

    def found(self, row: _Json) -> list[Citation]:
        """The citations that a piece of the reply adds."""
        if "groundingMetadata" not in row and "citationMetadata" not in row:
            return []
        text = "".join(self._text)
        return [
            citation
            for source, start, end in (*_grounding(row, text), *_recited(row, text))
            if (citation := self._citation(source, start, end)) is not None
        ]

    def _citation(self, source: _Json, start: int, end: int) -> Citation | None:
        url, title = source.get("uri"), source.get("title")
        if not isinstance(url, str) or not url or (url, start, end) in self._given:
            return None
        self._given.add((url, start, end))
        cited = {
            "url": url,
            "title": title if isinstance(title, str) else url,
            "start_index": start,
            "end_index": end,
        }
        return Citation({"type": "url_citation", "url_citation": cited}, self._choice)


_Found = tuple[_Json, int, int]


def _grounding(row: _Json, text: str) -> Iterator[_Found]:
    """Each support names the chunks it rests on; a chunk without one holds for the whole answer.

    https://ai.google.dev/api/generate-content#GroundingMetadata
    """
    metadata = row.get("groundingMetadata")
    if not isinstance(metadata, Mapping):
        return
    sources = [_source(chunk) for chunk in _rows(metadata.get("groundingChunks"))]
    used: set[int] = set()
    for support in _rows(metadata.get("groundingSupports")):
        start, end = _segment(support.get("segment"), text)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if isinstance(index, int) and 0 <= index < len(sources):
                used.add(index)
                yield sources[index], start, end
    yield from ((s, 0, len(text)) for i, s in enumerate(sources) if i not in used)


def _recited(row: _Json, text: str) -> Iterator[_Found]:
    """Passages quoted from a known source. Vertex AI says `citations`.

    https://ai.google.dev/api/generate-content#citationmetadata
    """
    metadata = row.get("citationMetadata")
    if isinstance(metadata, Mapping):
        for key in ("citationSources", "citations"):
            for source in _rows(metadata.get(key)):
                yield source, *_segment(source, text)


def _source(chunk: _Json) -> _Json:
    """A chunk holds `web`, `retrievedContext` or `maps`, each with `uri` and `title`."""
    return next((v for v in chunk.values() if isinstance(v, Mapping) and "uri" in v), {})


def _segment(segment: object, text: str) -> tuple[int, int]:
    if not isinstance(segment, Mapping):
        return 0, len(text)
    quoted = segment.get("text")
    encoded = text.encode("utf-8", "replace")
    start, end = (
        len(encoded[: _count(segment.get(key), default)].decode("utf-8", "ignore"))
        for key, default in (("startIndex", 0), ("endIndex", len(encoded)))
    )
    if isinstance(quoted, str) and text[start:end] != quoted:
        at = text.find(quoted)
        return (at, at + len(quoted)) if at >= 0 else (start, max(start, end))
    return start, max(start, end)


def _count(value: object, default: int) -> int:
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else default


def _rows(value: object) -> list[_Json]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
