"""Checks a responses request in one walk and says what it needs.

Hosted tools, stored state and item types other than the core ones pass: a target that speaks the
dialect may take them. Translating them is refused in `openai_responses_request`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headgate.dialects.base import JsonBody, Summary
from headgate.dialects.openai_shared import (
    BOOLEAN,
    INTEGER,
    LIST,
    OBJECT,
    SAMPLING,
    STRING,
    Member,
    asks,
    check_members,
    measure,
    model_of,
    objects,
    optional,
    reasoning_effort,
    refuse,
    required,
    stream_options,
    strings,
    text_metadata,
)
from headgate.errors import InvalidRequest
from headgate_providers.sdk import Feature


def _tools(tools: Any, at: str) -> None:
    for path, tool in objects(tools, at):
        if required(tool, "type", str, path) == "function":
            if not required(tool, "name", str, path):
                raise InvalidRequest(f"`{path}.name` is empty: name the function.", f"{path}.name")
            optional(tool, "parameters", dict, path)


def _tool_choice(choice: Any, at: str) -> None:
    if type(choice) is dict:
        measure(choice, at)
        if required(choice, "type", str, at) == "function":
            required(choice, "name", str, at)


def _text(text: Any, at: str) -> None:
    form = optional(text, "format", dict, at)
    if form is not None and required(form, "type", str, f"{at}.format") == "json_schema":
        optional(form, "schema", dict, f"{at}.format")
    measure(text, at)


def _reasoning(reasoning: Any, at: str) -> None:
    for name in ("effort", "summary"):
        optional(reasoning, name, str, at)


def _format_feature(text: Any) -> Feature | None:
    form = text.get("format") or {}
    return _FORMATS.get(form.get("type", "text"))


_FORMATS: dict[str, Feature] = {"json_object": "json_object", "json_schema": "json_schema"}

INCLUDE_LOGPROBS = "message.output_text.logprobs"
"""The entry of `include` that asks for log probabilities."""

_MEMBERS: dict[str, Member] = SAMPLING | {
    "input": Member((str, list)),
    "instructions": Member(STRING),
    "max_output_tokens": Member(INTEGER, 1),
    "max_tool_calls": Member(INTEGER, 1),
    "tools": Member(LIST, shape=_tools, feature=asks("tools")),
    "tool_choice": Member((str, dict), shape=_tool_choice),
    # `true` is what happens anyway where a vendor can; only `false` must be honoured
    "parallel_tool_calls": Member(
        BOOLEAN, feature=asks("parallel_tool_calls", lambda allowed: not allowed)
    ),
    "text": Member(OBJECT, shape=_text, feature=_format_feature),
    "reasoning": Member(
        OBJECT, shape=_reasoning, feature=lambda value: reasoning_effort(value.get("effort"))
    ),
    "top_logprobs": Member(INTEGER, 0, feature=asks("logprobs")),
    "include": Member(
        LIST, shape=strings, feature=asks("logprobs", lambda names: INCLUDE_LOGPROBS in names)
    ),
    "truncation": Member(STRING),
    "store": Member(BOOLEAN),
    "background": Member(BOOLEAN),
    "previous_response_id": Member(STRING),
    "conversation": Member((str, dict)),
    "prompt": Member(OBJECT),
    "stream_options": Member(OBJECT, shape=stream_options),
}

_STORED = ("previous_response_id", "conversation", "prompt")
"""Members that may stand in for `input`."""

_ROLES = frozenset({"user", "assistant", "system", "developer"})

_PARTS: dict[str, tuple[str | None, Feature | None]] = {
    "input_text": ("text", None),
    "output_text": ("text", None),
    "text": ("text", None),
    "refusal": ("refusal", None),
    "input_image": (None, "image"),
    "input_audio": (None, "audio"),
    "input_file": (None, "document"),
}
"""Part type → the string in it that is text, the modality; others are the target's to know."""

_MODALITIES: tuple[Feature, ...] = ("image", "audio", "document")


def inspect(body: JsonBody) -> Summary:
    """See `ClientDialect.inspect`."""
    features = check_members(body, _MEMBERS)
    given = body.get("input")
    if not given and not any(body.get(name) for name in _STORED):
        raise InvalidRequest("`input` must be a string or a list with at least one item.", "input")
    characters = len(body.get("instructions") or "")
    if type(given) is str:
        characters += len(given)
    elif given:
        characters += _items(given, features)
    if tools := body.get("tools"):
        characters += measure(tools, "tools")
    else:
        features.discard("parallel_tool_calls")
    return Summary(
        model=model_of(body),
        stream=body.get("stream") is True,
        usage_wanted=True,
        features=frozenset(features),
        modalities=frozenset(["text", *(m for m in _MODALITIES if m in features)]),
        input_characters=characters,
        output_tokens_max=body.get("max_output_tokens"),
        metadata=text_metadata(body),
    )


def _items(items: list[Any], features: set[Feature]) -> int:
    characters = 0
    for index, item in enumerate(items):
        if type(item) is not dict:
            refuse(f"input[{index}]", "an object", item)
        kind = item.get("type")
        if kind is not None and type(kind) is not str:
            refuse(f"input[{index}].type", "a string", kind)
        check = _ITEMS.get(kind or "message")
        if check is not None:
            characters += check(item, f"input[{index}]", features)
    return characters


def _message(item: dict[str, Any], at: str, features: set[Feature]) -> int:
    role = item.get("role")
    if type(role) is not str or role not in _ROLES:
        raise InvalidRequest(
            f"`{at}.role` must be one of user, assistant, system, developer.", f"{at}.role"
        )
    return _content(item.get("content"), f"{at}.content", features)


def _content(content: Any, at: str, features: set[Feature]) -> int:
    """The characters of a string, or of a list of content parts."""
    if type(content) is str:
        return len(content)
    if type(content) is not list:
        refuse(at, "a string or a list of content parts", content)
    characters = 0
    for index, part in enumerate(content):
        kind = part.get("type") if type(part) is dict else None
        if type(kind) is not str:
            refuse(f"{at}[{index}]", "an object with a `type`", part)
        member, modality = _PARTS.get(kind, (None, None))
        if member is not None:
            characters += len(required(part, member, str, f"{at}[{index}]"))
        if modality is not None:
            features.add(modality)
    return characters


def _function_call(item: dict[str, Any], at: str, features: set[Feature]) -> int:
    required(item, "call_id", str, at)
    required(item, "name", str, at)
    return len(required(item, "arguments", str, at))


def _function_call_output(item: dict[str, Any], at: str, features: set[Feature]) -> int:
    required(item, "call_id", str, at)
    return _content(item.get("output"), f"{at}.output", features)


_ITEMS: dict[str, Callable[[dict[str, Any], str, set[Feature]], int]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
}
