"""Chat completions: what a request means, and the exact shape of a reply."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.errors import GatewayError, InvalidRequest
from headgate_providers.sdk import (
    Audio,
    ChatRequest,
    Citation,
    Document,
    Event,
    Finish,
    Image,
    Logprobs,
    MediaDelta,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningOptions,
    Refusal,
    RefusalDelta,
    ResponseFormat,
    Start,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    UsageReported,
)
from tests.gateway.dialects.openai_replies import (
    CITATION,
    USAGE,
    chunks_of,
    data_lines,
    folded_chat,
    head,
    stream,
    token,
)
from tests.gateway.dialects.openai_requests import CHAT, SCHEMA

HELLO = {"role": "user", "content": "Hello"}


def body(**members: Any) -> dict[str, Any]:
    return {"model": "assistant", "messages": [HELLO], **members}


def decoded(**members: Any) -> ChatRequest:
    return OPENAI_CHAT.decode(body(**members), "upstream")


# Requests


def test_the_summary_of_a_full_request() -> None:
    summary = OPENAI_CHAT.inspect(CHAT)
    assert summary.stream and summary.usage_wanted
    assert summary.features == {
        *("tools", "parallel_tool_calls", "json_schema", "image", "audio", "document"),
        *("reasoning", "n", "stop", "seed", "logprobs", "logit_bias", "penalties", "top_k"),
    }
    assert summary.modalities == {"text", "image", "audio", "document"}
    assert summary.output_tokens_max == 200
    assert summary.metadata == {"team": "a"}


def test_a_plain_request_needs_nothing() -> None:
    plain = body(
        n=1, stop=[], temperature=1, top_p=1.0, frequency_penalty=0, tools=[], logit_bias={},
        reasoning_effort="none", parallel_tool_calls=False, logprobs=False, max_tokens=None,
    )  # fmt: skip
    summary = OPENAI_CHAT.inspect(plain)
    assert summary.features == frozenset()
    assert summary.modalities == {"text"}
    assert summary.input_characters == len("Hello")
    assert summary.output_tokens_max is None
    assert not summary.stream and not summary.usage_wanted


@pytest.mark.parametrize(
    ("members", "feature"),
    [
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
        ({"thinking": {"type": "enabled"}}, "reasoning"),
        ({"functions": [{"name": "f"}]}, "tools"),
        ({"top_logprobs": 3}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "audio"),
        ({"seed": 0}, "seed"),
    ],
)
def test_a_member_asks_for_its_feature(members: dict[str, Any], feature: str) -> None:
    assert feature in OPENAI_CHAT.inspect(body(**members)).features


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [HELLO, "Hello"]}, "messages[1]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [HELLO, HELLO, {"role": "user", "content": 5}]}, "messages[2].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ["a", 1]}, "stop[1]"),
        ({"logit_bias": {"5": "x"}}, "logit_bias.5"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"function": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_a_malformed_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as info:
        OPENAI_CHAT.inspect(body(**members))
    assert info.value.param == param
    assert f"`{param}`" in info.value.message


def test_what_only_the_target_knows_is_let_through() -> None:
    OPENAI_CHAT.inspect(
        body(
            tools=[{"type": "custom", "custom": {"name": "x"}}, {"type": "openrouter:web_search"}],
            messages=[{"role": "user", "content": [{"type": "video_url", "video_url": 1}]}],
            response_format={"type": "structural_tag"},
            chat_template_kwargs={"a": 1},
        )
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video_url"}]}]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
            "messages[0].audio",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]},
                ]
            },
            "messages[0].tool_calls[0]",
        ),
    ],
)
def test_what_cannot_be_translated_says_so(members: dict[str, Any], param: str) -> None:
    OPENAI_CHAT.inspect(body(**members))
    with pytest.raises(InvalidRequest, match="cannot be carried over") as info:
        decoded(**members)
    assert info.value.param == param


def test_a_full_request_is_translated_member_by_member() -> None:
    assert OPENAI_CHAT.decode(CHAT, "upstream") == ChatRequest(
        model="upstream",
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("developer", (Text("Use tools."),)),
            Message(
                "user",
                (
                    Text("See", cache="5m"),
                    Image(data="aGk=", media_type="image/png", detail="low"),
                    Image(url="https://example.org/a.png"),
                    Audio("aGk=", "wav"),
                    Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
                    Document(file_id="file-1"),
                    Document(url="https://example.org/a.pdf"),
                    Document(data="YSBi", media_type="text/plain"),
                ),
                "ann",
            ),
            Message(
                "assistant",
                (
                    Reasoning("hm", signature="s1"),
                    Reasoning(redacted="sealed", id="rs_1"),
                    Reasoning("short"),
                    ToolCall("call_1", "weather", '{"city":"Rome"}', signature="s2"),
                ),
            ),
            Message(
                "tool",
                (
                    ToolResult(
                        "call_1",
                        (Text("18 degrees"), Image(data="aGk=", media_type="image/png")),
                    ),
                ),
            ),
            Message(
                "assistant",
                (
                    Reasoning("so"),
                    Text("It is 18."),
                    Refusal("no more"),
                    Image(data="aGk=", media_type="image/png"),
                    ToolCall("call_1", "old", "{}"),
                ),
            ),
            Message("tool", (ToolResult("call_1", (Text("done"),), "old"),)),
        ),
        stream=True,
        tools=(Tool("weather", "d", SCHEMA, strict=True),),
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", SCHEMA, "place", True, "p"),
        reasoning=ReasoningOptions(effort="high", budget_tokens=500, enabled=True),
        max_tokens=100,
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


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice("auto")),
        ("any", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", "f")),
    ],
)
def test_tool_choices(choice: Any, expected: ToolChoice) -> None:
    assert decoded(tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"reasoning_effort": "none"}, ReasoningOptions(effort="none", enabled=False)),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(enabled=False)),
        ({"enable_thinking": True}, ReasoningOptions(enabled=True)),
        ({"reasoning": "odd"}, None),
    ],
)
def test_ways_to_ask_for_thinking(
    members: dict[str, Any], expected: ReasoningOptions | None
) -> None:
    assert decoded(**members).reasoning == expected


def test_legacy_functions_become_tools_and_their_calls_find_their_results() -> None:
    request = decoded(
        functions=[{"name": "f"}],
        function_call={"name": "f"},
        messages=[
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "1"},
            },
            {"role": "function", "name": "f", "content": "one"},
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "2"},
            },
            {"role": "function", "name": "f", "content": "two"},
        ],
    )
    assert request.tools == (Tool("f"),)
    assert request.tool_choice == ToolChoice("tool", "f")
    ids = [getattr(m.parts[0], "id", None) or m.parts[0].call_id for m in request.messages]  # type: ignore[union-attr]
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize("url", ["data:image/png", "data:image/png;base64,", "ftp://a/b", "x"])
def test_a_picture_needs_a_usable_address(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(InvalidRequest) as info:
        decoded(messages=[{"role": "user", "content": [part]}])
    assert info.value.param == "messages[0].content[0].image_url.url"


# Replies

TOKEN = {
    "type": "object",
    "required": ["token", "logprob", "bytes", "top_logprobs"],
}
LOGPROBS = {
    "type": ["object", "null"],
    "required": ["content", "refusal"],
    "properties": {"content": {"type": "array", "items": TOKEN}},
}
REASON = {"enum": ["stop", "length", "tool_calls", "content_filter", "function_call"]}
COUNT = {"type": "integer", "minimum": 0}
USAGE_SCHEMA = {
    "type": "object",
    "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
    "additionalProperties": {"anyOf": [COUNT, {"type": "object", "additionalProperties": COUNT}]},
}
CALL = {
    "type": "object",
    "required": ["id", "type", "function"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "type": {"const": "function"},
        "function": {"required": ["name", "arguments"]},
    },
}
ENVELOPE = {
    "id": {"const": "chatcmpl-abc"},
    "created": {"const": 1_700_000_000},
    "model": {"const": "assistant"},
}
COMPLETION = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["id", "object", "created", "model", "choices", "usage"],
        "properties": ENVELOPE
        | {
            "object": {"const": "chat.completion"},
            "usage": USAGE_SCHEMA,
            "choices": {
                "items": {
                    "required": ["index", "message", "logprobs", "finish_reason"],
                    "properties": {
                        "finish_reason": REASON,
                        "logprobs": LOGPROBS,
                        "message": {
                            "required": ["role", "content", "refusal"],
                            "properties": {
                                "role": {"const": "assistant"},
                                "content": {"type": ["string", "null"]},
                                "refusal": {"type": ["string", "null"]},
                                "tool_calls": {"type": "array", "items": CALL, "minItems": 1},
                            },
                        },
                    },
                },
            },
        },
    }
)
CHUNK = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": ["id", "object", "created", "model", "choices", "usage"],
        "properties": ENVELOPE
        | {
            "object": {"const": "chat.completion.chunk"},
            "usage": {"anyOf": [{"type": "null"}, USAGE_SCHEMA]},
            "choices": {
                "items": {
                    "required": ["index", "delta", "logprobs", "finish_reason"],
                    "properties": {
                        "finish_reason": {"anyOf": [{"type": "null"}, REASON]},
                        "logprobs": LOGPROBS,
                        "delta": {
                            "properties": {
                                "tool_calls": {"items": {"required": ["index"]}},
                            }
                        },
                    },
                },
            },
        },
    }
)

REPLY: list[Event] = [
    Start("up", "upstream", 5),
    ReasoningDelta("Let me "),
    ReasoningDelta("see."),
    ReasoningDelta(signature="proof"),
    ReasoningDelta(redacted="sealed", id="rs_1"),
    TextDelta("It "),
    Logprobs([token("It ")]),
    TextDelta("rains."),
    Citation(CITATION),
    ToolCallDelta(3, "call_1", "weather", '{"a"', signature="thought"),
    ToolCallDelta(3, arguments=":1}"),
    ToolCallDelta(7, None, "other", "{}"),
    MediaDelta("image/png", "aGk="),
    MediaDelta("audio/wav", "aGk="),
    Finish("tool_calls"),
    TextDelta("Second.", 1),
    Finish("length", choice=1),
    UsageReported(USAGE),
]


def test_a_whole_reply() -> None:
    reply = json.loads(OPENAI_CHAT.encoder(head()).whole(REPLY))
    COMPLETION.validate(reply)
    first, second = reply["choices"]
    assert first["message"] == {
        "role": "assistant",
        "content": "It rains.",
        "refusal": None,
        "reasoning_content": "Let me see.",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Let me see.", "signature": "proof", "index": 0},
            {"type": "reasoning.encrypted", "data": "sealed", "id": "rs_1", "index": 1},
        ],
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": 0,
                    "end_index": 0,
                    "title": "Example",
                    "url": "https://example.org",
                },
            }
        ],
        "images": [
            {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,aGk="},
                "index": 0,
            }
        ],
        "audio": {
            "id": "audio_abc",
            "data": "aGk=",
            "expires_at": 1_700_000_000,
            "transcript": "",
        },
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"a":1}'},
                "extra_content": {"google": {"thought_signature": "thought"}},
            },
            {
                "id": "call_abc_0_1",
                "type": "function",
                "function": {"name": "other", "arguments": "{}"},
            },
        ],
    }
    assert first["finish_reason"] == "tool_calls"
    assert first["logprobs"] == {"content": [token("It ")], "refusal": None}
    assert (second["message"]["content"], second["finish_reason"]) == ("Second.", "length")
    assert reply["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {
            "cached_tokens": 5,
            "cache_write_tokens": 2,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 4,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_a_streamed_reply() -> None:
    raw = stream(OPENAI_CHAT.encoder(head()), REPLY, batch=len(REPLY))
    for chunk in chunks_of(raw, "chat.completion.chunk"):
        CHUNK.validate(chunk)
    deltas = [
        chunk["choices"][0]["delta"]
        for chunk in chunks_of(raw, "chat.completion.chunk")
        if chunk["choices"] and chunk["choices"][0]["index"] == 0
    ]
    assert deltas[:3] == [
        {"role": "assistant", "content": None},
        {"reasoning_content": "Let me "},
        {"reasoning_content": "see."},
    ]
    assert deltas[8:10] == [
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"a"'},
                    "extra_content": {"google": {"thought_signature": "thought"}},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
    ]
    assert sorted(folded_chat(raw)["choices"]) == [0, 1]


def test_a_token_and_its_log_probability_share_a_chunk() -> None:
    events: list[Event] = [Logprobs([token("a")]), TextDelta("a"), Finish("stop")]
    raw = stream(OPENAI_CHAT.encoder(head()), events, batch=3)
    _, chunk, _ = chunks_of(raw, "chat.completion.chunk")
    assert chunk["choices"][0]["delta"] == {"content": "a"}
    assert chunk["choices"][0]["logprobs"]["content"] == [token("a")]


def test_usage_is_streamed_only_to_those_who_asked() -> None:
    events: list[Event] = [TextDelta("a"), Finish("stop"), UsageReported(USAGE)]
    raw = stream(OPENAI_CHAT.encoder(head(usage_wanted=False)), events)
    assert b"usage" not in raw and raw.endswith(b"data: [DONE]\n\n")
    chunks = chunks_of(stream(OPENAI_CHAT.encoder(head()), events), "chat.completion.chunk")
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 29
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


def test_nothing_is_sent_before_the_first_output() -> None:
    encoder = OPENAI_CHAT.encoder(head())
    assert encoder.feed([Start("up", "upstream", 5), UsageReported(USAGE)]) == b""


def test_a_refusal_stands_apart_from_content() -> None:
    events: list[Event] = [RefusalDelta("I will "), RefusalDelta("not."), Finish("stop")]
    message = json.loads(OPENAI_CHAT.encoder(head()).whole(events))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "I will not."}


def test_a_broken_stream_ends_with_an_error_and_not_with_done() -> None:
    encoder = OPENAI_CHAT.encoder(head())
    raw = encoder.feed([TextDelta("a")])
    raw += encoder.fail(GatewayError(502, "upstream_error", "The upstream broke off."))
    assert json.loads(data_lines(raw)[-1]) == {
        "error": {
            "message": "The upstream broke off.",
            "type": "server_error",
            "param": None,
            "code": "upstream_error",
        }
    }
    assert b"[DONE]" not in raw


def test_thinking_and_proofs_survive_a_round_trip() -> None:
    reply = json.loads(OPENAI_CHAT.encoder(head()).whole(REPLY))
    message = reply["choices"][0]["message"]
    (turn,) = decoded(messages=[message]).messages
    assert [part for part in turn.parts if isinstance(part, Reasoning | ToolCall)] == [
        Reasoning("Let me see.", signature="proof"),
        Reasoning(redacted="sealed", id="rs_1"),
        ToolCall("call_1", "weather", '{"a":1}', signature="thought"),
        ToolCall("call_abc_0_1", "other", "{}"),
    ]


def test_a_client_of_functions_is_answered_in_its_own_words() -> None:
    asked = body(functions=[{"name": "f"}])
    events: list[Event] = [
        ToolCallDelta(0, "c", "f", "{"),
        ToolCallDelta(0, arguments="}"),
        ToolCallDelta(1, "d", "f", "{}"),
        Finish("tool_calls"),
    ]
    choice = json.loads(OPENAI_CHAT.encoder(head(asked)).whole(events))["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"
    raw = stream(OPENAI_CHAT.encoder(head(asked)), events)
    deltas = [c["choices"][0]["delta"] for c in chunks_of(raw, "chat.completion.chunk")]
    assert deltas == [
        {"role": "assistant", "content": None},
        {"function_call": {"name": "f", "arguments": "{"}},
        {"function_call": {"arguments": "}"}},
        {},
    ]


def test_half_a_character_does_not_break_the_reply() -> None:
    events: list[Event] = [TextDelta("a\ud83d\ude00"), TextDelta("\ud83d"), Finish("stop")]
    reply = json.loads(OPENAI_CHAT.encoder(head()).whole(events))
    assert reply["choices"][0]["message"]["content"] == "a\U0001f600\ufffd"
