"""What is translated, and what is refused, beyond what recordings show."""

from __future__ import annotations

from typing import Any

import pytest

from headgate_providers.bedrock.models import FAMILIES, claude_version, family_of
from headgate_providers.bedrock.request import chat_body
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

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama3-2-1b-instruct-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
HI = Message("user", (Text("Hi"),))
FIND = Tool("find", parameters={"type": "object"})


def body_of(*messages: Message, model: str = CLAUDE, **members: Any) -> dict[str, Any]:
    request = ChatRequest(model, messages or (HI,), **members)
    return chat_body(request, family_of(model))


def content_of(*parts: Any, role: Any = "user", model: str = CLAUDE) -> list[dict[str, Any]]:
    return body_of(HI, Message("assistant", (Text("?"),)), Message(role, parts), model=model)[
        "messages"
    ][-1]["content"]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (CLAUDE, "anthropic"),
        ("anthropic.claude-v2", "anthropic"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x", "anthropic"),
        ("arn:aws:bedrock:us-east-1::foundation-model/mistral.mistral-7b", "mistral"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x1y2", "other"),
        (NOVA, "nova"),
        ("amazon.titan-text-lite-v1", "other"),
        (LLAMA, "other"),
        (GPT, "openai"),
        ("cohere.command-r-v1:0", "cohere"),
    ],
)
def test_family(model: str, family: str) -> None:
    assert family_of(model).name == family


@pytest.mark.parametrize(
    ("model", "version"),
    [
        (CLAUDE, (4, 5)),
        ("anthropic.claude-3-sonnet-20240229-v1:0", (3, 0)),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", (3, 7)),
        ("global.anthropic.claude-opus-4-7", (4, 7)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", (4, 0)),
        ("anthropic.claude-v2", (0, 0)),
    ],
)
def test_claude_version(model: str, version: tuple[int, int]) -> None:
    assert claude_version(model) == version


def test_turns_of_a_role_are_joined_and_system_is_collected() -> None:
    body = body_of(
        Message("system", (Text("Be brief."),)),
        HI,
        Message("assistant", (Text(""), ToolCall("a", "find", ""), ToolCall("b", "find", "[1]"))),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        Message("tool", (ToolResult("b", (), is_error=True),)),
        Message("developer", (Text("Be kind."),)),
        Message("user", (Text("And?"),)),
        tools=(FIND,),
    )
    assert body["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "a", "name": "find", "input": {}}},
                {"toolUse": {"toolUseId": "b", "name": "find", "input": {"arguments": [1]}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
                {"toolResult": {"toolUseId": "b", "content": [{"json": {}}], "status": "error"}},
                {"text": "And?"},
            ],
        },
    ]


def test_a_system_prompt_alone_is_what_the_user_says() -> None:
    body = body_of(Message("system", (Text("Tell a joke."),)))
    assert body["messages"] == [{"role": "user", "content": [{"text": "Tell a joke."}]}]
    assert "system" not in body


def test_blank_text_is_left_out_but_not_a_blank_question() -> None:
    assert content_of(Text(" "), Text("Yes"), Refusal("")) == [{"text": "Yes"}]
    assert content_of(Text(" ")) == [{"text": " "}]
    assert content_of(Refusal("No."), role="assistant")[-1] == {"text": "No."}


def test_foreign_call_ids_are_made_over_the_same_on_both_sides() -> None:
    body = body_of(
        HI,
        Message("assistant", (ToolCall("functions.find:0", "find", "{}"),)),
        Message("tool", (ToolResult("functions.find:0", (Text("x"),)),)),
    )
    call = body["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    result = body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert call == result == "functions_find_0-5501b3cd51f8"
    assert body["toolConfig"]["tools"] == [
        {
            "toolSpec": {
                "name": "find",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            }
        }
    ]


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (
            CLAUDE,
            [
                {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "cmVk"}},
            ],
        ),
        (
            NOVA,
            [
                {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "cmVk"}},
                {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
            ],
        ),
        (LLAMA, []),
    ],
)
def test_thoughts_go_back_to_those_who_take_them(model: str, blocks: list[Any]) -> None:
    thoughts = (Reasoning("a", "s"), Reasoning(redacted="cmVk"), Reasoning("unsigned"))
    messages = body_of(HI, Message("assistant", (*thoughts, Text("b"))), model=model)["messages"]
    assert messages[1]["content"] == [*blocks, {"text": "b"}]


