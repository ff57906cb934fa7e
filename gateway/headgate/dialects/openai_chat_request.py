"""Translates a chat completions request to the canonical form.

Thinking that a client hands back is read from `reasoning_details` (see `openai_chat_reply`), else
from `reasoning_content` or `reasoning`. Members without a canonical meaning that only tune the
vendor (`store`, `prediction`, `verbosity` …) are left out; those that would change what the caller
gets are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from headgate.dialects.base import JsonBody
from headgate.dialects.openai_chat_check import inspect
from headgate.dialects.openai_shared import (
    cache_hint,
    document_of,
    image_of,
    objects,
    optional,
    refuse,
    refuse_untranslatable,
    required,
    schema_beside,
    stops,
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
from headgate_providers.sdk.types import CacheHint


def decode(body: JsonBody, model: str) -> ChatRequest:
    """See `ClientDialect.decode`."""
    inspect(body)
    for name, what in _UNTRANSLATABLE.items():
        if body.get(name) is not None:
            refuse_untranslatable(name, what)
    if "audio" in (body.get("modalities") or ()):
        refuse_untranslatable("modalities", "An answer in sound")
    tools = tuple(_tools(body))
    choice, allowed = _tool_choice(body)
    return ChatRequest(
        model=model,
        messages=tuple(_Messages().read(body["messages"])),
        stream=body.get("stream") is True,
        tools=tools if allowed is None else tuple(t for t in tools if t.name in allowed),
        tool_choice=choice,
        parallel_tool_calls=body.get("parallel_tool_calls"),
        response_format=_response_format(body.get("response_format")),
        reasoning=_reasoning_options(body),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        logprobs=bool(body.get("logprobs") or body.get("top_logprobs")),
        top_logprobs=body.get("top_logprobs"),
        **sampling(body),
    )


_UNTRANSLATABLE = {
    "web_search_options": "The vendor's web search",
    "moderation": "The vendor's moderation",
}


def sampling(body: JsonBody) -> dict[str, Any]:
    """The members that chat completions and completions share, as canonical ones."""
    return {
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "top_k": body.get("top_k"),
        "stop": stops(body),
        "seed": body.get("seed"),
        "n": body.get("n") or 1,
        "frequency_penalty": body.get("frequency_penalty"),
        "presence_penalty": body.get("presence_penalty"),
        "logit_bias": body.get("logit_bias") or None,
        "user": user_of(body),
        "service_tier": body.get("service_tier"),
        "metadata": text_metadata(body),
    }


# Tools and options


def _tools(body: JsonBody) -> Iterator[Tool]:
    for at, tool in objects(body.get("tools") or [], "tools"):
        if tool["type"] != "function":
            refuse_untranslatable(at, f"A tool of type `{tool['type']}`")
        function = tool["function"]
        hint = cache_hint(tool) or cache_hint(function)
        yield replace(_tool(function, f"{at}.function"), cache=hint)
    for at, function in objects(body.get("functions") or [], "functions"):
        yield _tool(function, at)


def _tool(function: Mapping[str, Any], at: str) -> Tool:
    return Tool(
        name=function["name"],
        description=optional(function, "description", str, at),
        parameters=function.get("parameters"),
        strict=optional(function, "strict", bool, at),
    )


def _tool_choice(body: JsonBody) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The choice, and the names of the tools it is limited to, if it is."""
    at, choice = "tool_choice", body.get("tool_choice")
    if choice is None:
        at, choice = "function_call", body.get("function_call")
    if choice is None:
        return None, None
    if type(choice) is str:
        return ToolChoice(word_of_choice(choice, at)), None
    if at == "function_call":
        return ToolChoice("tool", required(choice, "name", str, at)), None
    if choice["type"] == "function":
        return ToolChoice("tool", choice["function"]["name"]), None
    if choice["type"] == "allowed_tools":
        inner = required(choice, "allowed_tools", dict, at)
        mode = word_of_choice(required(inner, "mode", str, at), f"{at}.allowed_tools.mode")
        names = [
            required(required(tool, "function", dict, path), "name", str, f"{path}.function")
            for path, tool in objects(inner.get("tools"), f"{at}.allowed_tools.tools")
        ]
        return ToolChoice(mode), frozenset(names)
    refuse_untranslatable(at, f"A tool choice of type `{choice['type']}`")


def word_of_choice(word: str, at: str) -> Any:
    """One of the words for `tool_choice`; `any` is Mistral's for `required`."""
    if word not in ("auto", "none", "required", "any"):
        raise InvalidRequest(f"`{at}` must be auto, none, required or name a function.", at)
    return "required" if word == "any" else word


