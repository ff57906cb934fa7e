"""Legacy completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.errors import GatewayError, InvalidRequest
from headgate_providers.sdk import (
    ChatRequest,
    Event,
    Finish,
    Logprobs,
    Message,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tests.gateway.dialects.openai_replies import USAGE, chunks_of, data_lines, head, stream, token
from tests.gateway.dialects.openai_requests import COMPLETION


def body(**members: Any) -> dict[str, Any]:
    return {"model": "assistant", "prompt": "Once", **members}


def test_a_prompt_becomes_one_user_message() -> None:
    assert OPENAI_COMPLETIONS.decode(COMPLETION, "upstream") == ChatRequest(
        model="upstream",
        messages=(Message("user", (Text("Once"),)),),
        stream=True,
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        seed=7,
        n=2,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
        logit_bias={"50256": -100},
        logprobs=True,
        top_logprobs=2,
        user="u",
        service_tier="flex",
        metadata={"team": "a"},
    )


def test_the_summary_counts_every_prompt() -> None:
    summary = OPENAI_COMPLETIONS.inspect(body(prompt=["ab", "cde"], n=2, max_tokens=10))
    assert summary.input_characters == 5
    assert summary.output_tokens_max == 40
    assert summary.features == {"n"}


@pytest.mark.parametrize("prompt", [[1, 2], [[1], [2]]])
def test_token_ids_need_a_target_that_takes_them(prompt: Any) -> None:
    assert "token_ids" in OPENAI_COMPLETIONS.inspect(body(prompt=prompt)).features
    with pytest.raises(InvalidRequest, match="token ids"):
        OPENAI_COMPLETIONS.decode(body(prompt=prompt), "upstream")


@pytest.mark.parametrize(
    "members",
    [{"prompt": ["a", "b"]}, {"echo": True}, {"suffix": "end"}, {"best_of": 3, "n": 2}],
)
def test_what_has_no_translation_is_accepted_and_refused_only_then(members: Any) -> None:
    OPENAI_COMPLETIONS.inspect(body(**members))
    with pytest.raises(InvalidRequest) as info:
        OPENAI_COMPLETIONS.decode(body(**members), "upstream")
    assert info.value.param == next(iter(members))


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [["a"]]}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"echo": 1}, "echo"),
    ],
)
def test_a_malformed_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as info:
        OPENAI_COMPLETIONS.inspect(body(**members))
    assert info.value.param == param


EVENTS: list[Event] = [
    ReasoningDelta("hm"),
    TextDelta("upon"),
    Logprobs([token("up"), token("on")]),
    TextDelta(" a"),
    Logprobs([token(" a")]),
    ToolCallDelta(0, "c", "f", "{}"),
    Finish("tool_calls"),
    UsageReported(USAGE),
]
LEGACY = {
    "tokens": ["up", "on", " a"],
    "token_logprobs": [-0.5, -0.5, -0.5],
    "top_logprobs": [{"up": -0.5}, {"on": -0.5}, {" a": -0.5}],
    "text_offset": [0, 2, 4],
}


def test_a_whole_reply() -> None:
    reply = json.loads(OPENAI_COMPLETIONS.encoder(head()).whole(EVENTS))
    assert reply["usage"]["total_tokens"] == 29
    del reply["usage"]
    assert reply == {
        "id": "cmpl-abc",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "assistant",
        "system_fingerprint": None,
        "choices": [
            {"index": 0, "text": "upon a", "logprobs": LEGACY, "finish_reason": "stop"},
        ],
    }


def test_a_streamed_reply() -> None:
    raw = stream(OPENAI_COMPLETIONS.encoder(head()), EVENTS, batch=9)
    *chunks, usage = chunks_of(raw, "text_completion")
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["upon", " a", ""]
    assert chunks[1]["choices"][0]["logprobs"] == {
        "tokens": [" a"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{" a": -0.5}],
        "text_offset": [4],
    }
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []


def test_usage_is_streamed_only_to_those_who_asked() -> None:
    raw = stream(OPENAI_COMPLETIONS.encoder(head(usage_wanted=False)), EVENTS)
    assert b"usage" not in raw


def test_a_broken_stream_ends_with_an_error_and_not_with_done() -> None:
    raw = OPENAI_COMPLETIONS.encoder(head()).fail(GatewayError(504, "upstream_timeout", "Late."))
    assert json.loads(data_lines(raw)[-1])["error"]["code"] == "upstream_timeout"