def test_cache_points_follow_what_is_marked() -> None:
    marked = Message("user", (Text("long", cache="1h"), Document(text="x", cache="5m")))
    system = Message("system", (Text("rules", cache="5m"),))
    tool = Tool("find", parameters={"type": "object"}, cache="1h")
    point, hour = (
        {"cachePoint": {"type": "default"}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    )
    claude = body_of(system, marked, tools=(tool,))
    assert claude["system"][1] == point
    assert claude["toolConfig"]["tools"][1] == hour
    assert [claude["messages"][0]["content"][i] for i in (1, 3)] == [hour, point]
    nova = body_of(system, marked, tools=(tool,), model=NOVA)
    assert len(nova["toolConfig"]["tools"]) == 1
    assert nova["messages"][0]["content"][1] == point
    assert "cachePoint" not in str(body_of(system, marked, tools=(tool,), model=LLAMA))


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Image(data="AA==", media_type="image/jpeg"),
            {"image": {"format": "jpeg", "source": {"bytes": "AA=="}}},
        ),
        (
            Image(url="s3://b/cat.PNG"),
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/cat.PNG"}}}},
        ),
        (Audio("AA==", "wav"), {"audio": {"format": "wav", "source": {"bytes": "AA=="}}}),
        (
            Document(data="AA==", media_type="video/3gpp"),
            {"video": {"format": "three_gp", "source": {"bytes": "AA=="}}},
        ),
        (
            Document(url="s3://b/film.mov"),
            {"video": {"format": "mov", "source": {"s3Location": {"uri": "s3://b/film.mov"}}}},
        ),
        (
            Document(data="AA==", name="Q1_report: final.v2.docx"),
            {
                "document": {
                    "format": "docx",
                    "name": "Q1-report- final-v2",
                    "source": {"bytes": "AA=="},
                }
            },
        ),
        (
            Document(data="aGk=", media_type="text/plain; charset=utf-8", citations=True),
            {
                "document": {
                    "format": "txt",
                    "name": "document",
                    "source": {"text": "hi"},
                    "citations": {"enabled": True},
                }
            },
        ),
        (
            Document(data="e30=", media_type="text/x-python"),
            {"document": {"format": "txt", "name": "document", "source": {"bytes": "e30="}}},
        ),
    ],
)
def test_media(part: Any, block: dict[str, Any]) -> None:
    assert content_of(part) == [block]


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Image(url="https://example.com/cat.png"), "web"),
        (Image(data="AA==", media_type="image/tiff"), "gif, jpeg, png, webp"),
        (Audio("AA==", "amr"), "flac"),
        (Document(url="https://example.com/a.pdf"), "web"),
        (Document(file_id="file-1"), "uploaded"),
        (Document(data="AA==", media_type="application/zip"), "docx"),
        (Document(data="AA==", media_type="video/ogg"), "mp4"),
        (Document(data="/w==", media_type="text/plain", citations=True), "UTF-8"),
    ],
)
def test_media_that_bedrock_does_not_take(part: Any, says: str) -> None:
    with pytest.raises(BackendError, match=says) as caught:
        content_of(part)
    assert caught.value.kind in ("unsupported", "invalid_request")


def test_documents_get_names_of_their_own() -> None:
    content = content_of(*(Document(text="x", name="a.txt") for _ in range(3)))
    assert [block["document"]["name"] for block in content] == ["a", "a-2", "a-3"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), None),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice("tool", "find"), {"tool": {"name": "find"}}),
    ],
)
def test_tool_choice(choice: ToolChoice, expected: Any) -> None:
    config = body_of(tools=(Tool("find", strict=True),), tool_choice=choice)["toolConfig"]
    assert config.get("toolChoice") == expected
    assert config["tools"][0]["toolSpec"]["strict"] is True
    nova = body_of(tools=(Tool("find", strict=True),), model=NOVA)
    assert "strict" not in nova["toolConfig"]["tools"][0]["toolSpec"]


def test_tools_that_may_not_be_called_are_left_out() -> None:
    none = ToolChoice("none")
    assert "toolConfig" not in body_of(tools=(FIND,), tool_choice=none)
    used = Message("assistant", (ToolCall("a", "find", "{}"),))
    with pytest.raises(BackendError) as caught:
        body_of(HI, used, tools=(FIND,), tool_choice=none)
    assert caught.value.kind == "unsupported"