def _response_format(form: Mapping[str, Any] | None) -> ResponseFormat | None:
    at = "response_format"
    if form is None or form["type"] == "text":
        return None
    schema = schema_beside(form)
    if schema is not None:
        return ResponseFormat("json_schema", schema=schema, name="response")
    if form["type"] == "json_object":
        return ResponseFormat("json_object")
    if form["type"] == "json_schema":
        return schema_format(form["json_schema"], f"{at}.json_schema")
    refuse_untranslatable(at, f"A response format of type `{form['type']}`")


def schema_format(schema: Mapping[str, Any], at: str) -> ResponseFormat:
    """The `json_schema` object, which `/v1/responses` gives without its wrapping."""
    return ResponseFormat(
        "json_schema",
        schema=optional(schema, "schema", dict, at),
        name=optional(schema, "name", str, at) or "response",
        strict=optional(schema, "strict", bool, at),
        description=optional(schema, "description", str, at),
    )


def _object_of(body: JsonBody, name: str) -> dict[str, Any]:
    value = body.get(name)
    return value if type(value) is dict else {}


def _reasoning_options(body: JsonBody) -> ReasoningOptions | None:
    """`reasoning_effort`, or the extensions `reasoning` and `thinking`, or `enable_thinking`.

    https://openrouter.ai/docs/use-cases/reasoning-tokens
    """
    options, thinking = _object_of(body, "reasoning"), _object_of(body, "thinking")
    effort = body.get("reasoning_effort") or optional(options, "effort", str, "reasoning")
    budget = optional(options, "max_tokens", int, "reasoning")
    if budget is None:
        budget = optional(thinking, "budget_tokens", int, "thinking")
    switches = (
        optional(options, "enabled", bool, "reasoning"),
        {"enabled": True, "disabled": False}.get(str(thinking.get("type"))),
        body.get("enable_thinking") if type(body.get("enable_thinking")) is bool else None,
        False if effort == "none" else None,
    )
    enabled = next((switch for switch in switches if switch is not None), None)
    if effort is None and budget is None and enabled is None:
        return None
    return ReasoningOptions(effort=effort, budget_tokens=budget, enabled=enabled)


# Messages


class _Messages:
    """Reads the messages of one request; remembers the ids it gave to legacy function calls."""

    def __init__(self) -> None:
        self._function_ids: dict[str, str] = {}
        self._function_calls = 0

    def read(self, messages: list[dict[str, Any]]) -> Iterator[Message]:
        """The canonical messages, one for one."""
        for index, message in enumerate(messages):
            at = f"messages[{index}]"
            name = optional(message, "name", str, at)
            match message["role"]:
                case "assistant":
                    yield Message("assistant", tuple(self._assistant(message, at)), name)
                case "tool":
                    yield _tool_result(message, message["tool_call_id"], name, at)
                case "function":
                    name = required(message, "name", str, at)
                    yield _tool_result(message, self._function_ids.get(name, name), name, at)
                case role:
                    yield Message(role, tuple(_content(message, at)), name)

    def _assistant(self, message: Mapping[str, Any], at: str) -> Iterator[Part]:
        if message.get("audio") is not None and not message.get("content"):
            refuse_untranslatable(f"{at}.audio", "An earlier answer in sound")
        yield from _reasoning(message, at)
        yield from _content(message, at)
        if refusal := optional(message, "refusal", str, at):
            yield Refusal(refusal)
        for path, picture in objects(message.get("images") or [], f"{at}.images"):
            yield _image_part(picture, path)
        for path, call in objects(message.get("tool_calls") or [], f"{at}.tool_calls"):
            if call.get("type") not in (None, "function"):
                refuse_untranslatable(path, f"A tool call of type `{call['type']}`")
            function = call["function"]
            yield ToolCall(call["id"], function["name"], function["arguments"], signature_of(call))
        if (legacy := optional(message, "function_call", dict, at)) is not None:
            name = required(legacy, "name", str, f"{at}.function_call")
            self._function_calls += 1
            identity = self._function_ids[name] = f"call_{self._function_calls}"
            arguments = required(legacy, "arguments", str, f"{at}.function_call")
            yield ToolCall(identity, name, arguments)


def _tool_result(message: Mapping[str, Any], call_id: str, name: str | None, at: str) -> Message:
    parts = tuple(_content(message, at))
    for part in parts:
        if not isinstance(part, Text | Image | Document):
            raise InvalidRequest(
                f"`{at}.content` of a tool may hold text, image_url and file parts only.",
                f"{at}.content",
            )
    hint = cache_hint(message)
    return Message("tool", (ToolResult(call_id, parts, name, cache=hint),))  # type: ignore[arg-type]


