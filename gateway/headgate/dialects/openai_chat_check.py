"""Checks a chat completions request in one walk and says what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.dialects.base import JsonBody, Summary
from headgate.dialects.openai_shared import (
    BOOLEAN,
    CLASSIC_SAMPLING,
    INTEGER,
    LIST,
    OBJECT,
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
    schema_beside,
    text_metadata,
    usage_wanted,
)
from headgate.errors import InvalidRequest
from headgate_providers.sdk import Feature


def _tools(tools: Any, at: str) -> None:
    """Tools of a type other than `function` are the target's to know."""
    for path, tool in objects(tools, at):
        if required(tool, "type", str, path) == "function":
            _function(required(tool, "function", dict, path), f"{path}.function")


def _functions(functions: Any, at: str) -> None:
    for path, function in objects(functions, at):
        _function(function, path)


def _function(function: Mapping[str, Any], at: str) -> None:
    if not required(function, "name", str, at):
        raise InvalidRequest(f"`{at}.name` is empty: name the function.", f"{at}.name")
    optional(function, "parameters", dict, at)


def _tool_choice(choice: Any, at: str) -> None:
    """A word, or an object that names a tool; words that only some servers know pass."""
    if type(choice) is dict and required(choice, "type", str, at) == "function":
        required(required(choice, "function", dict, at), "name", str, f"{at}.function")


def _response_format(form: Any, at: str) -> None:
    schema: Mapping[str, Any] | None = None
    if required(form, "type", str, at) == "json_schema":
        schema = required(form, "json_schema", dict, at)
        optional(schema, "schema", dict, f"{at}.json_schema")
    else:
        schema = schema_beside(form)
    if schema is not None:
        measure(schema, at)


_FORMATS: dict[str, Feature] = {"json_object": "json_object", "json_schema": "json_schema"}


def _format_feature(form: Mapping[str, Any]) -> Feature | None:
    return "json_schema" if schema_beside(form) is not None else _FORMATS.get(form["type"])


def _thinking(value: Any) -> Feature | None:
    """`reasoning` (OpenRouter) and `thinking` (Anthropic's, DeepSeek's) as extensions."""
    if type(value) is not dict:
        return None
    wanted = (
        value.get("enabled") is True
        or value.get("type") in ("enabled", "adaptive")
        or bool(value.get("max_tokens"))
        or reasoning_effort(value.get("effort")) is not None
    )
    return "reasoning" if wanted else None


_MEMBERS: dict[str, Member] = CLASSIC_SAMPLING | {
    "messages": Member(LIST),
    "max_tokens": Member(INTEGER, 1),
    "max_completion_tokens": Member(INTEGER, 1),
    "tools": Member(LIST, shape=_tools, feature=asks("tools")),
    "functions": Member(LIST, shape=_functions, feature=asks("tools")),
    "tool_choice": Member((str, dict), shape=_tool_choice),
    "function_call": Member((str, dict)),
    # `true` is what happens anyway where a vendor can; only `false` must be honoured
    "parallel_tool_calls": Member(
        BOOLEAN, feature=asks("parallel_tool_calls", lambda allowed: not allowed)
    ),
    "response_format": Member(OBJECT, shape=_response_format, feature=_format_feature),
    "reasoning_effort": Member(STRING, feature=reasoning_effort),
    "reasoning": Member(feature=_thinking),
    "thinking": Member(feature=_thinking),
    "logprobs": Member(BOOLEAN, feature=asks("logprobs")),
    "top_logprobs": Member(INTEGER, 0, feature=asks("logprobs")),
    "modalities": Member(LIST, feature=asks("audio", lambda kinds: "audio" in kinds)),
    "audio": Member(OBJECT),
    "prediction": Member(OBJECT),
    "store": Member(BOOLEAN),
    "verbosity": Member(STRING),
    "web_search_options": Member(OBJECT),
}

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

_INSTEAD_OF_CONTENT = (
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "images",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
)

_PARTS: dict[str, tuple[str, type, tuple[str, ...], Feature | None]] = {
    "text": ("text", str, (), None),
    "refusal": ("refusal", str, (), None),
    "image_url": ("image_url", dict, ("url",), "image"),
    "input_audio": ("input_audio", dict, ("data", "format"), "audio"),
    "file": ("file", dict, (), "document"),
}
"""Part type → the member that holds it, its type, the strings inside, the modality.

Mistral also takes the bare address as `image_url`.
"""

