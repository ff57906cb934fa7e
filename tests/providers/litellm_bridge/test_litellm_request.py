"""Canonical requests → the arguments of litellm."""

from __future__ import annotations

from typing import Any

import pytest

from headgate_providers.litellm_bridge.request import chat_arguments, embedding_arguments
from headgate_providers.sdk import (
    Audio,
    BackendError,
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

HI = Message("user", (Text("Hi"),))


def arguments(*messages: Message, **members: Any) -> dict[str, Any]:
    return chat_arguments(ChatRequest("v/m", messages or (HI,), **members))


def test_nothing_but_what_was_said() -> None:
    assert arguments() == {"messages": [{"role": "user", "content": "Hi"}]}


def test_sampling() -> None:
    given: dict[str, Any] = {
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "logit_bias": {"1": -100.0},
        "user": "u",
    }
    sent = arguments(stop=("END",), logprobs=True, top_logprobs=2, **given)
    del sent["messages"]
    assert sent == given | {"stop": ["END"], "logprobs": True, "top_logprobs": 2}


def test_streams_ask_for_usage() -> None:
    sent = arguments(stream=True)
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


def test_a_conversation_with_tools_pictures_and_thinking() -> None:
    tool = Tool("look", "Looks.", {"type": "object"}, strict=True, cache="1h")
    sent = arguments(
        Message("system", (Text("Be brief.", cache="5m"),)),
        Message("user", (Text("What?"), Image(data="AA==", media_type="image/png", detail="low"))),
        Message(
            "assistant",
            (
                Reasoning("Hm.", signature="S"),
                Reasoning(redacted="R"),
                Text("Well."),
                ToolCall("c1", "look", "", signature="T"),
                ToolCall("c2", "look", '{"a":1}'),
            ),
        ),
        Message(
            "tool",
            (ToolResult("c1", (Text("a"), Text("b")), "look"), ToolResult("c2", (Text("c"),))),
        ),
        Message("assistant", (Refusal("No."),)),
        Message("user", (Image(url="https://example.com/a.png"),), name="Ada"),
        tools=(tool,),
        tool_choice=ToolChoice("tool", "look"),
        parallel_tool_calls=False,
    )
    cache = {"type": "ephemeral"}
    assert sent["messages"] == [
        {
            "role": "system",
            "content": [{"type": "text", "text": "Be brief.", "cache_control": cache}],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "Well.",
            "reasoning_content": "Hm.",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hm.", "signature": "S"},
                {"type": "redacted_thinking", "data": "R"},
            ],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "look", "arguments": "{}"},
                    "provider_specific_fields": {"thought_signature": "T"},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"a":1}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a\nb", "name": "look"},
        {"role": "tool", "tool_call_id": "c2", "content": "c"},
        {"role": "assistant", "content": "No."},
        {
            "role": "user",
            "name": "Ada",
            "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        },
    ]
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
    assert sent["tools"] == [
        {
            "type": "function",
            "function": function | {"strict": True},
            "cache_control": cache | {"ttl": "1h"},
        }
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert sent["parallel_tool_calls"] is False


def test_schema() -> None:
    wanted = ResponseFormat("json_schema", {"type": "object"}, "r", strict=True, description="d")
    schema = {"name": "r", "schema": {"type": "object"}, "description": "d", "strict": True}
    sent = arguments(response_format=wanted)
    assert sent["response_format"] == {"type": "json_schema", "json_schema": schema}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (ReasoningOptions(effort="low"), {"reasoning_effort": "low"}),
        (ReasoningOptions(enabled=False), {"reasoning_effort": "none"}),
        (ReasoningOptions(enabled=True), {"reasoning_effort": "medium"}),
        (
            ReasoningOptions(budget_tokens=2048),
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        ),
    ],
)
def test_reasoning(options: ReasoningOptions, sent: dict[str, Any]) -> None:
    assert sent.items() <= arguments(reasoning=options).items()


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest("m", (HI,), n=2),
        ChatRequest("m", (HI,), response_format=ResponseFormat("json_object")),
        ChatRequest("m", (Message("user", (Audio("AA==", "wav"),)),)),
        ChatRequest("m", (Message("user", (Document(data="AA=="),)),)),
        ChatRequest("m", (Message("tool", (ToolResult("c", (Image(url="https://e.org"),)),)),)),
        ChatRequest("m", (Message("tool", (ToolResult("c", (Document(data="AA=="),)),)),)),
        ChatRequest("m", (Message("user", (ToolCall("c", "f", "{}"),)),)),
    ],
    ids=["n", "json_object", "audio", "document", "tool picture", "tool file", "misplaced call"],
)
def test_what_would_be_lost_is_refused(request_: ChatRequest) -> None:
    with pytest.raises(BackendError) as refused:
        chat_arguments(request_)
    assert refused.value.kind == "unsupported"


def test_embeddings() -> None:
    request = EmbeddingRequest("v/m", ("a", "b"), 256, "search_query", "u")
    assert embedding_arguments(request) == {
        "input": ["a", "b"],
        "dimensions": 256,
        "input_type": "search_query",
        "user": "u",
    }
    with pytest.raises(BackendError):
        embedding_arguments(EmbeddingRequest("v/m", ((1, 2),)))
