"""Messages of the canonical request as messages of Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from headgate_providers.bedrock.media import Documents, audio_block, image_block
from headgate_providers.bedrock.models import Family
from headgate_providers.sdk import (
    Audio,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES = {"tool": "user", "user": "user", "assistant": "assistant"}

Block = dict[str, Any]


class Conversation:
    """Translates the turns of one request."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._documents = Documents()

    def messages(self, turns: Sequence[Message]) -> list[Block]:
        """User and assistant in turn: what follows in the same role joins the message before.

        So the results of parallel tool calls come in one message, as Converse demands.
        """
        messages: list[Block] = []
        for turn in turns:
            role, content = _ROLES[turn.role], self._content(turn)
            if not content:
                continue
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += content
            else:
                messages.append({"role": role, "content": content})
        return messages

    def system(self, parts: Sequence[Text]) -> list[Block]:
        """The system messages, wherever they stood."""
        return [block for part in parts if part.text.strip() for block in self._text(part)]

    def cache_point(self, part: Part | Tool) -> Iterator[Block]:
        """The point up to which a cache is asked for, where the family has caches."""
        cache = getattr(part, "cache", None)
        if cache is None or not self._family.caches:
            return
        point = {"type": "default"}
        if cache == "1h" and self._family.cache_hour:
            point["ttl"] = "1h"
        yield {"cachePoint": point}

    def _content(self, turn: Message) -> list[Block]:
        """Blank text is refused by Converse; it stays only where a user said nothing else."""
        parts = [part for part in turn.parts if not _is_blank(part)]
        if not parts and turn.role == "user":
            parts = list(turn.parts)
        return [block for part in parts for block in self._blocks(part)]

    def _blocks(self, part: Part) -> Iterator[Block]:
        match part:
            case Text():
                yield from self._text(part)
            case Refusal(text):
                yield {"text": text}
            case Image():
                yield image_block(part)
                yield from self.cache_point(part)
            case Audio():
                yield audio_block(part)
            case Document():
                yield self._documents.block(part)
                yield from self.cache_point(part)
            case Reasoning():
                yield from self._reasoning(part)
            case ToolCall(id, name, arguments):
                called = {"toolUseId": tool_use_id(id), "name": name, "input": _input(arguments)}
                yield {"toolUse": called}
            case ToolResult():
                yield self._result(part)
                yield from self.cache_point(part)

    def _text(self, part: Text) -> Iterator[Block]:
        yield {"text": part.text}
        yield from self.cache_point(part)

    def _reasoning(self, part: Reasoning) -> Iterator[Block]:
        """Thoughts without the proof that a model wants are another model's, and left out."""
        if part.redacted is not None and self._family.thoughts != "none":
            yield {"reasoningContent": {"redactedContent": part.redacted}}
        elif part.signature is not None and self._family.thoughts != "none":
            thought = {"text": part.text, "signature": part.signature}
            yield {"reasoningContent": {"reasoningText": thought}}
        elif part.text and self._family.thoughts == "all":
            yield {"reasoningContent": {"reasoningText": {"text": part.text}}}

    def _result(self, result: ToolResult) -> Block:
        """A tool that said nothing gives an empty object, because content must not be blank."""
        content = [
            block
            for part in result.parts
            if not _is_blank(part)
            for block in self._blocks(part)
            if "cachePoint" not in block
        ]
        answer: Block = {
            "toolUseId": tool_use_id(result.call_id),
            "content": content or [{"json": {}}],
        }
        if result.is_error:
            answer["status"] = "error"
        return {"toolResult": answer}


def tool_use_id(given: str) -> str:
    """An id as Converse takes it; one with other characters (another vendor's) is made over.

    >>> tool_use_id("call_1"), tool_use_id("functions.find:0")
    ('call_1', 'functions_find_0-5501b3cd51f8')
    """
    if _TOOL_USE_ID.fullmatch(given):
        return given
    digest = hashlib.sha256(given.encode()).hexdigest()[:12]
    return re.sub(r"[^a-zA-Z0-9_-]", "_", given)[:48] + "-" + digest


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not part.text.strip()


def _input(arguments: str) -> dict[str, Any]:
    """Converse wants an object; what the model wrote instead is kept under one name."""
    try:
        value = orjson.loads(arguments) if arguments.strip() else {}
    except orjson.JSONDecodeError:
        value = arguments
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"arguments": value}
