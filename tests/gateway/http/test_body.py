"""Strict JSON objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import GatewayError, InvalidRequest
from headgate.http.body import BodyLimits, ClientGone, parse_object, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@given(st.dictionaries(st.text(), values), st.booleans())
def test_any_object_is_read_as_it_is(payload: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(payload, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert parse_object(body) == payload


@given(st.text(), st.text())
def test_a_double_member_is_found_wherever_it_is(key: str, other: str) -> None:
    quoted = json.dumps(key)
    inner = f"{{{quoted}: 1, {json.dumps(other + key + '!')}: [], {quoted} : 2}}"
    for body in (inner, f'{{"x": [{inner}]}}'):
        with pytest.raises(InvalidRequest, match="twice"):
            parse_object(body.encode())


def test_an_escaped_quote_hides_no_double_member() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse_object(rb'{"a": "\u0022\u0022\u0022\u0022", "b": 1, "b": 2}')


@pytest.mark.parametrize(
    "body",
    [b"", b"nope", b"[]", b'"x"', b"null", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1,}',
     b'{"a": "\xff"}', b"{" + b'"a":[' * 5000, b"[" * 10_000_000],
)  # fmt: skip
def test_anything_else_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_object(body)


def messages(*parts: bytes) -> Any:
    queue = [
        {"type": "http.request", "body": part, "more_body": i < len(parts) - 1}
        for i, part in enumerate(parts)
    ]

    async def receive() -> dict[str, Any]:
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    return receive


async def test_a_body_in_pieces() -> None:
    assert await read_json(messages(b'{"a"', b": 1}"), {}, BodyLimits()) == {"a": 1}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({b"content-type": b"text/plain"}, 415),
        ({b"content-encoding": b"gzip"}, 415),
        ({b"content-length": b"11"}, 413),
    ],
)
async def test_what_is_refused_before_reading(headers: dict[bytes, bytes], status: int) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    with pytest.raises(GatewayError) as refused:
        await read_json(receive, headers, BodyLimits(bytes_max=10))
    assert refused.value.status == status


async def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    receive = messages(b"x" * 6, b"x" * 6, b"x" * 6)
    with pytest.raises(GatewayError) as refused:
        await read_json(receive, {}, BodyLimits(bytes_max=10))
    assert refused.value.status == 413
    assert (await receive())["body"] == b"x" * 6


async def test_a_slow_body_ends() -> None:
    import asyncio

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(5)
        return {"type": "http.request"}

    with pytest.raises(GatewayError) as refused:
        await read_json(receive, {}, BodyLimits(timeout_s=0.01))
    assert refused.value.status == 408


async def test_a_client_that_leaves() -> None:
    with pytest.raises(ClientGone):
        await read_json(messages(), {}, BodyLimits())
