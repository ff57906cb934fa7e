"""Recorded request bodies → canonical requests, by a reader of the tests' own."""

from __future__ import annotations

import re
from typing import Any

from headgate_providers.sdk import (
    Audio,
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.recordings import Recording

KNOWN = {
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
    "response_format", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k",
    "stop", "seed", "n", "user", "frequency_penalty", "presence_penalty", "reasoning_effort",
    "reasoning", "thinking", "input", "dimensions", "input_type", "prompt", "service_tier",
}  # fmt: skip
"""Members that a canonical request can say."""


def canonical(recording: Recording) -> Request | None:
    """The canonical request of a recorded one; `None` if it says more than that can hold."""
    body = {key: value for key, value in recording.body.items() if value is not None}
    if not body.keys() <= KNOWN or recording.operation == "responses":
        return None
    if any("function" not in row for row in body.get("tools", ())):
        return None  # a tool that the vendor runs itself
    if recording.operation == "embeddings":
        inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
        return EmbeddingRequest(
            body.get("model", ""),
            tuple(inputs),
            body.get("dimensions"),
            body.get("input_type"),
            body.get("user"),
        )
    if recording.operation == "completion":
        if not isinstance(body["prompt"], str):
            return None
        messages: tuple[Message, ...] = (Message("user", (Text(body["prompt"]),)),)
    else:
        messages = tuple(message(row) for row in body.get("messages", ()))
    return ChatRequest(
        body.get("model", ""),
        messages,
        stream=body.get("stream", False),
        tools=tuple(tool(row) for row in body.get("tools", ())),
        tool_choice=choice(body.get("tool_choice")),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        response_format=response_format(body.get("response_format")),
        reasoning=reasoning(body),
        max_tokens=body.get("max_tokens", body.get("max_completion_tokens")),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop", ())),
        seed=body.get("seed"),
        n=body.get("n", 1),
        user=body.get("user"),
        frequency_penalty=body.get("frequency_penalty"),
        presence_penalty=body.get("presence_penalty"),
    )


def message(row: dict[str, Any]) -> Message:
    content = row.get("content")
    parts = [Text(content)] if isinstance(content, str) and content else []
    parts += [part(p) for p in content] if isinstance(content, list) else []
    if row["role"] == "tool":
        inner = tuple(p for p in parts if isinstance(p, Text | Image))
        return Message("tool", (ToolResult(row["tool_call_id"], inner),))
    calls = [
        ToolCall(c["id"], c["function"]["name"], c["function"]["arguments"])
        for c in row.get("tool_calls") or ()
    ]
    return Message(row["role"], (*earlier_thoughts(row), *parts, *calls), row.get("name"))


def earlier_thoughts(row: dict[str, Any]) -> list[Part]:
    if text := row.get("reasoning_content") or row.get("reasoning"):
        return [Reasoning(text)]
    return [Reasoning(d["text"], d.get("signature")) for d in row.get("reasoning_details", ())]


def part(row: dict[str, Any]) -> Part:
    match row["type"]:
        case "text":
            return Text(row["text"])
        case "thinking":
            return Reasoning("".join(p["text"] for p in row["thinking"]))
        case "input_audio":
            return Audio(**row["input_audio"])
        case "image_url":
            image = row["image_url"]
            image = {"url": image} if isinstance(image, str) else image
            media_type, data = data_url(image["url"])
            url = None if data else image["url"]
            return Image(url, data, media_type, image.get("detail"))
        case "file":
            media_type, data = data_url(row["file"]["file_data"])
            return Document(data=data, media_type=media_type, name=row["file"]["filename"])
        case "document_url":
            media_type, data = data_url(row["document_url"])
            return Document(data=data, media_type=media_type)
        case "file_url":
            return Document(data=row["file_url"]["url"])
    raise AssertionError(row["type"])


def data_url(url: str) -> tuple[str | None, str | None]:
    found = re.fullmatch(r"data:([^;]*);base64,(.*)", url, re.DOTALL)
    return (found[1], found[2]) if found else (None, None)


def tool(row: dict[str, Any]) -> Tool:
    function = row["function"]
    return Tool(
        function["name"],
        function.get("description"),
        function.get("parameters"),
        function.get("strict"),
    )


def choice(raw: Any) -> ToolChoice | None:
    if isinstance(raw, dict):
        return ToolChoice("tool", raw["function"]["name"])
    return ToolChoice(raw) if raw else None


def response_format(raw: dict[str, Any] | None) -> ResponseFormat | None:
    if raw is None:
        return None
    schema = raw.get("json_schema", {})
    return ResponseFormat(
        raw["type"],
        schema.get("schema"),
        schema.get("name", "response"),
        schema.get("strict"),
        schema.get("description"),
    )


def reasoning(body: dict[str, Any]) -> ReasoningOptions | None:
    asked = body.get("reasoning", {})
    switch = {"enabled": True, "disabled": False}.get(body.get("thinking", {}).get("type"))
    effort = body.get("reasoning_effort", asked.get("effort"))
    if effort is None and switch is None and not asked:
        return None
    return ReasoningOptions(effort, asked.get("max_tokens"), switch)
