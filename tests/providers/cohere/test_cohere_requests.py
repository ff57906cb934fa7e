"""What is translated, and what is refused, beyond what recordings show."""

from __future__ import annotations

from typing import Any

import pytest

from headgate_providers.cohere.request import chat_body
from headgate_providers.sdk import (
    Audio,
    BackendError,
    ChatRequest,
    Document,
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
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
FIND = Tool("find", "Finds.", SCHEMA, strict=True)
NOW = Tool("now", strict=True)


def body_of(*messages: Message, **members: Any) -> dict[str, Any]:
    return chat_body(ChatRequest("command-a-03-2025", messages or (HI,), **members))


def test_settings() -> None:
    body = body_of(
        max_tokens=10,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop=("|",),
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logprobs=True,
        stream=True,
        user="someone",
    )
    assert body == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stream": True,
        "max_tokens": 10,
        "temperature": 0.5,
        "p": 0.9,
        "k": 5,
        "stop_sequences": ["|"],
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "logprobs": True,
    }


def test_roles() -> None:
    body = body_of(
        Message("developer", (Text("Be brief."),)),
        HI,
        Message("assistant", (Reasoning("Hm."), Text(""), ToolCall("a", "now", ""))),
        Message("tool", (ToolResult("a", (Text("12"), Text("h"))), ToolResult("b", ()))),
        Message("assistant", (Reasoning("So."), Text("Noon."))),
        Message("assistant", (Refusal("No."),)),
        Message("assistant", (Text(""),)),
        Message("system", ()),
    )
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "tool_plan": "Hm.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "a",
            "content": [{"type": "text", "text": "12"}, {"type": "text", "text": "h"}],
        },
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "So."},
                {"type": "text", "text": "Noon."},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    ]


def test_documents_stand_beside_the_messages_or_in_a_result() -> None:
    body = body_of(
        Message("user", (Text("Read."), Document(text="one", name="1.txt"))),
        Message("assistant", (ToolCall("t", "find", "{}"), Document(text="own"))),
        Message("tool", (ToolResult("t", (Document(text="three"),)),)),
        Message("user", (Document(data="dHdv", media_type="text/markdown"),)),
    )
    assert body["documents"] == [
        {"id": "doc:0", "data": {"title": "1.txt", "text": "one"}},
        {"id": "doc:1", "data": {"text": "own"}},
        {"id": "doc:2", "data": {"text": "two"}},
    ]
    assert body["messages"][2]["content"] == [
        {"type": "document", "document": {"id": "t:0", "data": {"text": "three"}}}
    ]
    assert len(body["messages"]) == 3


def test_picture_detail() -> None:
    body = body_of(Message("user", (Image(url="https://example.com/a.png", detail="low"),)))
    assert body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    ]


@pytest.mark.parametrize(
    ("tools", "choice", "names", "members"),
    [
        ((FIND, NOW), None, ["find", "now"], {}),
        ((FIND,), ToolChoice("auto"), ["find"], {"strict_tools": True}),
        ((NOW,), ToolChoice("none"), ["now"], {"tool_choice": "NONE"}),
        ((FIND, NOW), ToolChoice("required"), ["find", "now"], {"tool_choice": "REQUIRED"}),
        ((FIND, NOW), ToolChoice("tool", "now"), ["now"], {"tool_choice": "REQUIRED"}),
    ],
)
def test_tools(
    tools: tuple[Tool, ...], choice: ToolChoice | None, names: list[str], members: dict[str, Any]
) -> None:
    body = body_of(tools=tools, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert {k: v for k, v in body.items() if k in ("tool_choice", "strict_tools")} == members


def test_a_tool_without_parameters_gets_an_empty_schema() -> None:
    assert body_of(tools=(NOW,))["tools"] == [
        {
            "type": "function",
            "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
        }
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (ResponseFormat("json_schema", SCHEMA), {"type": "json_object", "json_schema": SCHEMA}),
    ],
)
def test_response_format(form: ResponseFormat, expected: dict[str, Any]) -> None:
    assert body_of(response_format=form)["response_format"] == expected


@pytest.mark.parametrize(
    ("options", "thinking"),
    [
        (ReasoningOptions(enabled=False), {"type": "disabled"}),
        (ReasoningOptions(effort="none"), {"type": "disabled"}),
        (ReasoningOptions(effort="low"), {"type": "enabled", "token_budget": 2048}),
        (ReasoningOptions(effort="high"), {"type": "enabled"}),
        (ReasoningOptions(budget_tokens=100), {"type": "enabled", "token_budget": 100}),
    ],
)
def test_thinking(options: ReasoningOptions, thinking: dict[str, Any]) -> None:
    assert body_of(reasoning=options)["thinking"] == thinking


def test_a_wish_for_summaries_does_not_turn_thinking_on() -> None:
    assert "thinking" not in body_of(reasoning=ReasoningOptions(summary="auto"))


@pytest.mark.parametrize(
    ("members", "kind", "param"),
    [
        ({"n": 2}, "unsupported", "n"),
        ({"logit_bias": {"1": 2.0}}, "unsupported", "logit_bias"),
        ({"logprobs": True, "top_logprobs": 2}, "unsupported", "top_logprobs"),
        (
            {"reasoning": ReasoningOptions(effort="a lot")},
            "invalid_request",
            "reasoning_effort",
        ),
        (
            {"tools": (FIND,), "tool_choice": ToolChoice("tool", "lost")},
            "invalid_request",
            "tool_choice",
        ),
    ],
)
def test_inexpressible(members: dict[str, Any], kind: str, param: str) -> None:
    with pytest.raises(BackendError) as caught:
        body_of(**members)
    assert (caught.value.kind, caught.value.param) == (kind, param)


@pytest.mark.parametrize(
    "part",
    [
        Audio("AA==", "wav"),
        Document(data="AA==", media_type="application/pdf"),
        Document(url="https://example.com/a.txt"),
        Document(data="/w==", media_type="text/plain"),
        ToolResult("a", (Image(data="AA==", media_type="image/png"),)),
    ],
)
def test_parts_that_cohere_does_not_take(part: Any) -> None:
    role: Any = "tool" if isinstance(part, ToolResult) else "user"
    with pytest.raises(BackendError) as caught:
        body_of(Message(role, (part,)))
    assert caught.value.kind in ("unsupported", "invalid_request")
    assert caught.value.param == "messages"
