"""Texts of a request in any dialect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import InvalidRequest
from headgate.pipeline.texts import map_texts, texts_of

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [
            {"type": "text", "text": "U"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "A"}'}}
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "T"},
    ],
    "unknown": "stays",
}  # fmt: skip


def test_every_text_a_model_reads_is_found() -> None:
    assert texts_of(CHAT) == ["S", "U", "f", '{"a": "A"}', "T"]


def test_changing_keeps_everything_else() -> None:
    changed = map_texts(CHAT, str.lower)
    assert changed["messages"][0] == {"role": "system", "content": "s"}
    assert changed["messages"][1]["content"][1] == CHAT["messages"][1]["content"][1]
    assert changed["unknown"] == "stays"
    assert CHAT["messages"][0]["content"] == "S"


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"input": "I", "instructions": "N"}, ["I", "N"]),
        ({"prompt": ["P", "Q"]}, ["P", "Q"]),
        ({"system": [{"type": "text", "text": "Y"}], "messages": []}, ["Y"]),
    ],
)
def test_other_dialects(body: dict[str, object], texts: list[str]) -> None:
    assert texts_of(body) == texts


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "model", "x"]), json))
def test_the_identity_changes_nothing(body: dict[str, object]) -> None:
    assert map_texts(body, lambda text: text) == body


def test_absurd_nesting_is_the_callers_mistake() -> None:
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(InvalidRequest):
        texts_of({"input": deep})
