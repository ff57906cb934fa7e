"""Whatever the reply, its stream says the same as its body."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.dialects.openai_responses import OPENAI_RESPONSES
from headgate_providers.sdk import Event
from tests.gateway.dialects.openai_replies import (
    folded_chat,
    folded_completion,
    folded_response,
    head,
    replies,
    stream,
)


def _as_streamed(choice: dict[str, Any]) -> dict[str, Any]:
    """A whole choice in the form of the reader: members without content left out."""
    message = {name: value for name, value in choice["message"].items() if value}
    logprobs = (choice["logprobs"] or {}).get("content", [])
    return message | {"finish_reason": choice["finish_reason"], "logprobs": logprobs}


@given(events=replies(), batch=st.integers(1, 5))
def test_chat_chunks_fold_to_the_whole_completion(events: list[Event], batch: int) -> None:
    folded = folded_chat(stream(OPENAI_CHAT.encoder(head()), events, batch))
    whole = json.loads(OPENAI_CHAT.encoder(head()).whole(events))
    read = [
        {name: value for name, value in choice.items() if value or name == "logprobs"}
        for _, choice in sorted(folded["choices"].items())
    ]
    assert read == [_as_streamed(choice) for choice in whole["choices"]]
    assert folded["usage"] == whole["usage"]


@given(events=replies(), batch=st.integers(1, 5))
def test_completion_chunks_fold_to_the_whole_completion(events: list[Event], batch: int) -> None:
    folded = folded_completion(stream(OPENAI_COMPLETIONS.encoder(head()), events, batch))
    whole = json.loads(OPENAI_COMPLETIONS.encoder(head()).whole(events))
    expected = {
        choice["index"]: {"text": choice["text"], "finish_reason": choice["finish_reason"]}
        | (choice["logprobs"] or {})
        for choice in whole["choices"]
    }
    assert folded["choices"] == expected
    assert folded["usage"] == whole["usage"]


@settings(max_examples=300)
@given(events=replies(choices=1), batch=st.integers(1, 5))
def test_typed_events_fold_to_the_whole_response(events: list[Event], batch: int) -> None:
    folded = folded_response(stream(OPENAI_RESPONSES.encoder(head()), events, batch))
    assert folded == json.loads(OPENAI_RESPONSES.encoder(head()).whole(events))
