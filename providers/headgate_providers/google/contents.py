"""The conversation: canonical messages as Gemini's `contents`.

https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from headgate_providers.google.ids import is_own_id
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

UNPROVEN_CALL = "skip_thought_signature_validator"
"""Stands for the signature of a call that Gemini 3 did not make itself or that the client lost.

https://ai.google.dev/gemini-api/docs/thought-signatures
"""

_AUDIO_TYPES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "opus": "audio/ogg"}
_EXTENSIONS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "xml": "application/xml",
}
_FILES_URL = "https://generativelanguage.googleapis.com/v1beta/"

_Json = dict[str, Any]


def contents_of(turns: Sequence[Message], newer: bool) -> list[_Json]:
    """The turns as contents whose roles alternate; `newer` means Gemini 3 and later."""
    contents: list[_Json] = []
    names: dict[str, str] = {}
    for message in turns:
        names.update((part.id, part.name) for part in message.parts if isinstance(part, ToolCall))
        role = "model" if message.role == "assistant" else "user"
        parts = list(_parts(message.parts, names, newer))
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    if newer:
        _prove_calls(contents)
    return contents


def parts_of(message: Message) -> list[_Json]:
    """The parts of a message that holds no tool results."""
    return list(_parts(message.parts, {}, newer=False))


def _parts(parts: Sequence[Part], names: dict[str, str], newer: bool) -> Iterator[_Json]:
    for part in parts:
        match part:
            case Text() | Refusal():
                if part.text:
                    yield {"text": part.text}
            case Reasoning():
                if thought := _thought(part):
                    yield thought
            case ToolCall():
                yield _call(part)
            case ToolResult():
                yield from _result(part, names, newer)
            case _:
                yield _media(part)


def _thought(part: Reasoning) -> _Json | None:
    """Encrypted thinking belongs to another vendor and means nothing here."""
    if not part.text and not part.signature:
        return None
    made: _Json = {"thought": True}
    if part.text:
        made["text"] = part.text
    if part.signature:
        made["thoughtSignature"] = part.signature
    return made


def _call(call: ToolCall) -> _Json:
    made: _Json = {"name": call.name, "args": _object(call.arguments)}
    if not is_own_id(call.id):
        made["id"] = call.id
    if call.signature is None:
        return {"functionCall": made}
    return {"functionCall": made, "thoughtSignature": call.signature}


def _object(arguments: str) -> Any:
    """Arguments must be an object; anything else the model may have written is wrapped."""
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def _result(result: ToolResult, names: dict[str, str], newer: bool) -> Iterator[_Json]:
    """Gemini 3 takes pictures and files inside a result, earlier models beside it."""
    name = names.get(result.call_id) or result.name
    if name is None:
        raise BackendError(
            "invalid_request",
            "A tool result answers a call that is not in the conversation: send the assistant "
            "message with the call before it.",
            param="messages",
        )
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    made: _Json = {
        "name": name,
        "response": {"error" if result.is_error else "output": text},
    }
    if not is_own_id(result.call_id):
        made["id"] = result.call_id
    inside: list[_Json] = []
    beside: list[_Json] = []
    for part in result.parts:
        if not isinstance(part, Text):
            media = _media(part)
            (inside if newer and "text" not in media else beside).append(media)
    if inside:
        made["parts"] = inside
    yield {"functionResponse": made}
    yield from beside


def _media(part: Image | Audio | Document) -> _Json:
    match part:
        case Audio():
            media_type = _AUDIO_TYPES.get(part.format, f"audio/{part.format}")
            return _inline(media_type, part.data)
        case Document(text=str(text)):
            label = f'<document name="{part.name}">\n{text}\n</document>' if part.name else text
            return {"text": label}
        case Document(file_id=str(file_id)):
            return _file(file_id, part.media_type, None)
    default = "image/jpeg" if isinstance(part, Image) else "application/pdf"
    if part.data is not None:
        return _inline(part.media_type or default, part.data)
    return _file(part.url or "", part.media_type, default)


def _inline(media_type: str, data: str) -> _Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _file(uri: str, media_type: str | None, default: str | None) -> _Json:
    """A file by address: public, `gs://…`, or the name (`files/…`) of an uploaded one."""
    if uri.startswith("files/"):
        uri = _FILES_URL + uri
    elif not uri.startswith(("https://", "http://", "gs://")):
        raise BackendError(
            "unsupported",
            "Gemini knows only files uploaded to Google: send the file's data or an address.",
            param="messages",
        )
    extension = uri.partition("?")[0].rpartition(".")[2].lower()
    media_type = media_type or _EXTENSIONS.get(extension, default)
    known = {"mimeType": media_type} if media_type else {}
    return {"fileData": {**known, "fileUri": uri}}


def _prove_calls(contents: list[_Json]) -> None:
    """Gemini 3 refuses a turn of the model whose first call has no signature."""
    for content in contents:
        if content["role"] == "model":
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is not None:
                first.setdefault("thoughtSignature", UNPROVEN_CALL)
