"""What the kit asks: a plain conversation, and one request for every feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.sdk.backend import Call
from headgate_providers.sdk.capabilities import Feature
from headgate_providers.sdk.types import (
    Audio,
    ChatRequest,
    Dialect,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Operation,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

ASKED = Text("What is the weather in Paris?")
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
"""One pixel, PNG."""
SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
"""No samples at all, WAV."""
FILE = "JVBERi0xLjQKJSVFT0YK"
"""The shortest PDF."""

_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("get_weather", "The weather of a city.", _CITY)

UNKNOWN_MEMBER = "x_headgate_conformance"
"""A member that no vendor knows."""

CHAT_FEATURES: Mapping[Feature, Mapping[str, Any]] = {
    "tools": {"tools": (TOOL,), "tool_choice": ToolChoice("auto")},
    "parallel_tool_calls": {"tools": (TOOL,), "parallel_tool_calls": False},
    "json_object": {"response_format": ResponseFormat("json_object")},
    "json_schema": {"response_format": ResponseFormat("json_schema", _CITY, "city")},
    "image": {"messages": (Message("user", (ASKED, Image(data=PICTURE, media_type="image/png"))),)},
    "audio": {"messages": (Message("user", (ASKED, Audio(SOUND, "wav"))),)},
    "document": {
        "messages": (
            Message("user", (ASKED, Document(data=FILE, media_type="application/pdf", name="a"))),
        )
    },
    "reasoning": {"reasoning": ReasoningOptions(effort="high"), "max_tokens": 4096},
    "n": {"n": 2},
    "stop": {"stop": ("END",)},
    "seed": {"seed": 7},
    "logprobs": {"logprobs": True},
    "logit_bias": {"logit_bias": {"50256": -100.0}},
    "penalties": {"frequency_penalty": 0.5, "presence_penalty": 0.5},
    "top_k": {"top_k": 5},
}
"""The members of a chat request that ask for a feature."""

EMBEDDING_FEATURES: Mapping[Feature, Mapping[str, Any]] = {
    "token_ids": {"inputs": ((1, 2, 3), (4, 5))},
    "dimensions": {"dimensions": 256},
}

NOT_IN_THE_REQUEST: frozenset[Feature] = frozenset({"parallel_tool_calls"})
"""May be honoured when the reply is read, or by never doing otherwise."""

_CHAT_BODY = {"messages": [{"role": "user", "content": ASKED.text}]}
BODIES: Mapping[Dialect, Mapping[str, Any]] = {
    "openai_chat": _CHAT_BODY,
    "openai_responses": {"input": ASKED.text},
    "openai_completions": {"prompt": ASKED.text},
    "openai_embeddings": {"input": ["Paris", "Berlin"]},
    "anthropic_messages": {**_CHAT_BODY, "max_tokens": 100},
}
"""What a client sends in each dialect, without the model."""

_OPERATIONS: Mapping[Dialect, Operation] = {
    "openai_completions": "completion",
    "openai_embeddings": "embeddings",
}


def chat_call(
    model: str, *, stream: bool = False, operation: Operation = "chat", **members: Any
) -> Call:
    """A call that must be translated; `members` are those of its `ChatRequest`."""
    asked = {"messages": (Message("user", (ASKED,)),), **members}
    request = ChatRequest(model=model, stream=stream, **asked)
    body = {"model": "alias", **_CHAT_BODY, "stream": stream}
    return Call(operation, "openai_chat", body, model, lambda: request, stream, relayable=False)


def tool_call(model: str, *, stream: bool = False) -> Call:
    """A call that must be answered with a tool call."""
    return chat_call(model, stream=stream, tools=(TOOL,), tool_choice=ToolChoice("required"))


def tool_result_call(model: str) -> Call:
    """The second turn: the tool was called, and its result is handed back."""
    turns = (
        Message("system", (Text("Be brief."),)),
        Message("user", (ASKED,)),
        Message("assistant", (ToolCall("call_1", TOOL.name, '{"city":"Paris"}'),)),
        Message("tool", (ToolResult("call_1", (Text("Sunny."),), TOOL.name),)),
    )
    return chat_call(model, messages=turns, tools=(TOOL,))


def embedding_call(model: str, **members: Any) -> Call:
    """A call for two vectors; `members` are those of its `EmbeddingRequest`."""
    request = EmbeddingRequest(**{"model": model, "inputs": ("Paris", "Berlin"), **members})
    body = {"model": "alias", **BODIES["openai_embeddings"]}
    return Call("embeddings", "openai_embeddings", body, model, lambda: request, relayable=False)


def relayed_call(dialect: Dialect, model: str, *, stream: bool) -> Call:
    """A call in a dialect that the backend speaks itself, with a member that nobody knows."""

    def undecoded() -> Any:
        raise AssertionError("a relayed request is not decoded")

    body = {"model": "alias", **BODIES[dialect], UNKNOWN_MEMBER: {"kept": True}}
    if stream:
        body["stream"] = True
    operation = _OPERATIONS.get(dialect, "chat")
    return Call(operation, dialect, body, model, undecoded, stream, usage_wanted=True)
