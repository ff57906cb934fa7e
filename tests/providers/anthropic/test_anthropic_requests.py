"""Canonical requests to Anthropic's body, and the headers around it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from headgate_providers.anthropic.models import traits_of, version_of
from headgate_providers.sdk import (
    Audio,
    BackendError,
    Call,
    ChatRequest,
    Document,
    Image,
    Message,
    Part,
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
from tests.providers.anthropic.canonical import (
    HAIKU,
    LANGUAGE,
    WEATHER,
    ask,
    assistant,
    http,
    sent,
    user,
)
from tests.providers.anthropic.expectations import backend_of
from tests.recordings import load, needs_recordings


def recorded(name: str) -> dict[str, Any]:
    return dict(load("anthropic", name).body)


def _data(body: dict[str, Any], block: int) -> str:
    return str(body["messages"][0]["content"][block]["source"]["data"])


BERLIN = {"latitude": "52.5200", "longitude": "13.4050"}


def _conversation() -> ChatRequest:
    """The OpenAI way: results as messages of their own, arguments as text."""
    call = ToolCall("toolu_01TjHdHxyQNDy4DipRieJU5n", "weather", json.dumps(BERLIN))
    other = ToolCall("toolu_01QHFWAkMuVLb3VgS4EDGUGY", "best_language_to_learn", "")
    weather = "Current weather at 52.5200, 13.4050: 15°C, Wind: 10 km/h"
    return ask(
        user(
            "What's the weather in Berlin (52.5200, 13.4050) and what's the best language to learn?"
        ),
        assistant(call),
        assistant(other),
        Message("tool", (ToolResult(call.id, (Text(weather),)),)),
        Message("tool", (ToolResult(other.id, (Text("Ruby"),), name="best_language_to_learn"),)),
        max_tokens=64000,
        tools=(WEATHER, LANGUAGE),
    )


def _one_at_a_time() -> ChatRequest:
    return ask(
        Message(
            "system",
            (
                Text(
                    "You must use both the weather tool for Berlin (52.5200, 13.4050) and the best "
                    "language tool."
                ),
            ),
        ),
        user("What's the weather in Berlin and what's the best programming language?"),
        max_tokens=64000,
        tools=(WEATHER, LANGUAGE),
        parallel_tool_calls=False,
    )


def _schema() -> ChatRequest:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    return ask(
        user("Generate a person named John who is 30 years old"),
        max_tokens=64000,
        response_format=ResponseFormat("json_schema", schema, "person", True),
    )


def _cited_document() -> ChatRequest:
    data = _data(
        recorded("citations-with-claude-haiku-4-5-cites-pdf-documents-with-page-numbers-0"), 1
    )
    document = Document(data, media_type="application/pdf", name="sample.pdf", citations=True)
    return ask(user("What does the document say? Use the document.", document), max_tokens=64000)


def _thinking() -> ChatRequest:
    name = "thinking-claude-haiku-4-5-preserves-thinking-signatures-between-turns-when-provided-1"
    proof = recorded(name)["messages"][1]["content"][0]["signature"]
    return ask(
        user("What is 5 + 3?"),
        assistant(
            Reasoning("This is a simple arithmetic question. 5 + 3 = 8.", proof), "5 + 3 = **8**"
        ),
        user("Now multiply that by 2"),
        max_tokens=64000,
        reasoning=ReasoningOptions(budget_tokens=1024),
    )


def _cached() -> ChatRequest:
    name = "prompt-cache-round-trip-claude-haiku-4-5-writes-then-reads-the-prompt-cache-0"
    prompt = recorded(name)["system"][0]["text"]
    return ask(
        user("Reply with exactly: OK"),
        Message("developer", (Text(prompt, cache="5m"),)),
        max_tokens=64000,
    )


@needs_recordings
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("tools-claude-haiku-4-5-can-use-parallel-tool-calls-1", _conversation),
        (
            "tool-choice-claude-haiku-4-5-respects-calls-one-for-sequential-execution-0",
            _one_at_a_time,
        ),
        (
            "with-schema-with-claude-haiku-4-5-accepts-a-json-schema-and-returns-structured-output-0",
            _schema,
        ),
        (
            "citations-with-claude-haiku-4-5-cites-pdf-documents-with-page-numbers-0",
            _cited_document,
        ),
        (
            "thinking-claude-haiku-4-5-preserves-thinking-signatures-between-turns-when-provided-1",
            _thinking,
        ),
        (
            "prompt-cache-round-trip-claude-haiku-4-5-writes-then-reads-the-prompt-cache-0",
            _cached,
        ),
    ],
)
def test_equals_the_recorded_request(name: str, build: Any) -> None:
    assert sent(build()) == recorded(name)


# Turns


def test_turns_alternate_and_tool_results_come_first() -> None:
    body = sent(
        ask(
            user("one"),
            user("two"),
            assistant(ToolCall("call.1:a", "weather", '{"latitude":"1"}')),
            user("hurry"),
            Message("tool", (ToolResult("call.1:a", (Text("15°C"),), is_error=True, cache="1h"),)),
            tools=(WEATHER,),
        )
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["one", "two"]
    call, (result, text) = body["messages"][1]["content"][0], body["messages"][2]["content"]
    assert call["id"] == result["tool_use_id"] == "call_1_a"
    assert result["is_error"] is True
    assert result["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert text == {"type": "text", "text": "hurry"}


@pytest.mark.parametrize(
    "messages",
    [
        (assistant("Hello"), user("Hi")),
        (Message("system", (Text("Say hello"),)),),
        (user(""), assistant("Hello")),
    ],
)
def test_the_user_opens_every_conversation(messages: tuple[Message, ...]) -> None:
    first = sent(ask(*messages))["messages"][0]
    assert first == {"role": "user", "content": [{"type": "text", "text": "."}]}


def test_what_the_api_refuses_is_left_out() -> None:
    body = sent(ask(user("  ", "Hi"), assistant(Reasoning("unsigned"), Refusal("No."), "Well \n")))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]
    assert [block["text"] for block in body["messages"][1]["content"]] == ["No.", "Well"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"arguments": [1]}),
        ('{"a":', {"arguments": '{"a":'}),
    ],
)
def test_the_input_of_a_call_is_an_object(arguments: str, expected: Any) -> None:
    body = sent(ask(user("Hi"), assistant(ToolCall("c1", "weather", arguments))))
    assert body["messages"][1]["content"][0]["input"] == expected


def test_all_system_prompts_become_one() -> None:
    body = sent(
        ask(
            Message("system", (Text("A"),)),
            user("Hi"),
            Message("developer", (Text("B", "1h"),)),
        )
    )
    control = {"type": "ephemeral", "ttl": "1h"}
    assert body["system"] == [
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B", "cache_control": control},
    ]


# Content

PNG = "iVBORw0KGgoAAAANSUhEUg=="
TEXT = base64.b64encode("naïve".encode()).decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Image(url="https://x/y.png"),
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        ),
        (
            Image(data=PNG),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ),
        (
            Document(data=PNG, media_type="image/webp"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/webp", "data": PNG},
            },
        ),
        (
            Document(data=TEXT, media_type="text/markdown", name="a.md"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "naïve"},
                "title": "a.md",
            },
        ),
        (
            Document(text="plain", citations=True, cache="5m"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "plain"},
                "citations": {"enabled": True},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            Document(url="https://x/y.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
        ),
        (Reasoning(redacted="abc"), {"type": "redacted_thinking", "data": "abc"}),
    ],
)
def test_content(part: Part, block: Any) -> None:
    assert sent(ask(user(part)))["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Audio("AAAA", "wav"), "unsupported"),
        (Document(data="AAAA", media_type="application/zip"), "unsupported"),
        (Document(data="%%%", media_type="text/plain"), "invalid_request"),
    ],
)
def test_content_that_cannot_be_sent(part: Part, kind: str) -> None:
    with pytest.raises(BackendError) as refusal:
        sent(ask(user(part)))
    assert refusal.value.kind == kind


def test_files_need_their_beta_header() -> None:
    request = ask(
        user(Document(file_id="file_1"), Document(file_id="file_2", media_type="image/*"))
    )
    sent_request = http(request, {"Anthropic-Beta": "other-2025"})
    assert sent_request.headers["anthropic-beta"] == "other-2025,files-api-2025-04-14"
    blocks = json.loads(sent_request.body)["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["document", "image"]
    beta = {"anthropic-beta": "files-api-2026-01-01"}
    assert http(request, beta).headers["anthropic-beta"] == "files-api-2026-01-01"


# Options


@pytest.mark.parametrize(
    "members",
    [
        {"seed": 0},
        {"n": 2},
        {"frequency_penalty": 0.5},
        {"presence_penalty": -1.0},
        {"logit_bias": {"5": 1.0}},
        {"logprobs": True},
        {"stop": ("\n",)},
        {"response_format": ResponseFormat("json_object")},
        {"response_format": ResponseFormat("json_schema")},
        {"model": "claude-opus-4-7", "top_k": 5},
    ],
)
def test_the_inexpressible_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(BackendError) as refusal:
        sent(ask(**members))
    assert refusal.value.kind == "unsupported"
    assert refusal.value.param in members


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (
            ToolChoice("tool", "weather"),
            False,
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    body = sent(ask(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel))
    assert body.get("tool_choice") == expected
    assert "tool_choice" not in sent(ask(tool_choice=choice, parallel_tool_calls=parallel))


def test_tools() -> None:
    tools = (Tool("a"), Tool("b", "B", {"properties": {}}, strict=True, cache="5m"))
    assert sent(ask(tools=tools))["tools"] == [
        {"name": "a", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "b",
            "description": "B",
            "input_schema": {"type": "object", "properties": {}},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        },
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0.3, "top_p": 1.0}, {"temperature": 0.3}),
        ({"temperature": 1.0, "top_p": 0.9}, {"top_p": 0.9}),
        ({"temperature": 0.0, "top_k": 5}, {"temperature": 0.0, "top_k": 5}),
        (
            {"temperature": 0.3, "top_p": 0.5, "top_k": 5, "reasoning": ReasoningOptions("low")},
            {"top_p": 0.95},
        ),
        ({"temperature": 0.3, "reasoning": ReasoningOptions("none")}, {"temperature": 0.3}),
        ({"temperature": 0.3, "top_p": 0.5, "model": "claude-sonnet-5"}, {}),
    ],
)
def test_sampling(members: dict[str, Any], expected: dict[str, float]) -> None:
    body = sent(ask(**members))
    names = ("temperature", "top_p", "top_k")
    assert {name: body[name] for name in names if name in body} == expected


def test_small_options() -> None:
    body = sent(ask(stop=("END",), user="u1", service_tier="default", stream=True))
    assert body["stop_sequences"] == ["END"]
    assert body["metadata"] == {"user_id": "u1"}
    assert body["service_tier"] == "standard_only"
    assert body["stream"] is True
    assert "service_tier" not in sent(ask(service_tier="flex"))


# Models


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-3-7-sonnet-latest", (3, 7)),
        ("claude-fable-5", (5, 0)),
        ("claude-opus-4-1@20250805", (4, 1)),
        ("anthropic/claude-opus-4.6", (4, 6)),
        ("kimi-k2", None),
        ("claude-mythos-preview", None),
    ],
)
def test_versions(model: str, version: tuple[int, int] | None) -> None:
    assert version_of(model) == version


def test_limits_for_callers_who_gave_none() -> None:
    models = ("claude-3-haiku-20240307", "claude-3-7-sonnet", "claude-sonnet-4-5", "kimi-k2")
    assert [traits_of(model).max_tokens for model in models] == [4096, 8192, 32_000, 4096]
    assert sent(ask(), max_tokens=100)["max_tokens"] == 100
    assert sent(ask(max_tokens=7), max_tokens=100)["max_tokens"] == 7


def test_options_tell_what_an_alias_hides() -> None:
    body = sent(ask(model="our-claude", reasoning=ReasoningOptions("low")), thinking="adaptive")
    assert body["thinking"] == {"type": "adaptive"}
    body = sent(
        ask(model="claude-sonnet-4-6", reasoning=ReasoningOptions("low")), thinking="budget"
    )
    assert body["thinking"]["budget_tokens"] == 2048


# The request around the body


def test_relay_exchanges_the_model_only() -> None:
    body = {"model": "assistant", "max_tokens": 5, "messages": [], "unknown": {"kept": [1.5, None]}}
    headers = {"anthropic-version": "2026-10-21", "Anthropic-Beta": "a-1, b-2"}
    call = Call("chat", "anthropic_messages", body, HAIKU, lambda: ask(), headers=headers)
    request = backend_of("https://proxy.example/base/v1/").relay(call)
    assert request.url == "https://proxy.example/base/v1/messages"
    assert json.loads(request.body) == body | {"model": HAIKU}
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.headers["anthropic-beta"] == "a-1, b-2"
    assert request.headers["x-api-key"] == "test-key"


def test_the_version_has_a_default() -> None:
    request = http(ask())
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in request.headers
    assert "test-key" not in repr(request)


def test_claims_no_top_k_for_models_that_refuse_it() -> None:
    assert "top_k" in backend_of(model=HAIKU).capabilities.features
    assert "top_k" not in backend_of(model="claude-sonnet-5").capabilities.features
