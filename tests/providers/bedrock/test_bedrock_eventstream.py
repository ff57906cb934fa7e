from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.bedrock.eventstream import (
    MESSAGE_BYTES_MAX,
    EventStreamDecoder,
    EventStreamError,
    read_headers,
)
from tests.providers.bedrock.frames import frame

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=300),
    st.text(max_size=80),
    st.uuids(),
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
)
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=40)
MESSAGES = st.tuples(st.dictionaries(NAMES, VALUES, max_size=6), st.binary(max_size=400))


@given(st.lists(MESSAGES, max_size=5), st.integers(1, 50))
def test_reads_what_was_framed_however_it_is_cut(messages, size) -> None:
    stream = b"".join(frame(headers, payload) for headers, payload in messages)
    decoder = EventStreamDecoder()
    found = [
        (dict(message.headers), message.payload)
        for start in range(0, len(stream), size)
        for message in decoder.feed(stream[start : start + size])
    ]
    assert found == messages
    assert not decoder.incomplete


@given(MESSAGES, st.data())
def test_one_flipped_bit_is_noticed(message, data) -> None:
    stream = bytearray(frame(*message))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << bit % 8
    decoder = EventStreamDecoder()
    with pytest.raises(EventStreamError):
        decoder.feed(bytes(stream))


@given(st.binary(max_size=200))
def test_random_headers_never_fail_otherwise(data) -> None:
    try:
        read_headers(data)
    except EventStreamError:
        pass


def test_every_header_type() -> None:
    uuid = UUID("12345678-1234-5678-1234-567812345678")
    headers = {
        "true": True,
        "false": False,
        "byte": (2, b"\xff"),
        "short": (3, b"\x01\x00"),
        "int": (4, b"\xff\xff\xff\xfe"),
        "long": 2**40,
        "bytes": b"\x00\x01",
        "string": "ü",
        "timestamp": (8, (1_700_000_000_123).to_bytes(8, "big")),
        "uuid": uuid,
    }
    (message,) = EventStreamDecoder().feed(frame(headers, b"x"))
    assert dict(message.headers) == {
        **headers,
        "byte": -1,
        "short": 256,
        "int": -2,
        "timestamp": datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC),
    }
    assert message.text("string") == "ü"
    assert message.text("uuid") == message.text("absent") == ""


def test_a_message_published_by_aws() -> None:
    """The empty message and one with a header, from the test vectors of AWS's C library."""
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    one = bytes.fromhex(
        "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
        "7b27666f6f273a27626172277d8d9c08b1"
    )
    messages = EventStreamDecoder().feed(empty + one)
    assert [(dict(m.headers), m.payload) for m in messages] == [
        ({}, b""),
        ({"content-type": "application/json"}, b"{'foo':'bar'}"),
    ]


def test_an_unfinished_message_is_told() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(frame({}, b"payload")[:-1]) == []
    assert decoder.incomplete


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (16, 1), (MESSAGE_BYTES_MAX + 1, 0), (200_000, 140_000)]
)
def test_impossible_lengths_are_refused_at_once(total: int, headers: int) -> None:
    prelude = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
    with pytest.raises(EventStreamError, match="lengths"):
        EventStreamDecoder().feed(prelude + crc32(prelude).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"a": (10, b"")}, id="unknown type"),
        pytest.param({"a": (7, b"\x00\x05abc")}, id="cut string"),
        pytest.param({"a": (7, b"\x00\x01\xff")}, id="not UTF-8"),
        pytest.param({"a": (8, b"\x7f" + b"\xff" * 7)}, id="no such moment"),
    ],
)
def test_unreadable_headers(headers) -> None:
    with pytest.raises(EventStreamError, match="headers"):
        EventStreamDecoder().feed(frame(headers))
