"""Anthropic's dialect: what requests need and mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from headgate.errors import InvalidRequest
from headgate_providers.sdk import (
    ChatRequest,
    Document,
    Image,
    Message,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)


def ask(*content: dict[str, Any], **members: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": list(content) or "Hi"}]
    return {"model": "assistant", "max_tokens": 100, "messages": messages} | members


def decode(body: dict[str, Any]) -> ChatRequest:
    return ANTHROPIC_MESSAGES.decode(body, "upstream-model")


def content(*blocks: dict[str, Any]) -> tuple[Any, ...]:
    return decode(ask(*blocks)).messages[0].parts


EPHEMERAL = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {}}
NAMED = {"name": "weather", "input_schema": SCHEMA}


# What a request needs


def test_summary() -> None:
    body = ask(
        {"type": "text", "text": "12345"},
        {"type": "image", "source": {"type": "url", "url": "https://x"}},
        {"type": "document", "source": {"type": "text", "data": "123"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12"}]},
        stream=True,
        system=[{"type": "text", "text": "1234567"}],
        metadata={"user_id": "u", "n": 5},
        top_k=5,
        stop_sequences=["x"],
        thinking={"type": "enabled", "budget_tokens": 1024},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    summary = ANTHROPIC_MESSAGES.inspect(body)
    assert (summary.model, summary.stream, summary.usage_wanted) == ("assistant", True, True)
    assert summary.features == {"image", "document", "top_k", "stop", "reasoning", "json_schema"}
    assert summary.modalities == {"text", "image", "document"}
    assert summary.input_characters == 5 + 3 + 2 + 7
    assert summary.output_tokens_max == 100
    assert summary.metadata == {"user_id": "u"}


@pytest.mark.parametrize(
    ("members", "features"),
    [
        ({}, set()),
        ({"tools": [NAMED]}, {"tools"}),
        ({"tools": []}, set()),
        (
            {"tools": [NAMED], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            {"tools", "parallel_tool_calls"},
        ),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, set()),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, set()),
        ({"output_config": {"effort": "low"}}, {"reasoning"}),
        ({"output_config": None, "thinking": None, "tools": None, "system": None}, set()),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, {"json_schema"}),
    ],
)
def test_features(members: dict[str, Any], features: set[str]) -> None:
    assert ANTHROPIC_MESSAGES.inspect(ask(**members)).features == features


def test_counting_tokens_needs_no_limit() -> None:
    body = ask()
    del body["max_tokens"]
    assert ANTHROPIC_MESSAGES.inspect_count(body).output_tokens_max is None
    with pytest.raises(InvalidRequest) as refusal:
        ANTHROPIC_MESSAGES.inspect(body)
    assert refusal.value.param == "max_tokens"


DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["Hi"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0"),
        (ask({"type": "text"}), "messages.0.content.0.text"),
        (ask({"type": "image"}), "messages.0.content.0.source"),
        (
            ask({"type": "document", "source": {"type": "text"}}),
            "messages.0.content.0.source.data",
        ),
        (
            ask({"type": "tool_use", "id": "t", "name": "n", "input": "{}"}),
            "messages.0.content.0.input",
        ),
        (
            ask({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}),
            "messages.0.content.0.content.0.text",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "text"}]}, "system.0.text"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": "high"}, "top_p"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences.0"),
        ({"tools": {}}, "tools"),
        ({"tools": ["weather"]}, "tools.0"),
        ({"tools": [{"name": "", "input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "weather"}]}, "tools.0.input_schema"),
        ({"tools": [{"type": 5}]}, "tools.0.type"),
        ({"tools": [NAMED | {"input_schema": {"deep": DEEP}}]}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": 5}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"metadata": "u"}, "metadata"),
    ],
)
def test_malformed_requests_name_the_member(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        ANTHROPIC_MESSAGES.inspect(ask() | members)
    assert refusal.value.param == param
    assert param in refusal.value.message


def test_what_only_the_target_knows_passes() -> None:
    body = ask(
        {"type": "from_the_future", "anything": 1},
        tools=[{"type": "web_search_20250305", "name": "web_search"}, {"type": "mcp_toolset"}],
        thinking={"type": "between_tools"},
        unheard_of={"of": DEEP},
    )
    assert "tools" in ANTHROPIC_MESSAGES.inspect(body).features


# What a request means


def test_messages_keep_their_order() -> None:
    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "A"},
    }
    request = decode(
        ask()
        | {
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm", "signature": "proof"},
                        {"type": "redacted_thinking", "data": "sealed"},
                        {"type": "text", "text": "Let me see."},
                        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"at": "B"}},
                        {"type": "tool_use", "id": "t2", "name": "clock", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "15°C"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "t2",
                            "content": [{"type": "text", "text": "noon"}, picture],
                            "is_error": True,
                            "cache_control": EPHEMERAL,
                        },
                        {"type": "text", "text": "And tomorrow?"},
                        {"type": "tool_result", "tool_use_id": "t3"},
                    ],
                },
            ],
        }
    )
    assert request.model == "upstream-model"
    assert request.messages == (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Weather?"),)),
        Message(
            "assistant",
            (
                Reasoning("Hm", "proof"),
                Reasoning(redacted="sealed"),
                Text("Let me see."),
                ToolCall("t1", "weather", '{"at":"B"}'),
                ToolCall("t2", "clock", "{}"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult("t1", (Text("15°C"),), "weather"),
                ToolResult(
                    "t2",
                    (Text("noon"), Image(data="A", media_type="image/png")),
                    "clock",
                    is_error=True,
                    cache="5m",
                ),
            ),
        ),
        Message("user", (Text("And tomorrow?"),)),
        Message("tool", (ToolResult("t3", ()),)),
    )


def test_content() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    parts = content(
        {"type": "text", "text": "a", "cache_control": EPHEMERAL | {"ttl": "1h"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {
            "type": "document",
            "source": source,
            "title": "T",
            "context": "From the archive",
            "citations": {"enabled": True},
            "cache_control": EPHEMERAL,
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "f2"}},
        {"type": "document", "source": {"type": "content", "content": "c"}},
    )
    assert parts == (
        Text("a", "1h"),
        Image(url="https://x/y.png"),
        Document(file_id="f1", media_type="image/*"),
        Text("From the archive"),
        Document("JVBE", media_type="application/pdf", name="T", citations=True, cache="5m"),
        Document(text="b", media_type="text/plain"),
        Document(url="https://x/y.pdf", media_type="application/pdf"),
        Document(file_id="f2"),
        Document(text="c", media_type="text/plain"),
    )


def test_options() -> None:
    request = decode(
        ask(
            stream=True,
            tools=[NAMED | {"description": "D", "strict": True, "cache_control": EPHEMERAL},
                   NAMED | {"type": "custom"}],
            tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            output_config={"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "max"},
            thinking={"type": "adaptive", "display": "omitted"},
            temperature=0.5,
            top_p=0.9,
            top_k=5,
            stop_sequences=["END"],
            service_tier="standard_only",
            metadata={"user_id": "u"},
        )
    )  # fmt: skip
    assert request.stream is True
    assert request.tools == (
        Tool("weather", "D", SCHEMA, True, "5m"),
        Tool("weather", None, SCHEMA),
    )
    assert request.tool_choice == ToolChoice("tool", "weather")
    assert request.parallel_tool_calls is False
    assert request.response_format == ResponseFormat("json_schema", SCHEMA, strict=True)
    assert request.reasoning == ReasoningOptions("max", enabled=True, summary="none")
    assert (request.max_tokens, request.temperature, request.top_p) == (100, 0.5, 0.9)
    assert (request.top_k, request.stop, request.user) == (5, ("END",), "u")
    assert request.service_tier == "default"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(enabled=False)),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            ReasoningOptions(budget_tokens=2048, enabled=True),
        ),
        ({"thinking": {"type": "adaptive"}}, ReasoningOptions(enabled=True)),
        ({"output_config": {"effort": "low"}}, ReasoningOptions("low")),
    ],
)
def test_thinking(members: dict[str, Any], expected: ReasoningOptions | None) -> None:
    assert decode(ask(**members)).reasoning == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("auto", "auto"), ("any", "required"), ("none", "none")],
)
def test_tool_choice(choice: str, expected: Any) -> None:
    request = decode(ask(tools=[NAMED], tool_choice={"type": choice}))
    assert request.tool_choice == ToolChoice(expected)
    assert request.parallel_tool_calls is None


def test_automatic_caching_marks_the_last_part() -> None:
    body = ask({"type": "text", "text": "a"}, {"type": "text", "text": "b"})
    request = decode(body | {"cache_control": EPHEMERAL})
    assert request.messages[0].parts == (Text("a"), Text("b", "5m"))


@pytest.mark.parametrize(
    ("body", "param", "named"),
    [
        (
            ask(tools=[NAMED, {"type": "web_search_20250305", "name": "web_search"}]),
            "tools.1",
            "web_search_20250305",
        ),
        (ask(tools=[{"type": "bash_20250124", "name": "bash"}]), "tools.0", "bash_20250124"),
        (ask(tool_choice={"type": "maybe"}), "tool_choice.type", "any"),
        (ask(mcp_servers=[{"type": "url"}]), "mcp_servers", "MCP"),
        (ask(container="c1"), "container", "container"),
        (
            ask({"type": "search_result", "source": "s", "title": "t", "content": []}),
            "messages.0.content.0",
            "search_result",
        ),
        (
            ask({"type": "document", "source": {"type": "content", "content": []}}),
            "messages.0.content.0.source",
            "content",
        ),
        (
            ask({"type": "image", "source": {"type": "telepathy"}}),
            "messages.0.content.0.source",
            "telepathy",
        ),
        (
            ask({"type": "image", "source": {"type": "url"}}),
            "messages.0.content.0.source.url",
            "string",
        ),
        (
            ask({"type": "tool_result", "tool_use_id": "t",
                 "content": [{"type": "thinking", "thinking": "x"}]}),
            "messages.0.content.0.content",
            "text, image and document",
        ),
        (ask(system=[{"type": "image", "source": {}}]), "system.0.type", "text block"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_named(body: Any, param: str, named: str) -> None:
    ANTHROPIC_MESSAGES.inspect(body)
    with pytest.raises(InvalidRequest) as refusal:
        decode(body)
    assert refusal.value.param == param
    assert named in refusal.value.message