def signature_of(call: Mapping[str, Any]) -> str | None:
    """Gemini's proof of thought, where Google's own OpenAI endpoint puts it.

    https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    extra = call.get("extra_content")
    google = extra.get("google") if type(extra) is dict else None
    signature = google.get("thought_signature") if type(google) is dict else None
    return signature if type(signature) is str else None


def _reasoning(message: Mapping[str, Any], at: str) -> Iterator[Reasoning]:
    details = message.get("reasoning_details")
    if details:
        for path, block in objects(details, f"{at}.reasoning_details"):
            yield Reasoning(
                text=optional(block, "text", str, path)
                or optional(block, "summary", str, path)
                or "",
                signature=optional(block, "signature", str, path),
                redacted=optional(block, "data", str, path),
                id=optional(block, "id", str, path),
            )
        return
    for name in ("reasoning_content", "reasoning"):
        text = message.get(name)
        if type(text) is str and text:
            yield Reasoning(text)
            return


# Content parts


def _content(message: Mapping[str, Any], at: str) -> Iterator[Part]:
    content = message.get("content")
    if type(content) is str:
        if content:
            yield Text(content, cache=cache_hint(message))
        return
    for path, part in objects(content or [], f"{at}.content"):
        reader = _READERS.get(part["type"])
        if reader is None:
            refuse_untranslatable(path, f"A content part of type `{part['type']}`")
        yield reader(part, path)


def _text_part(part: Mapping[str, Any], at: str) -> Text:
    return Text(part["text"], cache=cache_hint(part))


def _refusal_part(part: Mapping[str, Any], at: str) -> Refusal:
    return Refusal(part["refusal"])


def _image_part(part: Mapping[str, Any], at: str) -> Image:
    picture, at = part.get("image_url"), f"{at}.image_url"
    if type(picture) is str:
        return image_of(picture, at, None, cache_hint(part))
    if type(picture) is not dict:
        refuse(at, "an object with a `url`", picture)
    url = required(picture, "url", str, at)
    return image_of(url, f"{at}.url", optional(picture, "detail", str, at), cache_hint(part))


def _audio_part(part: Mapping[str, Any], at: str) -> Audio:
    return Audio(part["input_audio"]["data"], part["input_audio"]["format"])


def _file_part(part: Mapping[str, Any], at: str) -> Document:
    return file_document(part["file"], f"{at}.file", cache_hint(part))


def file_document(file: Mapping[str, Any], at: str, cache: CacheHint | None = None) -> Document:
    """A file by `file_data` (OpenRouter also takes an address there) or `file_id`."""
    name = optional(file, "filename", str, at)
    if data := optional(file, "file_data", str, at):
        if data.lower().startswith(("https://", "http://")):
            return Document(url=data, name=name, cache=cache)
        return document_of(data, f"{at}.file_data", name, cache)
    if identity := optional(file, "file_id", str, at):
        return Document(file_id=identity, name=name, cache=cache)
    raise InvalidRequest(f"`{at}` must hold the file's `file_data` or its `file_id`.", at)


def _address_part(member: str) -> Callable[[Mapping[str, Any], str], Document]:
    """Mistral's `document_url` (a string) and Perplexity's `file_url` (an object with `url`)."""

    def read(part: Mapping[str, Any], at: str) -> Document:
        value = part.get(member)
        url = value.get("url") if type(value) is dict else value
        if type(url) is not str or not url:
            refuse(f"{at}.{member}", "an address or a data URL", url)
        name = optional(part, "document_name", str, at) or optional(part, "file_name", str, at)
        if url.lower().startswith(("https://", "http://")):
            return Document(url=url, name=name)
        return document_of(url, f"{at}.{member}", name)

    return read


def _thinking_part(part: Mapping[str, Any], at: str) -> Reasoning:
    """Mistral's thinking: a list of text parts. https://docs.mistral.ai/capabilities/reasoning"""
    chunks = objects(part.get("thinking"), f"{at}.thinking")
    texts = [optional(chunk, "text", str, path) for path, chunk in chunks]
    return Reasoning("".join(text for text in texts if text))


_READERS: dict[str, Callable[[Mapping[str, Any], str], Part]] = {
    "text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
    "document_url": _address_part("document_url"),
    "file_url": _address_part("file_url"),
    "thinking": _thinking_part,
}