_FOREIGN_PARTS: dict[str, Feature] = {"document_url": "document", "file_url": "document"}
"""Parts of Mistral and Perplexity; other unknown ones are the target's to know."""

_MODALITIES: tuple[Feature, ...] = ("image", "audio", "document")


def inspect(body: JsonBody) -> Summary:
    """See `ClientDialect.inspect`."""
    features = check_members(body, _MEMBERS)
    model = model_of(body)
    messages = body.get("messages")
    if not messages:
        raise InvalidRequest("`messages` must be a list with at least one message.", "messages")
    characters = _messages(messages, features)
    if tools := body.get("tools"):
        characters += measure(tools, "tools")
    elif functions := body.get("functions"):
        characters += measure(functions, "functions")
    else:
        features.discard("parallel_tool_calls")
    bound = body.get("max_completion_tokens") or body.get("max_tokens")
    return Summary(
        model=model,
        stream=body.get("stream") is True,
        usage_wanted=usage_wanted(body),
        features=frozenset(features),
        modalities=frozenset(["text", *(m for m in _MODALITIES if m in features)]),
        input_characters=characters,
        output_tokens_max=bound * (body.get("n") or 1) if bound else None,
        metadata=text_metadata(body),
    )


def _messages(messages: list[Any], features: set[Feature]) -> int:
    """Check all messages; returns their characters. A modality is a feature of the same name."""
    characters = 0
    for index, message in enumerate(messages):
        if type(message) is not dict:
            refuse(f"messages[{index}]", "an object", message)
        role = message.get("role")
        if type(role) is not str or role not in _ROLES:
            raise InvalidRequest(
                f"`messages[{index}].role` must be one of system, developer, user, assistant, "
                "tool.",
                f"messages[{index}].role",
            )
        content = message.get("content")
        if type(content) is str:
            characters += len(content)
        elif type(content) is list:
            characters += _parts(content, f"messages[{index}].content", features)
        elif content is not None or not _may_lack_content(role, message):
            refuse(f"messages[{index}].content", "a string or a list of content parts", content)
        if role == "assistant":
            if message.get("tool_calls") is not None:
                characters += _tool_calls(message["tool_calls"], f"messages[{index}].tool_calls")
        elif role == "tool" and type(message.get("tool_call_id")) is not str:
            refuse(
                f"messages[{index}].tool_call_id",
                "the id of the call that this message answers",
                message.get("tool_call_id"),
            )
    return characters


def _may_lack_content(role: str, message: Mapping[str, Any]) -> bool:
    if role == "assistant":
        return any(message.get(name) is not None for name in _INSTEAD_OF_CONTENT)
    return role == "function"


def _parts(parts: list[Any], at: str, features: set[Feature]) -> int:
    if not parts:
        raise InvalidRequest(f"`{at}` is an empty list: give a content part or a string.", at)
    characters = 0
    for index, part in enumerate(parts):
        kind = part.get("type") if type(part) is dict else None
        if type(kind) is not str:
            refuse(f"{at}[{index}]", "an object with a `type`", part)
        rule = _PARTS.get(kind)
        if rule is None:
            if kind in _FOREIGN_PARTS:
                features.add(_FOREIGN_PARTS[kind])
            continue
        member, wanted, inner, modality = rule
        value = part.get(member)
        if type(value) is wanted:
            for name in inner:
                required(part[member], name, str, f"{at}[{index}].{member}")
        elif kind != "image_url" or type(value) is not str:
            required(part, member, wanted, f"{at}[{index}]")
        if modality is None:
            characters += len(value)
        else:
            features.add(modality)
    return characters


def _tool_calls(calls: Any, at: str) -> int:
    characters = 0
    for path, call in objects(calls, at):
        required(call, "id", str, path)
        if call.get("type") in (None, "function"):
            function = required(call, "function", dict, path)
            required(function, "name", str, f"{path}.function")
            characters += len(required(function, "arguments", str, f"{path}.function"))
    return characters
