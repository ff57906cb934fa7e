"""Canonical messages → `messages` of a chat completion.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate_providers.catalog import Vendor
from headgate_providers.sdk import (
    Audio,
    BackendError,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

Json = dict[str, Any]


def chat_messages(messages: Sequence[Message], vendor: Vendor) -> list[Json]:
    """All messages; raises `BackendError` for a part that this vendor cannot take."""
    return [row for message in messages for row in _rows(message, vendor)]


def _rows(message: Message, vendor: Vendor) -> Iterator[Json]:
    if message.role == "tool":
        yield from _tool_rows(message, vendor)
        return
    if message.role == "assistant":
        yield _assistant(message, vendor)
        return
    role = message.role
    if role == "developer" and "no_developer_role" in vendor.quirks:
        role = "system"
    row: Json = {"role": role, "content": _content(message.parts, vendor)}
    if message.name and "name" not in vendor.message_drops:
        row["name"] = message.name
    yield row


def _content(parts: Sequence[Part], vendor: Vendor) -> str | list[Json]:
    """A lone text stays a string, which every server understands."""
    if not parts:
        return ""
    content = [_part(part, vendor) for part in parts]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return str(content[0]["text"])
    return content


def _part(part: Part, vendor: Vendor) -> Json:
    match part:
        case Text():
            row: Json = {"type": "text", "text": part.text}
        case Image():
            row = {"type": "image_url", "image_url": _image(part, vendor)}
        case Audio():
            row = {
                "type": "input_audio",
                "input_audio": {"data": part.data, "format": part.format},
            }
        case Document():
            row = _document(part, vendor)
        case Refusal():
            row = {"type": "text", "text": part.text}
        case _:
            raise BackendError(
                "unsupported", f"A message of this role cannot hold a {type(part).__name__}."
            )
    cache = getattr(part, "cache", None)
    if cache and "cache_control" in vendor.quirks:
        row["cache_control"] = {"type": "ephemeral", **({"ttl": cache} if cache != "5m" else {})}
    return row


def _image(image: Image, vendor: Vendor) -> Json:
    if image.data is None and "data_images" in vendor.quirks:
        raise BackendError("unsupported", "This provider takes pictures as data, not by address.")
    url = image.url
    if image.data is not None:
        url = f"data:{image.media_type or 'image/png'};base64,{image.data}"
    return {"url": url, **({"detail": image.detail} if image.detail else {})}


def _document(document: Document, vendor: Vendor) -> Json:
    """Plain text goes as text, with its name; files go in the vendor's own content part."""
    if document.text is not None:
        named = f"<file name='{document.name}'>{document.text}</file>"
        return {"type": "text", "text": named if document.name else document.text}
    data_url = f"data:{document.media_type or 'application/pdf'};base64,{document.data}"
    match vendor.documents:
        case "file" if document.file_id:
            return {"type": "file", "file": {"file_id": document.file_id}}
        case "file" if document.data or (document.url and vendor.name == "openrouter"):
            name = document.name or "document.pdf"
            data = data_url if document.data else document.url
            return {"type": "file", "file": {"filename": name, "file_data": data}}
        case "document_url" if document.data or document.url:
            return {
                "type": "document_url",
                "document_url": data_url if document.data else document.url,
            }
        case "file_url" if document.data or document.url:
            return {"type": "file_url", "file_url": {"url": document.data or document.url}}
    raise BackendError("unsupported", "This provider cannot take a document in this form.")


def _assistant(message: Message, vendor: Vendor) -> Json:
    """Text is there even if empty: more servers accept that beside tool calls than a null."""
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    row: Json = {"role": "assistant", "content": "".join(texts)}
    if message.name and "name" not in vendor.message_drops:
        row["name"] = message.name
    refusal = "".join(part.text for part in message.parts if isinstance(part, Refusal))
    if refusal and "refusal" not in vendor.message_drops:
        row["refusal"] = refusal
    elif refusal:
        row["content"] += refusal
    calls = [_tool_call(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        row["tool_calls"] = calls
    _add_reasoning(row, [p for p in message.parts if isinstance(p, Reasoning)], vendor)
    return row


def _tool_call(call: ToolCall) -> Json:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }


def _add_reasoning(row: Json, blocks: Sequence[Reasoning], vendor: Vendor) -> None:
    """Earlier thinking in the member that the vendor reads; without one it has no use there."""
    text = "".join(block.text for block in blocks)
    match vendor.reasoning_history:
        case "reasoning_content" | "reasoning" as member:
            if text or ("echo_reasoning" in vendor.quirks and "tool_calls" in row):
                row[member] = text
        case "reasoning_details" if blocks:
            row["reasoning_details"] = [_reasoning_detail(block) for block in blocks]
        case "thinking_parts" if text:
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            said = [{"type": "text", "text": row["content"]}] if row["content"] else []
            row["content"] = [thinking, *said]


def _reasoning_detail(block: Reasoning) -> Json:
    """https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning"""
    if block.redacted is not None:
        detail: Json = {"type": "reasoning.encrypted", "data": block.redacted}
    else:
        detail = {"type": "reasoning.text", "text": block.text}
        if block.signature:
            detail["signature"] = block.signature
    if block.id:
        detail["id"] = block.id
    return detail


def _tool_rows(message: Message, vendor: Vendor) -> Iterator[Json]:
    """One message per result; what is not text follows in a message of the user.

    The results must stand directly behind the calls, so the attachments come after all of them.
    """
    attachments: list[Json] = []
    for result in message.parts:
        if not isinstance(result, ToolResult):
            raise BackendError("unsupported", "A tool message can hold tool results only.")
        kinds = {type(part) for part in result.parts}
        if kinds == {Text, Image} and "tool_images" in vendor.quirks:
            content = _content(result.parts, vendor)
            yield {"role": "tool", "content": content, "tool_call_id": result.call_id}
            continue
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        yield {"role": "tool", "content": "\n".join(texts), "tool_call_id": result.call_id}
        others = [part for part in result.parts if not isinstance(part, Text)]
        if others:
            label = f"Attachments from tool call {result.call_id}:"
            attachments.append({"type": "text", "text": label})
            attachments.extend(_part(part, vendor) for part in others)
    if attachments:
        yield {"role": "user", "content": attachments}
