"""Messages of the canonical request as messages of `/v2/chat`.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any

from headgate_providers.sdk import (
    Audio,
    BackendError,
    Document,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any]


def messages_of(messages: Sequence[Message]) -> tuple[list[Block], list[Block]]:
    """The messages, and the documents they bring, which stand beside them.

    Raises `BackendError` kind `unsupported`.
    """
    translated: list[Block] = []
    documents: list[Block] = []
    for message in messages:
        match message.role:
            case "tool":
                translated += _tool_messages(message)
            case "assistant":
                translated += _assistant(message, documents)
            case "system" | "developer":
                if content := _content(message, documents):
                    translated.append({"role": "system", "content": content})
            case "user":
                translated += _tool_messages(message)
                if content := _content(message, documents):
                    translated.append({"role": "user", "content": content})
    return translated, documents


def _content(message: Message, documents: list[Block]) -> list[Block]:
    content: list[Block] = []
    for part in message.parts:
        match part:
            case Text(text) | Refusal(text):
                content.append({"type": "text", "text": text})
            case Image():
                content.append(_image(part))
            case Document():
                documents.append(_document(part, f"doc:{len(documents)}"))
            case Audio():
                raise BackendError("unsupported", "Cohere's chat hears no sound.", param="messages")
    return content


def _assistant(message: Message, documents: list[Block]) -> Iterable[Block]:
    """Thoughts before a tool call are Cohere's tool plan, others a block of the content."""
    calls = [_tool_call(part) for part in message.parts if isinstance(part, ToolCall)]
    thoughts = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    content = [block for block in _content(message, documents) if block.get("text") != ""]
    answer: Block = {"role": "assistant"}
    if thoughts and calls:
        answer["tool_plan"] = thoughts
    elif thoughts:
        content.insert(0, {"type": "thinking", "thinking": thoughts})
    if content:
        answer["content"] = content
    if calls:
        answer["tool_calls"] = calls
    return [answer] if len(answer) > 1 else []


def _tool_call(call: ToolCall) -> Block:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _tool_messages(message: Message) -> Iterable[Block]:
    return [_result(part) for part in message.parts if isinstance(part, ToolResult)]


def _result(result: ToolResult) -> Block:
    """One text goes as a string, several parts as blocks; a document among them can be cited.

    There is no mark for a failed call: its text is left to tell.
    """
    blocks: list[Block] = []
    for part in result.parts:
        match part:
            case Text(text):
                blocks.append({"type": "text", "text": text})
            case Document():
                document = _document(part, f"{result.call_id}:{len(blocks)}")
                blocks.append({"type": "document", "document": document})
            case Image():
                raise BackendError(
                    "unsupported",
                    "Cohere takes no pictures from tools; send them as the user.",
                    param="messages",
                )
    plain = len(blocks) < 2 and all("text" in block for block in blocks)
    content = "".join(block["text"] for block in blocks) if plain else blocks
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _image(image: Image) -> Block:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data}"
    described = {"url": url} if image.detail is None else {"url": url, "detail": image.detail}
    return {"type": "image_url", "image_url": described}


def _document(document: Document, identity: str) -> Block:
    """https://docs.cohere.com/docs/retrieval-augmented-generation-rag"""
    data = {} if document.name is None else {"title": document.name}
    return {"id": identity, "data": {**data, "text": _text(document)}}


def _text(document: Document) -> str:
    if document.text is not None:
        return document.text
    if document.data is not None and (document.media_type or "").startswith("text/"):
        try:
            return base64.b64decode(document.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BackendError(
                "invalid_request", "The text file is not UTF-8 in base64.", param="messages"
            ) from error
    raise BackendError(
        "unsupported", "Cohere reads only files of plain text; send the text.", param="messages"
    )
