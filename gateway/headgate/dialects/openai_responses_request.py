"""Translates a responses request to the canonical form.

The gateway stores no responses: what refers to stored state is refused with what to send instead,
and so are hosted tools and their items. Assistant items in a row become one turn, as the
canonical form (and every other vendor) has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headgate.dialects.base import JsonBody
from headgate.dialects.openai_chat_request import (
    file_document,
    schema_format,
    signature_of,
    word_of_choice,
)
from headgate.dialects.openai_responses_check import INCLUDE_LOGPROBS, inspect
from headgate.dialects.openai_shared import (
    cache_hint,
    image_of,
    objects,
    optional,
    refuse_untranslatable,
    required,
    text_metadata,
    user_of,
)
from headgate.errors import InvalidRequest
from headgate_providers.sdk import (
    Audio,
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

SIGNATURE_PREFIX = "headgate.signature:"
"""Marks an `encrypted_content` that is the signature of visible thinking (Anthropic's), not an
encrypted form of it. No vendor's own value contains a dot or a colon."""

_STATELESS = {
    "previous_response_id": "send the earlier items in `input`",
    "conversation": "send the conversation's items in `input`",
    "prompt": "send the prompt's text in `instructions` and `input`",
    "background": "wait for the reply, or stream it",
}
"""Members that need a store → what to do instead."""


def decode(body: JsonBody, model: str) -> ChatRequest:
    """See `ClientDialect.decode`."""
    for name, instead in _STATELESS.items():
        if body.get(name):
            raise InvalidRequest(
                f"`{name}` needs stored responses, which this gateway does not keep: {instead}.",
                name,
            )
    inspect(body)
    if body.get("moderation") is not None:
        refuse_untranslatable("moderation", "The vendor's moderation")
    tools = tuple(_tools(body))
    choice, allowed = _tool_choice(body.get("tool_choice"))
    include = body.get("include") or ()
    text = body.get("text") or {}
    return ChatRequest(
        model=model,
        messages=tuple(_messages(body)),
        stream=body.get("stream") is True,
        tools=tools if allowed is None else tuple(t for t in tools if t.name in allowed),
        tool_choice=choice,
        parallel_tool_calls=body.get("parallel_tool_calls"),
        response_format=_response_format(text.get("format")),
        reasoning=_reasoning_options(body.get("reasoning")),
        max_tokens=body.get("max_output_tokens"),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        logprobs=bool(body.get("top_logprobs")) or INCLUDE_LOGPROBS in include,
        top_logprobs=body.get("top_logprobs"),
        user=user_of(body),
        service_tier=body.get("service_tier"),
        metadata=text_metadata(body),
    )


# Tools and options


def _tools(body: JsonBody) -> Iterator[Tool]:
    for at, tool in objects(body.get("tools") or [], "tools"):
        if tool["type"] != "function":
            refuse_untranslatable(at, f"The tool `{tool['type']}`")
        yield Tool(
            name=tool["name"],
            description=optional(tool, "description", str, at),
            parameters=tool.get("parameters"),
            strict=optional(tool, "strict", bool, at),
            cache=cache_hint(tool),
        )


def _tool_choice(choice: Any) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The choice, and the names of the tools it is limited to, if it is."""
    at = "tool_choice"
    if choice is None:
        return None, None
    if type(choice) is str:
        return ToolChoice(word_of_choice(choice, at)), None
    if choice["type"] == "function":
        return ToolChoice("tool", choice["name"]), None
    if choice["type"] == "allowed_tools":
        mode = word_of_choice(required(choice, "mode", str, at), f"{at}.mode")
        rows = objects(choice.get("tools"), f"{at}.tools")
        return ToolChoice(mode), frozenset(required(row, "name", str, path) for path, row in rows)
    refuse_untranslatable(at, f"A tool choice of type `{choice['type']}`")


def _response_format(form: Mapping[str, Any] | None) -> ResponseFormat | None:
    at = "text.format"
    if form is None or form["type"] == "text":
        return None
    if form["type"] == "json_object":
        return ResponseFormat("json_object")
    if form["type"] == "json_schema":
        return schema_format(form, at)
    refuse_untranslatable(at, f"A text format of type `{form['type']}`")


def _reasoning_options(options: Mapping[str, Any] | None) -> ReasoningOptions | None:
    """`generate_summary` is the older name of `summary`."""
    if not options:
        return None
    effort = optional(options, "effort", str, "reasoning")
    summary = optional(options, "summary", str, "reasoning") or optional(
        options, "generate_summary", str, "reasoning"
    )
    if effort is None and summary is None:
        return None
    enabled = False if effort == "none" else None
    return ReasoningOptions(effort=effort, enabled=enabled, summary=summary)


# Items


def _messages(body: JsonBody) -> Iterator[Message]:
    if instructions := body.get("instructions"):
        yield Message("system", (Text(instructions),))
    given = body["input"]
    if type(given) is str:
        yield Message("user", (Text(given),))
        return
    turn: list[Part] = []
    for at, item in objects(given, "input"):
        kind = item.get("type") or "message"
        if kind in _OF_ASSISTANT or (kind == "message" and item["role"] == "assistant"):
            turn.extend(_OF_ASSISTANT.get(kind, _content_of)(item, at))
            continue
        if turn:
            yield Message("assistant", tuple(turn))
            turn = []
        yield _other(kind, item, at)
    if turn:
        yield Message("assistant", tuple(turn))


def _other(kind: str, item: Mapping[str, Any], at: str) -> Message:
    if kind == "message":
        return Message(item["role"], tuple(_content_of(item, at)))
    if kind == "function_call_output":
        parts = tuple(_parts(item["output"], f"{at}.output"))
        for part in parts:
            if not isinstance(part, Text | Image | Document):
                raise InvalidRequest(
                    f"`{at}.output` may hold input_text, input_image and input_file parts only.",
                    f"{at}.output",
                )
        return Message("tool", (ToolResult(item["call_id"], parts),))  # type: ignore[arg-type]
    if kind == "item_reference":
        raise InvalidRequest(
            f"`{at}` refers to a stored item, which this gateway does not keep: send the item "
            "itself.",
            at,
        )
    refuse_untranslatable(at, f"An item of type `{kind}`")


def _content_of(item: Mapping[str, Any], at: str) -> Iterator[Part]:
    return _parts(item["content"], f"{at}.content")


def _function_call(item: Mapping[str, Any], at: str) -> Iterator[Part]:
    yield ToolCall(item["call_id"], item["name"], item["arguments"], signature_of(item))


def _reasoning(item: Mapping[str, Any], at: str) -> Iterator[Part]:
    """Handed back as it came: raw thinking where there is any, else its summary."""
    text = _texts(item, "content", at) or _texts(item, "summary", at)
    proof = optional(item, "encrypted_content", str, at) or ""
    signed = proof.startswith(SIGNATURE_PREFIX)
    yield Reasoning(
        text=text,
        signature=proof.removeprefix(SIGNATURE_PREFIX) if signed else None,
        redacted=proof if proof and not signed else None,
        id=None if signed else optional(item, "id", str, at),  # signed: an id of our own making
    )


def _texts(item: Mapping[str, Any], member: str, at: str) -> str:
    rows = objects(item.get(member) or [], f"{at}.{member}")
    return "".join(optional(row, "text", str, path) or "" for path, row in rows)


_OF_ASSISTANT: dict[str, Callable[[Mapping[str, Any], str], Iterator[Part]]] = {
    "function_call": _function_call,
    "reasoning": _reasoning,
}


# Content parts


def _parts(content: Any, at: str) -> Iterator[Part]:
    if type(content) is str:
        if content:
            yield Text(content)
        return
    for path, part in objects(content, at):
        reader = _READERS.get(part["type"])
        if reader is None:
            refuse_untranslatable(path, f"A content part of type `{part['type']}`")
        yield reader(part, path)


def _text_part(part: Mapping[str, Any], at: str) -> Text:
    return Text(part["text"], cache=cache_hint(part))


def _refusal_part(part: Mapping[str, Any], at: str) -> Refusal:
    return Refusal(part["refusal"])


def _image_part(part: Mapping[str, Any], at: str) -> Image:
    if part.get("image_url") is None and part.get("file_id") is not None:
        refuse_untranslatable(f"{at}.file_id", "A picture stored with a vendor")
    url = required(part, "image_url", str, at)
    detail = optional(part, "detail", str, at)
    return image_of(url, f"{at}.image_url", detail, cache_hint(part))


def _audio_part(part: Mapping[str, Any], at: str) -> Audio:
    sound = required(part, "input_audio", dict, at)
    at = f"{at}.input_audio"
    return Audio(required(sound, "data", str, at), required(sound, "format", str, at))


def _file_part(part: Mapping[str, Any], at: str) -> Document:
    if url := optional(part, "file_url", str, at):
        name = optional(part, "filename", str, at)
        return Document(url=url, name=name, cache=cache_hint(part))
    return file_document(part, at, cache_hint(part))


_READERS: dict[str, Callable[[Mapping[str, Any], str], Part]] = {
    "input_text": _text_part,
    "output_text": _text_part,
    "text": _text_part,
    "refusal": _refusal_part,
    "input_image": _image_part,
    "input_audio": _audio_part,
    "input_file": _file_part,
}
