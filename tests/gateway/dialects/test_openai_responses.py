"""Responses: what a request means, and the order and shape of its typed events."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from headgate.dialects.openai_responses import OPENAI_RESPONSES
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
    folded_response,
    head,
    stream,
    token,
    typed_events,
)
from tests.gateway.dialects.openai_requests import RESPONSE, SCHEMA


def body(**members: Any) -> dict[str, Any]:
    return {"model": "assistant", "input": "Hello", **members}


def decoded(**members: Any) -> ChatRequest:
    return OPENAI_RESPONSES.decode(body(**members), "upstream")


# Requests


def test_the_summary_of_a_full_request() -> None:
    summary = OPENAI_RESPONSES.inspect(RESPONSE)
    assert summary.stream and summary.usage_wanted
    assert summary.features == {
        *("tools", "parallel_tool_calls", "json_schema", "image", "audio", "document"),
        *("reasoning", "logprobs"),
    }
    assert summary.modalities == {"text", "image", "audio", "document"}
    assert summary.output_tokens_max == 100
    assert summary.metadata == {"team": "a"}


def test_a_plain_request_needs_nothing() -> None:
    summary = OPENAI_RESPONSES.inspect(
        body(instructions="Hi", store=True, tools=[], parallel_tool_calls=False, include=[])
    )
    assert summary.features == frozenset()
    assert summary.input_characters == len("HiHello")


def test_a_full_request_is_translated_member_by_member() -> None:
    assert OPENAI_RESPONSES.decode(RESPONSE, "upstream") == ChatRequest(
        model="upstream",
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("developer", (Text("Use tools."),)),
            Message(
                "user",
                (
                    Text("See"),
                    Image(data="aGk=", media_type="image/png", detail="high"),
                    Document(data="aGk=", media_type="image/png", name="a.png"),
                    Document(url="https://example.org/a.pdf"),
                    Audio("aGk=", "mp3"),
                ),
            ),
            Message(
                "assistant",
                (
                    Reasoning("hm", redacted="sealed", id="rs_1"),
                    Text("Looking."),
                    Refusal("not all"),
                    ToolCall("c1", "weather", "{}"),
                    ToolCall("c2", "weather", "{}"),
                ),
            ),
            Message("tool", (ToolResult("c1", (Text("18"),)),)),
            Message("tool", (ToolResult("c2", (Text("19"),)),)),
        ),
        stream=True,
        tools=(Tool("weather", "d", SCHEMA, strict=True),),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", SCHEMA, "place", True),
        reasoning=ReasoningOptions(effort="low", summary="auto"),
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        logprobs=True,
        top_logprobs=3,
        user="u",
        service_tier="flex",
        metadata={"team": "a"},
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": None}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"include": [1]}, "include[0]"),
    ],
)
def test_a_malformed_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as info:
        OPENAI_RESPONSES.inspect(body(**members))
    assert info.value.param == param


@pytest.mark.parametrize(
    ("members", "param", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "send the earlier items"),
        ({"conversation": {"id": "c"}}, "conversation", "send the conversation's items"),
        ({"prompt": {"id": "p"}}, "prompt", "send the prompt's text"),
        ({"background": True}, "background", "stream it"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]", "send the item itself"),
        ({"input": [{"type": "web_search_call"}]}, "input[0]", "`web_search_call`"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", "`web_search`"),
        ({"tools": [{"type": "custom", "name": "apply_patch"}]}, "tools[0]", "`custom`"),
        ({"tools": [{"type": "local_shell"}]}, "tools[0]", "`local_shell`"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice", "`mcp`"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format", "`grammar`"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
            "stored with a vendor",
        ),
    ],
)
def test_what_has_no_translation_is_let_through_and_refused_only_then(
    members: dict[str, Any], param: str, words: str
) -> None:
    OPENAI_RESPONSES.inspect(body(**members))
    with pytest.raises(InvalidRequest, match=words) as info:
        decoded(**members)
    assert info.value.param == param


def test_stored_state_may_stand_in_for_input() -> None:
    OPENAI_RESPONSES.inspect({"model": "assistant", "previous_response_id": "resp_1"})


def test_a_stored_file_is_a_document_of_its_vendor() -> None:
    part = {"type": "input_file", "file_id": "file-1"}
    request = decoded(input=[{"role": "user", "content": [part]}])
    assert request.messages[0].parts == (Document(file_id="file-1"),)


# Replies


def run(events: list[Event], asked: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    raw = stream(OPENAI_RESPONSES.encoder(head(asked)), events, batch=len(events))
    folded_response(raw)
    return typed_events(raw)


def kinds(events: list[Event]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in run(events)[2:]]


MESSAGE = ["output_item.added", "content_part.added"]
MESSAGE_END = ["output_text.done", "content_part.done", "output_item.done"]


def test_the_events_of_a_text() -> None:
    assert kinds([Start(), TextDelta("a"), TextDelta(""), TextDelta("b"), Finish("stop")]) == [
        *MESSAGE,
        "output_text.delta",
        "output_text.delta",
        *MESSAGE_END,
        "completed",
    ]


def test_the_events_of_thinking_then_a_call() -> None:
    assert kinds(
        [
            ReasoningDelta("hm", id="rs_1"),
            ReasoningDelta(redacted="sealed", id="rs_1"),
            ToolCallDelta(0, "c", "f", "{"),
            ToolCallDelta(0, arguments="}"),
            Finish("tool_calls"),
        ]
    ) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_the_events_of_a_refusal_after_text() -> None:
    assert kinds([TextDelta("a"), RefusalDelta("no"), Finish("stop")]) == [
        *MESSAGE,
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_calls_written_side_by_side_stay_apart() -> None:
    response = run(
        [
            ToolCallDelta(0, "c0", "f", "1"),
            ToolCallDelta(1, "c1", "g", "2"),
            ToolCallDelta(0, arguments="3"),
            ToolCallDelta(1, arguments="4"),
            Finish("tool_calls"),
        ]
    )[-1]["response"]
    calls = [(item["call_id"], item["name"], item["arguments"]) for item in response["output"]]
    assert calls == [("c0", "f", "13"), ("c1", "g", "24")]


def test_text_after_a_call_is_a_new_message() -> None:
    response = run([TextDelta("a"), ToolCallDelta(0, "c", "f", "{}"), TextDelta("b")])[-1]
    assert [item["type"] for item in response["response"]["output"]] == [
        "message",
        "function_call",
        "message",
    ]


def test_a_late_citation_stands_on_the_last_text_there_was() -> None:
    call = ToolCallDelta(0, "c", "f", "{}")
    cited = run([TextDelta("a"), call, Citation(CITATION), Finish("stop")])[-1]["response"]
    assert len(cited["output"]) == 2
    assert len(cited["output"][0]["content"][0]["annotations"]) == 1
    refused = run([RefusalDelta("no"), call, Citation(CITATION), Finish("stop")])[-1]["response"]
    assert len(refused["output"]) == 3
    assert refused["output"][2]["content"][0]["text"] == ""


@pytest.mark.parametrize(
    ("reason", "details"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_a_reply_cut_short_is_incomplete(reason: Any, details: str) -> None:
    last = run([TextDelta("a"), Finish(reason)])[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": details}
    assert last["response"]["output"][0]["status"] == "incomplete"


RESPONSE_SCHEMA = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": [
            *("id", "object", "created_at", "status", "error", "incomplete_details", "model"),
            *("instructions", "max_output_tokens", "output", "parallel_tool_calls", "metadata"),
            *("previous_response_id", "reasoning", "store", "temperature", "text", "tool_choice"),
            *("tools", "top_p", "truncation", "usage", "user", "background", "top_logprobs"),
        ],
        "properties": {
            "id": {"const": "resp_abc"},
            "object": {"const": "response"},
            "created_at": {"const": 1_700_000_000},
            "store": {"const": False},
            "reasoning": {"required": ["effort", "summary"]},
            "text": {"required": ["format"]},
            "usage": {
                "type": ["object", "null"],
                "required": [
                    *("input_tokens", "input_tokens_details", "output_tokens"),
                    *("output_tokens_details", "total_tokens"),
                ],
                "properties": {
                    "input_tokens_details": {"required": ["cached_tokens", "cache_write_tokens"]},
                    "output_tokens_details": {"required": ["reasoning_tokens"]},
                },
            },
            "output": {
                "items": {
                    "required": ["id", "type"],
                    "oneOf": [
                        {
                            "properties": {
                                "type": {"const": "message"},
                                "role": {"const": "assistant"},
                                "content": {
                                    "items": {
                                        "oneOf": [
                                            {"required": ["text", "annotations", "logprobs"]},
                                            {"required": ["refusal"]},
                                        ]
                                    }
                                },
                            },
                            "required": ["status", "role", "content"],
                        },
                        {
                            "properties": {"type": {"const": "function_call"}},
                            "required": ["status", "call_id", "name", "arguments"],
                        },
                        {
                            "properties": {"type": {"const": "reasoning"}},
                            "required": ["summary"],
                        },
                        {
                            "properties": {"type": {"const": "image_generation_call"}},
                            "required": ["status", "result"],
                        },
                    ],
                }
            },
        },
    }
)

REPLY: list[Event] = [
    Start("up", "upstream", 5),
    ReasoningDelta("Let me see.", signature="proof"),
    ReasoningDelta(redacted="sealed", id="rs_9"),
    TextDelta("It"),
    Logprobs([{"token": "It", "logprob": -0.5}]),
    Citation(CITATION),
    ToolCallDelta(0, "call_1", "weather", "{}", signature="thought"),
    ToolCallDelta(1, None, "other", "{}"),
    MediaDelta("image/png", "aGk="),
    MediaDelta("audio/wav", "aGk="),
    Finish("tool_calls"),
    UsageReported(USAGE),
]


@pytest.mark.parametrize("asked", [body(), RESPONSE], ids=["plain", "full"])
def test_every_response_object_is_complete(asked: dict[str, Any]) -> None:
    responses = [event["response"] for event in run(REPLY, asked) if "response" in event]
    assert len(responses) == 3
    for response in responses:
        RESPONSE_SCHEMA.validate(response)
    assert responses[0]["status"] == responses[1]["status"] == "in_progress"
    assert responses[0]["usage"] is None


def test_the_output_of_a_whole_reply() -> None:
    reply = json.loads(OPENAI_RESPONSES.encoder(head(body())).whole(REPLY))
    RESPONSE_SCHEMA.validate(reply)
    row = {"token": "It", "logprob": -0.5, "bytes": [73, 116]}
    assert reply["output"] == [
        {
            "id": "rs_abc_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Let me see."}],
            "encrypted_content": "headgate.signature:proof",
        },
        {"id": "rs_9", "type": "reasoning", "summary": [], "encrypted_content": "sealed"},
        {
            "id": "msg_abc_2",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "It",
                    "annotations": [{"start_index": 0, "end_index": 0, **CITATION}],
                    "logprobs": [{**row, "top_logprobs": []}],
                }
            ],
        },
        {
            "id": "fc_abc_3",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "weather",
            "arguments": "{}",
            "extra_content": {"google": {"thought_signature": "thought"}},
        },
        {
            "id": "fc_abc_4",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_abc_1",
            "name": "other",
            "arguments": "{}",
        },
        {
            "id": "ig_abc_5",
            "type": "image_generation_call",
            "status": "completed",
            "output_format": "png",
            "result": "aGk=",
        },
    ]
    assert reply["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }


def test_a_response_repeats_its_request() -> None:
    reply = json.loads(OPENAI_RESPONSES.encoder(head(RESPONSE)).whole([Finish("stop")]))
    same = ("instructions", "max_output_tokens", "temperature", "top_p", "text", "tool_choice")
    assert {name: reply[name] for name in same} == {name: RESPONSE[name] for name in same}
    assert reply["parallel_tool_calls"] is False
    assert reply["metadata"] == {"team": "a"}
    assert [tool["name"] for tool in reply["tools"]] == ["weather", "other"]


def test_thinking_and_proofs_survive_a_round_trip() -> None:
    events = [*REPLY[:8], Finish("tool_calls")]
    reply = json.loads(OPENAI_RESPONSES.encoder(head(body())).whole(events))
    (turn,) = decoded(input=reply["output"]).messages
    assert turn.parts == (
        Reasoning("Let me see.", signature="proof"),
        Reasoning(redacted="sealed", id="rs_9"),
        Text("It"),
        ToolCall("call_1", "weather", "{}", signature="thought"),
        ToolCall("call_abc_1", "other", "{}"),
    )


def test_a_token_and_its_log_probability_share_an_event() -> None:
    events = run([TextDelta("a"), Logprobs([token("a")]), Finish("stop")])
    (delta,) = [event for event in events if event["type"] == "response.output_text.delta"]
    assert (delta["delta"], delta["logprobs"]) == ("a", [token("a")])


def test_nothing_is_sent_before_the_first_output() -> None:
    encoder = OPENAI_RESPONSES.encoder(head(body()))
    assert encoder.feed([Start("up", "upstream", 5), UsageReported(USAGE)]) == b""


def test_only_the_first_choice_has_a_place() -> None:
    assert kinds([TextDelta("a", 1), Finish("stop", choice=1)]) == ["completed"]


def test_a_broken_stream_ends_with_error_and_failed() -> None:
    encoder = OPENAI_RESPONSES.encoder(head(body()))
    raw = encoder.feed([TextDelta("a")])
    raw += encoder.fail(GatewayError(502, "upstream_error", "The upstream broke off."))
    *_, error, failed = typed_events(raw)
    assert error["type"] == "error"
    assert (error["code"], error["message"]) == ("upstream_error", "The upstream broke off.")
    assert error["error"]["type"] == "server_error"
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "upstream_error"
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert b"[DONE]" not in raw
