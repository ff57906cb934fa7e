"""Server-sent events: any cut of the bytes gives the same events, by the standard's rules."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.sdk import BackendError, SseDecoder, SseEvent
from headgate_providers.sdk.sse import SseSplitter, parse_event, split_events

LINE_ENDS = (b"\n", b"\r\n", b"\r")

line = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=8
).map(str.encode)
name = st.text("abcdefgh.", min_size=1, max_size=6)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[SseEvent]]:
    """A well-formed stream and its events."""
    end = draw(st.sampled_from(LINE_ENDS))
    out, events = bytearray(), []
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            out += b":" + draw(line) + end + draw(st.sampled_from([b"", end]))
        data = draw(st.lists(line, min_size=1, max_size=3))
        named = draw(st.just("") | name)
        if named:
            out += b"event: " + named.encode() + end
        for text in data:
            out += b"data: " + text + end
        out += draw(st.sampled_from([b"", b"id: 7" + end, b"retry: 10" + end])) + end
        events.append(SseEvent(b"\n".join(data), named))
    return bytes(out), events


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def decode(parts: list[bytes]) -> list[SseEvent]:
    decoder = SseDecoder()
    return [*(event for part in parts for event in decoder.feed(part)), *decoder.close()]


@given(streams(), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cut_gives_the_same_events(
    stream: tuple[bytes, list[SseEvent]], cuts: list[int]
) -> None:
    data, events = stream
    assert decode(pieces(data, cuts)) == events


@given(streams())
def test_byte_by_byte(stream: tuple[bytes, list[SseEvent]]) -> None:
    data, events = stream
    assert decode([bytes([byte]) for byte in data]) == events


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_no_byte_is_lost_or_changed(data: bytes, cuts: list[int]) -> None:
    splitter = SseSplitter()
    blocks = [splitter.feed(part) for part in pieces(data, cuts)]
    assert b"".join(blocks) + splitter.close() == data
    for block in blocks:
        assert b"".join(split_events(block)) == block


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_any_bytes_decode_to_something_and_to_the_same(data: bytes, cuts: list[int]) -> None:
    assert decode(pieces(data, cuts)) == decode([data] if data else [])


def test_an_event_is_there_as_soon_as_it_is_complete() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [SseEvent(b"a")]
    assert decoder.feed(b"data: b\r\n\r\n") == [SseEvent(b"b")]


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\u0085b", "a\x0bb\x0cc\x1cd"])
def test_what_only_looks_like_a_line_end_is_text(text: str) -> None:
    assert decode([f"data: {text}\n\n".encode()]) == [SseEvent(text.encode())]


def test_details_of_the_standard() -> None:
    assert decode([b"data:a\ndata: b\ndata:  c\ndata\n\n"]) == [SseEvent(b"a\nb\n c\n")]
    assert decode([b"\xef\xbb\xbfdata: a\n\n"]) == [SseEvent(b"a")]
    assert decode([b": only a comment\n\n", b"event: ping\n\n", b"\n\n\n"]) == []
    assert decode([b"data: unfinished"]) == [SseEvent(b"unfinished")]


def test_fields_the_standard_lacks_are_kept() -> None:
    assert parse_event(b"error: {}\n\n") == SseEvent(b"", "", (("error", b"{}"),))


def test_an_event_over_the_limit_is_refused() -> None:
    splitter = SseSplitter(limit=10)
    assert splitter.feed(b"data: 1\n\ndata: 2") == b"data: 1\n\n"
    with pytest.raises(BackendError) as refused:
        splitter.feed(b"345678901")
    assert refused.value.kind == "malformed"


def test_a_block_is_not_held_back_for_its_size() -> None:
    block = b"data: 123456789012345\n\n"
    assert SseSplitter(limit=10).feed(block) == block


@given(streams())
def test_events_end_where_the_standard_says(stream: tuple[bytes, list[SseEvent]]) -> None:
    data, events = stream
    blocks = re.split(rb"(?<=\n\n)|(?<=\r\r)|(?<=\r\n\r\n)", data)
    parsed = [event for block in blocks if (event := parse_event(block)) is not None]
    assert [event.data for event in parsed] == [event.data for event in events]
