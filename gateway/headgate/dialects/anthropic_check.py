"""Checks a Messages request in one walk and says what it needs.

Paths are written as Anthropic writes them: `messages.0.content.1.text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.dialects.base import JsonBody, Summary
from headgate.dialects.openai_shared import (
    BOOLEAN,
    INTEGER,
    LIST,
    NUMBER,
    OBJECT,
    STRING,
    Member,
    always,
    asks,
    check_members,
    measure,
    model_of,
    optional,
    refuse,
    required,
    text_metadata,
)
from headgate.errors import InvalidRequest
from headgate_providers.sdk import Feature


def _stop_sequences(sequences: Any, at: str) -> None:
    for index, sequence in enumerate(sequences):
        if type(sequence) is not str:
            refuse(f"{at}.{index}", "a string", sequence)


def _tools(tools: Any, at: str) -> None:
    """Tools of a type other than `custom` are the target's to know."""
    for index, tool in enumerate(tools):
        path = f"{at}.{index}"
        if type(tool) is not dict:
            refuse(path, "an object", tool)
        if optional(tool, "type", str, path) in (None, "custom"):
            if not required(tool, "name", str, path):
                raise InvalidRequest(f"`{path}.name` is empty: name the tool.", f"{path}.name")
            required(tool, "input_schema", dict, path)
            optional(tool, "description", str, path)
    measure(tools, at)


def _tool_choice(choice: Any, at: str) -> None:
    if required(choice, "type", str, at) == "tool":
        required(choice, "name", str, at)
    optional(choice, "disable_parallel_tool_use", bool, at)


def _thinking(thinking: Any, at: str) -> None:
    if required(thinking, "type", str, at) == "enabled" and (
        required(thinking, "budget_tokens", int, at) < 1
    ):
        raise InvalidRequest(
            f"`{at}.budget_tokens` must be 1 or more; Anthropic takes 1024 or more.",
            f"{at}.budget_tokens",
        )


def _output_config(config: Any, at: str) -> None:
    optional(config, "effort", str, at)
    if (form := optional(config, "format", dict, at)) is not None:
        _format(form, f"{at}.format")


def _format(form: Any, at: str) -> None:
    if required(form, "type", str, at) == "json_schema":
        required(form, "schema", dict, at)
        measure(form, at)


_MEMBERS: dict[str, Member] = {
    "model": Member(STRING),
    "messages": Member(LIST),
    "max_tokens": Member(INTEGER, 1),
    "stream": Member(BOOLEAN),
    "system": Member((str, list)),
    "temperature": Member(NUMBER, 0, 1),
    "top_p": Member(NUMBER, 0, 1),
    "top_k": Member(INTEGER, 0, feature=asks("top_k", always)),
    "stop_sequences": Member(LIST, shape=_stop_sequences, feature=asks("stop")),
    "tools": Member(LIST, shape=_tools, feature=asks("tools")),
    "tool_choice": Member(
        OBJECT,
        shape=_tool_choice,
        feature=asks("parallel_tool_calls", lambda c: c.get("disable_parallel_tool_use")),
    ),
    "thinking": Member(
        OBJECT, shape=_thinking, feature=asks("reasoning", lambda t: t["type"] != "disabled")
    ),
    "output_config": Member(
        OBJECT, shape=_output_config, feature=asks("json_schema", lambda c: c.get("format"))
    ),
    "output_format": Member(OBJECT, shape=_format, feature=asks("json_schema")),
    "metadata": Member(OBJECT),
    "service_tier": Member(STRING),
    "cache_control": Member(OBJECT),
}
"""https://docs.anthropic.com/en/api/messages; `output_format` is the beta name of a format."""

_ROLES = ("user", "assistant", "system")
"""`system` inside a conversation is taken by the newest models only; the target decides."""

