"""The simulated backend: deterministic answers, and the faults that are asked for."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headgate_providers.sdk import (
    AiohttpTransport,
    BackendError,
    Call,
    ChatRequest,
    EmbeddingRequest,
    ErrorKind,
    Event,
    Failed,
    Message,
    ResponseFormat,
    Target,
    Text,
    TextDelta,
    Tool,
    ToolChoice,
    ToolResult,
    fold,
)
from headgate_providers.simulated import SimulatedBackend
from headgate_providers.simulated.answer import NOTICE, chat_events, smallest, vector

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("look", parameters=CITY)


def backend_of(**options: Any) -> SimulatedBackend:
    return SimulatedBackend(Target("s", "simulated", options=options), AiohttpTransport())


def ask(text: str = "Hello you", **members: Any) -> ChatRequest:
    return ChatRequest("simulated", (Message("user", (Text(text),)),), **members)


def call_of(request: ChatRequest | EmbeddingRequest, *, stream: bool = False) -> Call:
    embeds = isinstance(request, EmbeddingRequest)
    operation: Any = "embeddings" if embeds else "chat"
    return Call(operation, "openai_chat", {}, "simulated", lambda: request, stream)


async def events_of(backend: SimulatedBackend, call: Call) -> list[Event]:
    reply = await backend.send(call)
    return [event async for batch in reply for event in batch]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_answer_says_that_it_is_simulated(stream: bool) -> None:
    reply = fold(await events_of(backend_of(), call_of(ask(), stream=stream)))
    assert reply.choices[0].text.startswith(NOTICE)
    assert "Hello you" in reply.choices[0].text
    assert reply.usage is not None
    assert reply.usage.input_tokens == 2
    assert reply.usage.output_tokens == len(reply.choices[0].text.split())


def test_length_stop_and_choices() -> None:
    cut = fold(chat_events(ask(max_tokens=3, n=2), "one two three four"))
    assert [choice.text for choice in cut.choices] == ["one two three "] * 2
    assert [choice.finish.reason for choice in cut.choices if choice.finish] == ["length"] * 2
    stopped = fold(chat_events(ask(stop=("three",)), "one two three four"))
    assert stopped.choices[0].text == "one two "


def test_a_tool_is_called_once() -> None:
    asked = ask(tools=(TOOL,), tool_choice=ToolChoice("required"))
    (choice,) = fold(chat_events(asked)).choices
    assert [(call.name, call.arguments) for call in choice.tool_calls] == [("look", '{"city":""}')]
    result = Message("tool", (ToolResult("c", (Text("Sunny."),)),))
    answered = ChatRequest(
        "m", (*asked.messages, result), tools=(TOOL,), tool_choice=ToolChoice("required")
    )
    assert not fold(chat_events(answered)).choices[0].tool_calls


def test_a_schema_is_satisfied() -> None:
    asked = ask(response_format=ResponseFormat("json_schema", CITY))
    assert json.loads(fold(chat_events(asked)).choices[0].text) == {"city": ""}


_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 3},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["number", "null"]},
        {"enum": ["a", 1]},
        {"const": 7},
    ]
)
SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda members: {
                "type": "object",
                "properties": members,
                "required": list(members),
                "additionalProperties": False,
            }
        ),
        inner.map(lambda items: {"type": "array", "items": items, "minItems": 1}),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=5,
)


@given(SCHEMAS)
def test_the_smallest_value_satisfies_its_schema(schema: dict[str, Any]) -> None:
    assert jsonschema_rs.is_valid(schema, smallest(schema))


def test_a_schema_that_contains_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "required": ["a"]}
    schema["properties"] = {"a": schema}
    json.dumps(smallest(schema))


async def test_vectors_are_the_texts_own() -> None:
    request = EmbeddingRequest("m", ("Paris", "Berlin", "Paris"), dimensions=5)
    vectors = fold(await events_of(backend_of(), call_of(request))).vectors
    assert vectors[0] == vectors[2] != vectors[1]
    assert len(vectors[0]) == 5
    assert sum(value * value for value in vector("Paris")) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["connect", "rate_limited", "http_5xx", "content_filter"])
async def test_planned_refusals(kind: ErrorKind) -> None:
    backend = backend_of(fail=kind, fail_every=3)
    outcomes = []
    for _ in range(6):
        try:
            await events_of(backend, call_of(ask()))
            outcomes.append("ok")
        except BackendError as error:
            outcomes.append(error.kind)
    assert outcomes == ["ok", "ok", kind, "ok", "ok", kind]


@pytest.mark.parametrize("tokens", [0, 2])
async def test_a_planned_break(tokens: int) -> None:
    backend = backend_of(fail="reset", fail_after_tokens=tokens, reply="one two three")
    events = await events_of(backend, call_of(ask(), stream=True))
    assert sum(isinstance(event, TextDelta) for event in events) == tokens
    assert isinstance(events[-1], Failed)
    whole = await events_of(backend, call_of(ask()))
    assert [type(event) for event in whole] == [Failed]


@pytest.mark.parametrize(
    "options", [{"fail": "sometimes"}, {"fail_every": 0}, {"first_token_ms": -1}, {"x": 1}]
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        backend_of(**options)


async def test_tokens_are_counted() -> None:
    assert await backend_of().count_tokens(call_of(ask("one two three"))) == 3
