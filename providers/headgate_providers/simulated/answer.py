"""What the simulated model says. Pure: the same request gives the same answer."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import (
    ChatRequest,
    EmbeddingRequest,
    Event,
    Finish,
    Text,
    TextDelta,
    ToolCallDelta,
    ToolResult,
    Usage,
    UsageReported,
)

NOTICE = "[simulated]"
DIMENSIONS = 64
_WORD = re.compile(r"\S+\s*")
_DEPTH_MAX = 8


def chat_events(request: ChatRequest, reply: str | None = None) -> list[Event]:
    """The answer as events, one word per text delta, cut at `max_tokens` words.

    A request that must call a tool gets a call with the smallest arguments its schema allows; one
    with a JSON schema gets the smallest value that satisfies it.
    """
    usage = Usage(input_tokens=count_tokens(request))
    events: list[Event] = []
    output = 0
    for choice in range(request.n):
        made, tokens = _choice_events(request, reply, choice)
        events += made
        output += tokens
    return [*events, UsageReported(Usage(usage.input_tokens, output))]


def _choice_events(request: ChatRequest, reply: str | None, choice: int) -> tuple[list[Event], int]:
    call = _tool_call(request, choice)
    if call is not None:
        return [call, Finish("tool_calls", choice=choice)], len(call.arguments) // 4 + 1
    text = reply if reply is not None else _text(request)
    for stop in request.stop:
        text = text.split(stop, 1)[0]
    words = _WORD.findall(text)
    cut = request.max_tokens is not None and len(words) > request.max_tokens
    words = words[: request.max_tokens]
    events: list[Event] = [TextDelta(word, choice) for word in words]
    return [*events, Finish("length" if cut else "stop", choice=choice)], len(words)


def _text(request: ChatRequest) -> str:
    if request.response_format is not None:
        return orjson.dumps(smallest(request.response_format.schema or {"type": "object"})).decode()
    asked = request.turns[-1].text if request.turns else ""
    return (
        f"{NOTICE} This answer was made up by the gateway itself; no model was asked. "
        f"You said: {asked[:400]}"
    )


def _tool_call(request: ChatRequest, choice: int) -> ToolCallDelta | None:
    wanted = request.tool_choice
    if wanted is None or wanted.mode not in ("required", "tool") or not request.tools:
        return None
    answered = request.turns and any(isinstance(p, ToolResult) for p in request.turns[-1].parts)
    if answered:
        return None
    tool = next((t for t in request.tools if t.name == wanted.name), request.tools[0])
    arguments = orjson.dumps(smallest(tool.parameters or {"type": "object"})).decode()
    return ToolCallDelta(0, f"call_simulated_{choice}", tool.name, arguments, choice=choice)


def smallest(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """The plainest value of a JSON Schema: first enum member, zero, empty text."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return smallest(schema[key][0], depth)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" and depth < _DEPTH_MAX:
        members = schema.get("properties") or {}
        names = schema.get("required") or ()
        return {name: smallest(members.get(name, {}), depth + 1) for name in names}
    if kind == "array" and depth < _DEPTH_MAX:
        count = schema.get("minItems", 0)
        return [smallest(schema.get("items") or {}, depth + 1) for _ in range(min(count, 16))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"boolean": False, "null": None, "object": {}, "array": []}.get(str(kind), "")


def count_tokens(request: ChatRequest | EmbeddingRequest) -> int:
    """Words of the input; the simulated tokenizer knows nothing smaller."""
    if isinstance(request, EmbeddingRequest):
        return sum(len(i.split()) if isinstance(i, str) else len(i) for i in request.inputs)
    return sum(
        len(part.text.split())
        for message in request.messages
        for part in message.parts
        if isinstance(part, Text)
    )


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A unit vector drawn from the text's hash: equal texts have equal vectors."""
    raw = b""
    counter = 0
    while len(raw) < dimensions:
        raw += hashlib.sha256(f"{counter}:{text}".encode()).digest()
        counter += 1
    values = [byte - 127.5 for byte in raw[:dimensions]]
    norm = math.sqrt(sum(value * value for value in values))
    return [value / norm for value in values]