_BLOCKS: dict[str, tuple[tuple[str, type], ...]] = {
    "text": (("text", str),),
    "image": (("source", dict),),
    "document": (("source", dict),),
    "tool_use": (("id", str), ("name", str), ("input", dict)),
    "tool_result": (("tool_use_id", str),),
    "thinking": (("thinking", str),),
    "redacted_thinking": (("data", str),),
}
"""What a block must have; other types are the target's to know."""

_MODALITIES: tuple[Feature, ...] = ("image", "document")


def inspect(body: JsonBody, *, limit_required: bool = True) -> Summary:
    """See `ClientDialect.inspect`; a request to count tokens has no `max_tokens`."""
    features = check_members(body, _MEMBERS)
    model = model_of(body)
    if limit_required and body.get("max_tokens") is None:
        raise InvalidRequest(
            "`max_tokens` is required: give the greatest number of tokens to generate.",
            "max_tokens",
        )
    walk = _Walk(features)
    walk.messages(body.get("messages"))
    if body.get("system"):
        walk.content(body["system"], "system")
    if tools := body.get("tools"):
        walk.characters += measure(tools, "tools")
    else:
        features.discard("parallel_tool_calls")
    if _effort(body):
        features.add("reasoning")
    return Summary(
        model=model,
        stream=body.get("stream") is True,
        usage_wanted=True,
        features=frozenset(features),
        modalities=frozenset(["text", *(m for m in _MODALITIES if m in features)]),
        input_characters=walk.characters,
        output_tokens_max=body.get("max_tokens"),
        metadata=text_metadata(body),
    )


def _effort(body: JsonBody) -> bool:
    """Whether an effort asks for thinking: not if thinking is switched off beside it."""
    config, thinking = body.get("output_config") or {}, body.get("thinking") or {}
    return config.get("effort") is not None and thinking.get("type") != "disabled"


class _Walk:
    """Checks messages and collects what they hold. A modality is a feature of the same name."""

    def __init__(self, features: set[Feature]) -> None:
        self.features = features
        self.characters = 0

    def messages(self, messages: Any) -> None:
        if not messages:
            raise InvalidRequest("`messages` must be a list with at least one message.", "messages")
        for index, message in enumerate(messages):
            at = f"messages.{index}"
            if type(message) is not dict:
                refuse(at, "an object", message)
            if message.get("role") not in _ROLES:
                raise InvalidRequest(f"`{at}.role` must be user or assistant.", f"{at}.role")
            content = message.get("content")
            self.content(content, f"{at}.content")
            if not content and message["role"] == "user":
                raise InvalidRequest(
                    f"`{at}.content` is empty: a user turn must say something.", f"{at}.content"
                )

    def content(self, content: Any, at: str, *, nested: bool = False) -> None:
        """A string, or a list of blocks."""
        if type(content) is str:
            self.characters += len(content)
            return
        if type(content) is not list:
            refuse(at, "a string or a list of content blocks", content)
        for index, block in enumerate(content):
            kind = block.get("type") if type(block) is dict else None
            if type(kind) is not str:
                refuse(f"{at}.{index}", "an object with a `type`", block)
            for name, wanted in _BLOCKS.get(kind, ()):
                if type(block.get(name)) is not wanted:
                    required(block, name, wanted, f"{at}.{index}")
            self._measure(kind, block, f"{at}.{index}", nested)

    def _measure(self, kind: str, block: Mapping[str, Any], at: str, nested: bool) -> None:
        if kind == "text":
            self.characters += len(block["text"])
        elif kind == "thinking":
            self.characters += len(block["thinking"])
        elif kind == "tool_use":
            self.characters += measure(block["input"], f"{at}.input")
        elif kind == "image":
            self.features.add("image")
        elif kind == "document":
            self.features.add("document")
            if block["source"].get("type") == "text":
                self.characters += len(required(block["source"], "data", str, f"{at}.source"))
        elif kind == "tool_result" and not nested and block.get("content") is not None:
            self.content(block["content"], f"{at}.content", nested=True)
