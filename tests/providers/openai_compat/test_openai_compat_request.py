"""Canonical requests → bodies: what real clients sent, and the rules that no recording shows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from headgate_providers.catalog import GENERIC, VENDORS
from headgate_providers.openai_compat.messages import chat_messages
from headgate_providers.openai_compat.request import (
    adapted,
    chat_body,
    chat_needs,
    completion_body,
    embeddings_body,
    require,
)
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
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.providers.openai_compat.canonical import canonical
from tests.providers.openai_compat.expectations import (
    backend_for,
    call_for,
    cases,
    exception_of,
)
from tests.recordings import Recording, needs_recordings

USER = Message("user", (Text("Hi"),))


def ask(*messages: Message, **members: Any) -> ChatRequest:
    return ChatRequest("m", messages or (USER,), **members)


# Recorded bodies --------------------------------------------------------------------------------

SAYABLE = [r for r in cases() if exception_of(r) is None and canonical(r) is not None]


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """What two equivalent bodies may differ in.

    `stream: false` and nulls say nothing; a lone input stands for a list; the output limit has two
    names; the recorded client repeats thinking under both names that servers use, adds places to
    OpenRouter's details, and names no schema towards Perplexity.
    """
    out = {key: value for key, value in body.items() if value is not None}
    out.pop("stream_options", None)
    if not out.get("stream"):
        out.pop("stream", None)
    if isinstance(out.get("input"), str):
        out["input"] = [out["input"]]
    if "max_completion_tokens" in out:
        out["max_tokens"] = out.pop("max_completion_tokens")
    if out.get("n") == 1:
        del out["n"]
    if "json_schema" in out.get("response_format", {}):
        out["response_format"]["json_schema"].setdefault("name", "response")
    if "reasoning_effort" in out:
        out.pop("thinking", None)
    out["messages"] = [normal_message(m) for m in out.get("messages", ())]
    return out


def normal_message(message: dict[str, Any]) -> dict[str, Any]:
    out = {key: value for key, value in message.items() if value is not None}
    out.setdefault("content", "")
    thoughts = {out.pop("reasoning_content", ""), out.pop("reasoning", "")} - {""}
    if thoughts:
        out["thoughts"] = thoughts.pop()
    details = out.get("reasoning_details", [])
    out["reasoning_details"] = [
        {key: d[key] for key in ("type", "text", "signature") if key in d} for d in details
    ]
    if isinstance(out["content"], list):
        out["content"] = [normal_part(p) for p in out["content"]]
        if len(out["content"]) == 1 and out["content"][0]["type"] == "text":
            out["content"] = out["content"][0]["text"]
    return out


def normal_part(part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("image_url"), str):
        return {**part, "image_url": {"url": part["image_url"]}}
    return part


@needs_recordings
@pytest.mark.parametrize("recording", SAYABLE, ids=lambda r: r.id)
def test_translated_bodies_equal_the_recorded_ones(recording: Recording) -> None:
    request = canonical(recording)
    assert request is not None
    backend, call = backend_for(recording), call_for(recording, relayable=False)
    call.decode = lambda: request
    call.stream = bool(recording.body.get("stream"))
    sent = backend.request(call)
    body = json.loads(sent.body)
    assert ("stream_options" in body) <= call.stream
    assert normal(body) == normal({"model": "", **recording.body})


@needs_recordings
def test_that_is_most_of_them() -> None:
    assert len(SAYABLE) > 400


# Messages ---------------------------------------------------------------------------------------


def messages(*given: Message, vendor: str = "openai") -> list[dict[str, Any]]:
    return chat_messages(given, VENDORS[vendor])


def test_a_developer_is_a_system_where_nobody_knows_him() -> None:
    developer = Message("developer", (Text("Be brief."),))
    assert messages(developer)[0]["role"] == "developer"
    assert messages(developer, vendor="deepseek")[0]["role"] == "system"


def test_what_a_tool_returned_beside_text_follows_after_all_results() -> None:
    results = Message(
        "tool",
        (
            ToolResult("a", (Text("one"), Image(data="QQ==", media_type="image/png"))),
            ToolResult("b", (Text("two"),)),
        ),
    )
    rows = messages(results)
    assert [row["role"] for row in rows] == ["tool", "tool", "user"]
    assert [row["content"] for row in rows[:2]] == ["one", "two"]
    assert rows[2]["content"] == [
        {"type": "text", "text": "Attachments from tool call a:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
    ]


def test_earlier_thinking_goes_where_the_vendor_looks_for_it() -> None:
    turn = Message("assistant", (Reasoning("hm", signature="s"), Text("yes")))
    assert messages(turn)[0] == {"role": "assistant", "content": "yes"}
    assert messages(turn, vendor="deepseek")[0]["reasoning_content"] == "hm"
    assert messages(turn, vendor="groq")[0]["reasoning"] == "hm"
    assert messages(turn, vendor="openrouter")[0]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "signature": "s"}
    ]
    assert messages(turn, vendor="mistral")[0]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
    ]
    secret = Message("assistant", (Reasoning(redacted="xyz", id="rs_1"),))
    assert messages(secret, vendor="openrouter")[0]["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1"}
    ]


def test_deepseek_wants_thinking_beside_tool_calls_even_if_there_was_none() -> None:
    turn = Message("assistant", (ToolCall("c", "f", ""),))
    (row,) = messages(turn, vendor="deepseek")
    assert row["reasoning_content"] == ""
    assert row["tool_calls"][0]["function"]["arguments"] == "{}"
    assert "reasoning_content" not in messages(turn, vendor="vllm")[0]


def test_refusals_return() -> None:
    turn = Message("assistant", (Refusal("No."),))
    assert messages(turn)[0] == {"role": "assistant", "content": "", "refusal": "No."}
    assert messages(turn, vendor="mistral")[0] == {"role": "assistant", "content": "No."}


@pytest.mark.parametrize(
    ("vendor", "document", "part"),
    [
        (
            "openai",
            Document(data="QQ==", media_type="application/pdf", name="a.pdf"),
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="},
            },
        ),
        ("openai", Document(file_id="f-1"), {"type": "file", "file": {"file_id": "f-1"}}),
        (
            "openrouter",
            Document(url="https://a/b.pdf"),
            {
                "type": "file",
                "file": {"filename": "document.pdf", "file_data": "https://a/b.pdf"},
            },
        ),
        (
            "mistral",
            Document(url="https://a/b.pdf"),
            {"type": "document_url", "document_url": "https://a/b.pdf"},
        ),
        (
            "perplexity",
            Document(url="https://a/b.pdf"),
            {"type": "file_url", "file_url": {"url": "https://a/b.pdf"}},
        ),
    ],
)
def test_documents(vendor: str, document: Document, part: dict[str, Any]) -> None:
    (row,) = messages(Message("user", (document,)), vendor=vendor)
    assert row["content"] == [part]


def test_a_document_of_plain_text_is_text_everywhere() -> None:
    (row,) = messages(Message("user", (Document(text="x", name="a.txt"),)), vendor="groq")
    assert row["content"] == "<file name='a.txt'>x</file>"


@pytest.mark.parametrize(
    ("vendor", "part"),
    [
        ("openai", Document(url="https://a/b.pdf")),
        ("vllm", Document(data="QQ==")),
        ("moonshot", Image(url="https://a/b.png")),
        ("mistral", Document(file_id="f-1")),
        ("openai", ToolCall("c", "f", "{}")),
    ],
)
def test_what_cannot_be_said_is_refused(vendor: str, part: Any) -> None:
    with pytest.raises(BackendError) as refused:
        messages(Message("user", (part,)), vendor=vendor)
    assert refused.value.kind == "unsupported"


def test_cache_hints_go_to_those_who_take_them() -> None:
    system = Message("system", (Text("long", cache="1h"), Text("x", cache="5m")))
    assert messages(system, vendor="openrouter")[0]["content"] == [
        {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
    ]
    assert "cache_control" not in json.dumps(messages(system))


# Parameters -------------------------------------------------------------------------------------


def test_all_parameters_in_the_words_of_openai() -> None:
    request = ask(
        tools=(Tool("f", "does", {"type": "object"}, strict=True),),
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        max_tokens=9,
        temperature=0.0,
        top_p=0.5,
        stop=("a",),
        seed=0,
        n=2,
        frequency_penalty=0.1,
        presence_penalty=0.0,
        logit_bias={"5": -1},
        logprobs=True,
        top_logprobs=3,
        user="u",
        service_tier="flex",
        metadata={"team": "x"},
    )
    body = chat_body(request, VENDORS["openai"])
    del body["messages"]
    assert body == {
        "model": "m",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "does",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_completion_tokens": 9,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["a"],
        "seed": 0,
        "n": 2,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.0,
        "logit_bias": {"5": -1},
        "logprobs": True,
        "top_logprobs": 3,
        "user": "u",
        "service_tier": "flex",
    }


def test_words_of_other_dialects_do_not_leak() -> None:
    body = chat_body(ask(service_tier="standard_only"), VENDORS["openai"])
    assert "service_tier" not in body


def test_mistral_gets_its_own_words_and_nothing_it_refuses() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "x"},
            {"role": "assistant", "content": "y", "reasoning_content": "z"},
        ],
        "max_completion_tokens": 5,
        "seed": 1,
        "user": "u",
        "stream_options": {"include_usage": True},
        "safe_prompt": True,
    }
    before = json.dumps(body)
    assert adapted(body, VENDORS["mistral"]) == {
        "model": "m",
        "messages": [{"role": "system", "content": "x"}, {"role": "assistant", "content": "y"}],
        "max_tokens": 5,
        "random_seed": 1,
        "safe_prompt": True,
    }
    assert json.dumps(body) == before


def test_odd_bodies_are_passed_on_for_the_vendor_to_refuse() -> None:
    body = {"messages": ["x", 3, None], "tools": [1, {"function": None}]}
    assert adapted(body, VENDORS["mistral"]) == body
    assert adapted(body, VENDORS["fireworks"]) == body


def test_fireworks_does_not_know_strict() -> None:
    body = chat_body(ask(tools=(Tool("f", strict=True),)), VENDORS["fireworks"])
    assert adapted(body, VENDORS["fireworks"])["tools"] == [
        {"type": "function", "function": {"name": "f"}}
    ]
    assert body["tools"][0]["function"]["strict"] is True


def test_voyage_takes_no_float() -> None:
    voyage = VENDORS["voyage"]
    request = EmbeddingRequest("v", ("a",), dimensions=8, input_type="query", user="u")
    body = adapted({**embeddings_body(request, voyage), "encoding_format": "float"}, voyage)
    assert body == {"model": "v", "input": ["a"], "output_dimension": 8, "input_type": "query"}


@pytest.mark.parametrize(
    ("vendor", "options", "members"),
    [
        ("openai", ReasoningOptions("low"), {"reasoning_effort": "low"}),
        ("openai", ReasoningOptions(budget_tokens=1024), {"reasoning_effort": "low"}),
        ("openai", ReasoningOptions(budget_tokens=8000), {"reasoning_effort": "medium"}),
        ("openai", ReasoningOptions(budget_tokens=32000), {"reasoning_effort": "high"}),
        ("openai", ReasoningOptions(enabled=True), {"reasoning_effort": "medium"}),
        ("openai", ReasoningOptions(enabled=False), {"reasoning_effort": "none"}),
        ("openrouter", ReasoningOptions("high"), {"reasoning": {"effort": "high"}}),
        ("openrouter", ReasoningOptions(budget_tokens=5), {"reasoning": {"max_tokens": 5}}),
        ("openrouter", ReasoningOptions(enabled=True), {"reasoning": {"enabled": True}}),
        ("openrouter", ReasoningOptions("none"), {"reasoning": {"enabled": False}}),
        ("deepseek", ReasoningOptions(enabled=False), {"thinking": {"type": "disabled"}}),
        (
            "deepseek",
            ReasoningOptions("high"),
            {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
        ),
        (
            "alibaba",
            ReasoningOptions("low"),
            {"enable_thinking": True, "thinking_budget": 2048},
        ),
        ("alibaba", ReasoningOptions(enabled=False), {"enable_thinking": False}),
        (
            "vllm",
            ReasoningOptions(enabled=False),
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        (
            "vllm",
            ReasoningOptions("low"),
            {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "low"},
        ),
    ],
)
def test_thinking_is_asked_for_in_the_vendors_way(
    vendor: str, options: ReasoningOptions, members: dict[str, Any]
) -> None:
    body = chat_body(ask(reasoning=options), VENDORS[vendor])
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == members


def test_a_completion_is_a_prompt() -> None:
    request = ask(Message("user", (Text("Once"),)), max_tokens=4, logprobs=True)
    assert completion_body(request) == {
        "model": "m",
        "prompt": "Once",
        "max_tokens": 4,
        "logprobs": 1,
    }


# Features ---------------------------------------------------------------------------------------


def test_needs_name_every_feature_a_request_uses() -> None:
    result = ToolResult("c", (Image(data="QQ=="),))
    request = ask(
        Message("user", (Audio("QQ==", "wav"), Document(data="QQ=="))),
        Message("tool", (result,)),
        tools=(Tool("f"),),
        n=2,
        stop=("a",),
        seed=1,
        top_k=1,
        logprobs=True,
        logit_bias={"1": 1},
        frequency_penalty=1,
        reasoning=ReasoningOptions("low"),
    )
    assert set(chat_needs(request)) == {
        "tools", "n", "stop", "seed", "top_k", "logprobs", "logit_bias", "penalties", "reasoning",
        "image", "audio", "document",
    }  # fmt: skip
    assert not set(chat_needs(ask(reasoning=ReasoningOptions(enabled=False))))


def test_a_missing_feature_is_refused_by_name() -> None:
    lacking = replace(GENERIC, name="clone", features=frozenset())
    with pytest.raises(BackendError, match="'clone' does not know seed") as refused:
        require(chat_needs(ask(seed=1)), lacking)
    assert refused.value.kind == "unsupported"