def test_settings() -> None:
    body = body_of(
        max_tokens=10,
        temperature=1.5,
        top_p=0.5,
        top_k=3,
        stop=("|",),
        service_tier="flex",
        metadata={"team": "a-1", "note": "schön"},
        response_format=ResponseFormat("json_schema", {"type": "object"}, "r", description="d"),
    )
    assert body["inferenceConfig"] == {
        "maxTokens": 10,
        "temperature": 1.0,
        "topP": 0.5,
        "stopSequences": ["|"],
    }
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert body["serviceTier"] == {"type": "flex"}
    assert body["requestMetadata"] == {"team": "a-1"}
    assert body["outputConfig"]["textFormat"]["structure"]["jsonSchema"] == {
        "schema": '{"type":"object"}',
        "name": "r",
        "description": "d",
    }
    assert body_of(temperature=1.5, service_tier="auto", model=NOVA) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"temperature": 1.5},
    }


@pytest.mark.parametrize(
    ("model", "options", "fields"),
    [
        (
            CLAUDE,
            ReasoningOptions(effort="high"),
            {"reasoning_config": {"type": "enabled", "budget_tokens": 16_384}},
        ),
        (CLAUDE, ReasoningOptions(enabled=False), {}),
        (CLAUDE, ReasoningOptions(effort="none"), {}),
        (
            "anthropic.claude-opus-4-6-v1",
            ReasoningOptions(effort="minimal"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (
            "anthropic.claude-opus-4-6-v1",
            ReasoningOptions(enabled=True),
            {"thinking": {"type": "adaptive"}},
        ),
        (
            NOVA,
            ReasoningOptions(budget_tokens=5000),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
        ),
        (
            NOVA,
            ReasoningOptions(effort="xhigh"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        ),
        (NOVA, ReasoningOptions(effort="none"), {}),
        (GPT, ReasoningOptions(effort="none"), {"reasoning_effort": "low"}),
        (GPT, ReasoningOptions(enabled=True), {"reasoning_effort": "medium"}),
        (LLAMA, ReasoningOptions(enabled=False), {}),
    ],
)
def test_thinking(model: str, options: ReasoningOptions, fields: dict[str, Any]) -> None:
    body = body_of(model=model, reasoning=options)
    assert body.get("additionalModelRequestFields", {}) == fields


def test_a_thinking_claude_is_not_sampled_and_keeps_room_to_answer() -> None:
    effort = ReasoningOptions(effort="high")
    body = body_of(reasoning=effort, temperature=0, top_p=0.1, top_k=1, max_tokens=3000)
    assert body["inferenceConfig"] == {"maxTokens": 3000}
    assert body["additionalModelRequestFields"] == {
        "reasoning_config": {"type": "enabled", "budget_tokens": 1500}
    }
    assert "additionalModelRequestFields" not in body_of(reasoning=effort, max_tokens=1000)
    forced = body_of(reasoning=effort, tools=(FIND,), tool_choice=ToolChoice("required"))
    assert "additionalModelRequestFields" not in forced


def test_newer_claudes_are_not_sampled() -> None:
    body = body_of(model="anthropic.claude-opus-4-7", temperature=0.0, top_p=0.5)
    assert "inferenceConfig" not in body


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"seed": 1}, "seed"),
        ({"n": 2}, "n"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"1": 1.0}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": ResponseFormat("json_object")}, "response_format"),
        ({"top_k": 5, "model": LLAMA}, "top_k"),
        ({"top_k": 5, "model": "anthropic.claude-opus-4-7"}, "top_k"),
        ({"reasoning": ReasoningOptions(effort="high"), "model": LLAMA}, "reasoning_effort"),
    ],
)
def test_inexpressible(members: dict[str, Any], param: str) -> None:
    with pytest.raises(BackendError) as caught:
        body_of(**members)
    assert (caught.value.kind, caught.value.param) == ("unsupported", param)


def test_an_unknown_effort_is_the_callers_mistake() -> None:
    with pytest.raises(BackendError, match="none, minimal, low") as caught:
        body_of(reasoning=ReasoningOptions(effort="a lot"))
    assert caught.value.kind == "invalid_request"


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("anthropic", {"top_k": 7}),
        ("nova", {"inferenceConfig": {"topK": 7}}),
        ("cohere", {"k": 7}),
        ("mistral", {"top_k": 7}),
    ],
)
def test_top_k_by_family(family: Any, fields: dict[str, Any]) -> None:
    body = chat_body(ChatRequest("x", (HI,), top_k=7), FAMILIES[family])
    assert body["additionalModelRequestFields"] == fields
