"""What TGI is sent: canonical requests of every kind, and OpenAI's bodies put into its words."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.sdk import (
    AiohttpTransport,
    Audio,
    BackendError,
    Call,
    ChatRequest,
    Dialect,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Operation,
    Part,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate_providers.tgi import TgiBackend
from headgate_providers.tgi.words import adapted

SCHEMA = {"type": "object", "properties": {"unit": {"type": "string"}}, "required": ["unit"]}
ASK = ChatRequest("tgi", (Message("user", (Text("What is Deep Learning?"),)),))


def backend(**options: Any) -> TgiBackend:
    target = Target("own", "tgi", "http://127.0.0.1:1/v1/", {"key": "secret"}, options=options)
    return TgiBackend(target, AiohttpTransport())


def call(request: ChatRequest, operation: Operation = "chat") -> Call:
    return Call(operation, "anthropic_messages", {}, "tgi", lambda: request, request.stream)


def sent(request: ChatRequest, operation: Operation = "chat", **options: Any) -> Any:
    return orjson.loads(backend(**options).request(call(request, operation)).body)


def relayed(body: Mapping[str, Any], dialect: Dialect = "openai_chat", stream: bool = False) -> Any:
    before = copy.deepcopy(body)
    request = backend().relay(Call("chat", dialect, body, "tgi", lambda: ASK, stream))
    assert body == before
    return orjson.loads(request.body)


def test_address_and_credential() -> None:
    request = backend().request(call(ASK))
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:1/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(request)


def test_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TGI_URL", "http://127.0.0.1:8085")
    own = TgiBackend(Target("own", "tgi"), AiohttpTransport())
    request = own.request(call(ASK))
    assert request.url == "http://127.0.0.1:8085/v1/chat/completions"
    assert "authorization" not in request.headers


def test_address_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADGATE_TGI_URL", raising=False)
    with pytest.raises(ValueError, match="HEADGATE_TGI_URL"):
        TgiBackend(Target("own", "tgi"), AiohttpTransport())


def test_traces_travel_on_and_nothing_else_does() -> None:
    asked = call(ASK)
    asked.headers = {"traceparent": "00-1-2-01", "cookie": "c", "authorization": "Bearer client"}
    headers = backend().request(asked).headers
    assert headers["traceparent"] == "00-1-2-01"
    assert headers["authorization"] == "Bearer secret"
    assert "cookie" not in headers


def test_sampling() -> None:
    asked = replace(
        ASK,
        stream=True,
        max_tokens=100,
        temperature=0.0,
        top_p=0.9,
        stop=("END", "STOP"),
        seed=42,
        frequency_penalty=0.5,
        logprobs=True,
        top_logprobs=3,
    )
    assert sent(asked) == {
        "model": "tgi",
        "messages": [{"role": "user", "content": "What is Deep Learning?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 100,
        "temperature": 0.0,
        "top_p": 0.9,
        "stop": ["END", "STOP"],
        "seed": 42,
        "frequency_penalty": 0.5,
        "logprobs": True,
        "top_logprobs": 3,
    }


def test_conversation_with_tools() -> None:
    asked = ChatRequest(
        "tgi",
        (
            Message("developer", (Text("Be brief."),)),
            Message("user", (Text("Weather in Paris?"),), name="ann"),
            Message("assistant", (Reasoning("hm"), ToolCall("0", "weather", '{"city": "Paris"}'))),
            Message("tool", (ToolResult("0", (Text("6.7"), Text("cloudy"))),)),
            Message("assistant", (Text("Cool. "), ToolCall("1", "weather", ""))),
            Message("tool", (ToolResult("1", (Text("sunny"),)),)),
        ),
        tools=(Tool("weather", "Get it", SCHEMA, strict=True), Tool("now")),
        tool_choice=ToolChoice("tool", "weather"),
        parallel_tool_calls=False,
    )
    body = sent(asked)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Paris?", "name": "ann"},
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "0",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
                }
            ],
        },
        {"role": "tool", "content": "6.7\ncloudy", "tool_call_id": "0"},
        {
            "role": "assistant",
            "content": 'Cool. \n[{"id":"1","type":"function",'
            '"function":{"name":"weather","arguments":"{}"}}]',
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "1"},
    ]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Get it", "parameters": SCHEMA},
        },
        {
            "type": "function",
            "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert "parallel_tool_calls" not in body


def test_pictures_and_documents() -> None:
    parts: tuple[Part, ...] = (
        Text("Look"),
        Image(url="https://example.org/cow.png", detail="high"),
        Image(data="aGk=", media_type="image/jpeg"),
        Document(text="rows", name="a.csv"),
    )
    body = sent(replace(ASK, messages=(Message("user", parts),)))
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.org/cow.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,aGk="}},
        {"type": "text", "text": "<file name='a.csv'>rows</file>"},
    ]


def test_pictures_in_tool_results_follow_them() -> None:
    result = ToolResult("0", (Text("done"), Image(data="aGk=")))
    body = sent(replace(ASK, messages=(Message("tool", (result,)),)))
    assert [row["role"] for row in body["messages"]] == ["tool", "user"]
    assert body["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="


def test_schema_as_grammar() -> None:
    wanted = ResponseFormat("json_schema", SCHEMA, "weather", strict=True)
    body = sent(replace(ASK, response_format=wanted))
    assert body["response_format"] == {"type": "json_object", "value": SCHEMA}
    body = sent(replace(ASK, response_format=wanted), api="generate")
    assert body["parameters"]["grammar"] == {"type": "json", "value": SCHEMA}


def test_completion() -> None:
    asked = replace(ASK, max_tokens=10, stop=("\n",), stream=True)
    request = backend().request(call(asked, "completion"))
    assert request.url.endswith("/v1/completions")
    assert orjson.loads(request.body) == {
        "model": "tgi",
        "prompt": "What is Deep Learning?",
        "max_tokens": 10,
        "stop": ["\n"],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("what", "operation"),
    [
        ({"n": 2}, "chat"),
        ({"top_k": 5}, "chat"),
        ({"logit_bias": {"1": 1.0}}, "chat"),
        ({"reasoning": ReasoningOptions(effort="high")}, "chat"),
        ({"response_format": ResponseFormat("json_object")}, "chat"),
        (
            {
                "tools": (Tool("now"),),
                "response_format": ResponseFormat("json_schema", SCHEMA),
            },
            "chat",
        ),
        ({"messages": (Message("user", (Audio("aGk=", "wav"),)),)}, "chat"),
        ({"messages": (Message("user", (Document(data="aGk="),)),)}, "chat"),
        ({"messages": (Message("tool", (Text("stray"),)),)}, "chat"),
        ({"logprobs": True}, "completion"),
        ({"presence_penalty": 1.0}, "completion"),
    ],
    ids=str,
)
def test_unsupported(what: dict[str, Any], operation: Operation) -> None:
    with pytest.raises(BackendError) as refused:
        sent(replace(ASK, **what), operation)
    assert refused.value.kind == "unsupported"


def test_embeddings_are_unsupported() -> None:
    asked = EmbeddingRequest("tgi", ("Hi",))
    with pytest.raises(BackendError, match="embeddings"):
        backend().request(Call("embeddings", "openai_embeddings", {}, "tgi", lambda: asked))


def test_what_json_cannot_carry() -> None:
    nested: Any = {}
    for _ in range(400):
        nested = {"properties": nested}
    with pytest.raises(BackendError) as refused:
        sent(replace(ASK, tools=(Tool("deep", parameters=nested),)))
    assert refused.value.kind == "invalid_request"


# Relays


def test_relay_exchanges_the_model_and_asks_for_usage() -> None:
    body = {"model": "assistant", "messages": [], "stream": True, "vendor_word": {"a": 1}}
    assert relayed(body, stream=True) == {
        "model": "tgi",
        "messages": [],
        "stream": True,
        "vendor_word": {"a": 1},
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("member", "as_tgi_wants_it"),
    [
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": None, "stream_options": None}, {}),
        ({"top_p": 1}, {}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"presence_penalty": 0}, {}),
        ({"presence_penalty": 0.5}, {"presence_penalty": 0.5}),
        ({"logit_bias": {}}, {}),
        ({"tools": [], "tool_choice": "auto"}, {}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            {"response_format": {"type": "json_object", "value": SCHEMA}},
        ),
        *[
            ({"response_format": own}, {"response_format": own})
            for own in (
                {"type": "json_schema", "value": {"name": "a", "strict": True, "schema": SCHEMA}},
                {"type": "json_object", "value": SCHEMA},
                {"type": "regex", "value": "[a-z]+"},
            )
        ],
    ],
    ids=str,
)
def test_relay_in_the_words_of_tgi(member: dict[str, Any], as_tgi_wants_it: dict[str, Any]) -> None:
    assert relayed({"messages": [], **member}) == {
        "model": "tgi",
        "messages": [],
        **as_tgi_wants_it,
    }


@pytest.mark.parametrize(
    ("message", "as_tgi_wants_it"),
    [
        ({"role": "developer", "content": "x"}, {"role": "system", "content": "x"}),
        ({"role": "assistant", "content": None}, {"role": "assistant", "content": ""}),
        (
            {"role": "assistant", "content": "", "tool_calls": [{"id": "0"}]},
            {"role": "assistant", "tool_calls": [{"id": "0"}]},
        ),
        (
            {"role": "assistant", "content": [{"text": "a"}], "tool_calls": [{"id": "0"}]},
            {"role": "assistant", "content": 'a\n[{"id":"0"}]'},
        ),
        ("not a message", "not a message"),
    ],
    ids=str,
)
def test_relayed_messages(message: Any, as_tgi_wants_it: Any) -> None:
    assert relayed({"messages": [message]})["messages"] == [as_tgi_wants_it]


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"n": 2}, "openai_chat"),
        ({"logit_bias": {"1": 1}}, "openai_chat"),
        ({"response_format": {"type": "json_object"}}, "openai_chat"),
        (
            {"tools": [{}], "response_format": {"type": "json_object", "value": SCHEMA}},
            "openai_chat",
        ),
        ({"prompt": "x", "logprobs": 1}, "openai_completions"),
        ({"prompt": "x", "echo": True}, "openai_completions"),
        ({"prompt": "x", "best_of": 2}, "openai_completions"),
    ],
    ids=str,
)
def test_relay_of_what_tgi_would_ignore(body: dict[str, Any], dialect: Dialect) -> None:
    with pytest.raises(BackendError) as refused:
        relayed(body, dialect)
    assert refused.value.kind == "unsupported"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
MEMBERS = (
    "messages tools stop response_format tool_choice top_p presence_penalty logit_bias n prompt"
)


@given(st.dictionaries(st.sampled_from(MEMBERS.split()), JSON | st.lists(JSON, max_size=2)))
def test_any_body_is_adapted_or_refused(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    try:
        once = adapted(body)
    except BackendError as error:
        assert error.kind == "unsupported"
    else:
        assert adapted(once) == once
    assert body == before


# /generate


def test_prompt_of_a_conversation() -> None:
    asked = ChatRequest(
        "tgi",
        (
            Message("system", (Text("Be brief {text}."),)),
            Message("user", (Text("Hi"),)),
            Message("assistant", (Reasoning("hm"), Text("Hello"))),
            Message("user", (Text("And {now}?"),)),
        ),
        stop=("END",),
        temperature=0.7,
        top_p=1.0,
        top_k=10,
        seed=3,
        max_tokens=20,
        logprobs=True,
        top_logprobs=2,
    )
    request = backend(api="generate").request(call(asked))
    assert request.url == "http://127.0.0.1:1/generate"
    assert orjson.loads(request.body) == {
        "inputs": "Be brief {text}.\n\nUser: Hi\nAssistant: Hello\nUser: And {now}?\nAssistant:",
        "parameters": {
            "details": True,
            "do_sample": True,
            "max_new_tokens": 20,
            "temperature": 0.7,
            "top_k": 10,
            "seed": 3,
            "stop": ["END", "\nUser:"],
            "top_n_tokens": 2,
        },
    }


def test_own_template() -> None:
    template = {
        "system": "<s>{text}",
        "user": "<u>{text}",
        "assistant": "<a>{text}",
        "reply": "<a>",
        "stop": ["<u>"],
    }
    body = sent(replace(ASK, stream=True), api="generate", template=template)
    assert body["inputs"] == "<u>What is Deep Learning?<a>"
    assert body["parameters"]["stop"] == ["<u>"]


def test_greedy_generation() -> None:
    assert sent(replace(ASK, temperature=0.0), api="generate")["parameters"] == {
        "details": True,
        "do_sample": False,
        "stop": ["\nUser:"],
    }


def test_generation_of_a_completion_has_no_template() -> None:
    asked = replace(ASK, stream=True)
    request = backend(api="generate").request(call(asked, "completion"))
    assert request.url.endswith("/generate_stream")
    assert orjson.loads(request.body) == {
        "inputs": "What is Deep Learning?",
        "parameters": {"details": True, "do_sample": True},
    }


@pytest.mark.parametrize(
    "what",
    [
        {"tools": (Tool("now"),)},
        {"messages": (Message("tool", (ToolResult("0", (Text("x"),)),)),)},
        {"messages": (Message("user", (Image(data="aGk="),)),)},
        {"presence_penalty": 1.0},
        {"response_format": ResponseFormat("json_object")},
    ],
    ids=str,
)
def test_unsupported_by_generate(what: dict[str, Any]) -> None:
    with pytest.raises(BackendError) as refused:
        sent(replace(ASK, **what), api="generate")
    assert refused.value.kind == "unsupported"


def test_generate_claims_less() -> None:
    chat, generate = backend().capabilities, backend(api="generate").capabilities
    assert chat.dialects == {"openai_chat", "openai_completions"}
    assert generate.dialects == frozenset()
    assert "tools" in chat.features and "tools" not in generate.features


def test_options_are_strict() -> None:
    with pytest.raises(ValueError, match="apis"):
        backend(apis="chat")
