"""Requests with anything in any place are understood, or refused in words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.dialects.base import ClientDialect
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from headgate.dialects.openai_responses import OPENAI_RESPONSES
from headgate.errors import InvalidRequest
from headgate_providers.sdk import TextDelta
from tests.gateway.dialects.openai_replies import head
from tests.gateway.dialects.openai_requests import CHAT, COMPLETION, EMBEDDING, RESPONSE

SEEDS: dict[str, tuple[ClientDialect, dict[str, Any]]] = {
    "chat": (OPENAI_CHAT, CHAT),
    "completions": (OPENAI_COMPLETIONS, COMPLETION),
    "embeddings": (OPENAI_EMBEDDINGS, EMBEDDING),
    "responses": (OPENAI_RESPONSES, RESPONSE),
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "auto", "none", "text", "json_schema", "data:", "data:,a", "http:"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "name", "text", "url", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if type(value) is list else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@st.composite
def damaged(draw: st.DrawFn, seed: dict[str, Any]) -> dict[str, Any]:
    """The seed with up to three values exchanged for others, or taken out of their object."""
    body = copy.deepcopy(seed)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(body))
        container, key = places[draw(st.integers(0, len(places) - 1))]
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(anything)
    return body


@pytest.mark.parametrize("name", SEEDS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(data=st.data())
def test_any_request_is_understood_or_refused_in_words(name: str, data: st.DataObject) -> None:
    dialect, seed = SEEDS[name]
    body = data.draw(damaged(seed))
    try:
        dialect.inspect(body)
    except InvalidRequest as error:
        assert error.message and error.param
        with pytest.raises(InvalidRequest):
            dialect.decode(body, "upstream")
        return
    assert dialect.encoder(head(body)).whole([TextDelta("hi")])
    try:
        dialect.decode(body, "upstream")
    except InvalidRequest as error:
        assert error.message and error.param


@pytest.mark.parametrize("name", SEEDS)
@given(body=st.dictionaries(st.text(max_size=5), anything, max_size=4))
def test_any_object_is_refused_in_words(name: str, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        SEEDS[name][0].decode(body, "upstream")


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_understood(name: str) -> None:
    dialect, seed = SEEDS[name]
    assert dialect.inspect(seed).model == seed["model"]
    assert dialect.decode(seed, "upstream").model == "upstream"


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("chat", "tools"),
        ("chat", "response_format"),
        ("responses", "tools"),
        ("responses", "text"),
        ("responses", "tool_choice"),
    ],
)
def test_nesting_beyond_the_serialisers_limit_is_refused(name: str, member: str) -> None:
    dialect, seed = SEEDS[name]
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    value = copy.deepcopy(seed[member])
    inner = value[0] if isinstance(value, list) else value
    schema = inner.get("json_schema") or inner.get("format") or inner
    schema["parameters"] = schema["schema"] = deep
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        dialect.inspect(seed | {member: value})
