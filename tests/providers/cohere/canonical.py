"""Recorded bodies of `/v2/chat` and `/v2/embed` → canonical requests, by a reader of our own."""

from __future__ import annotations

from typing import Any

from headgate_providers.sdk import (
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Part,
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


def canonical(recording: Recording) -> Request | None:
    """The canonical request of a recorded one; `None` for version 1 and requests not recorded."""
    body = recording.body
    if recording.operation == "embeddings":
        return EmbeddingRequest(body["model"], tuple(body["texts"]), body.get("output_dimension"))
    if "messages" not in body:
        return None
    messages = [_message(row) for row in body["messages"]]
    if "documents" in body:
        documents = tuple(_document(row) for row in body["documents"])
        messages[-1] = Message("user", (*messages[-1].parts, *documents))
    schema = body.get("response_format", {}).get("json_schema")
    return ChatRequest(
        body["model"],
        tuple(messages),
        body["stream"],
        tuple(_tool(row["function"]) for row in body.get("tools", ())),
        tool_choice={"NONE": ToolChoice("none"), "REQUIRED": ToolChoice("required")}.get(
            body.get("tool_choice", "")
        ),
        response_format=ResponseFormat("json_schema", schema) if schema else None,
        reasoning=ReasoningOptions(enabled=True) if "thinking" in body else None,
        temperature=body.get("temperature"),
    )


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """A body without empty texts of the assistant, and with our own ids of documents."""
    messages = []
    for row in body.get("messages", ()):
        content = row.get("content")
        if isinstance(content, list):
            blocks = [_unnamed(block) for block in content if block.get("text") != ""]
            row = (
                {**row, "content": blocks} if blocks else {k: row[k] for k in row if k != "content"}
            )
        messages.append(row)
    return {**body, "messages": messages}


def _unnamed(block: dict[str, Any]) -> dict[str, Any]:
    if "document" not in block:
        return block
    data = block["document"]["data"]
    return {"document": {key: value for key, value in data.items() if key != "url"}}


def _message(row: dict[str, Any]) -> Message:
    content = row.get("content", [])
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    parts = tuple(_part(block) for block in blocks)
    if row["role"] == "tool":
        return Message("tool", (ToolResult(row["tool_call_id"], parts),))  # type: ignore[arg-type]
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in row.get("tool_calls", ())
    )
    return Message(row["role"], (*parts, *calls))


def _part(block: dict[str, Any]) -> Part:
    match block["type"]:
        case "text":
            return Text(block["text"])
        case "document":
            return _document(block["document"])
        case "image_url":
            url = block["image_url"]["url"]
            if url.startswith("data:"):
                head, _, data = url.partition(";base64,")
                return Image(data=data, media_type=head.removeprefix("data:"))
            return Image(url=url)
    raise KeyError(block["type"])


def _document(row: dict[str, Any]) -> Document:
    return Document(text=row["data"]["text"], name=row["data"]["title"])


def _tool(function: dict[str, Any]) -> Tool:
    return Tool(function["name"], function["description"], function["parameters"])
