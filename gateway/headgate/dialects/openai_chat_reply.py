"""Writes chat completions, streamed and whole.

Extensions beyond OpenAI's schema, all on the message (or delta):

- `reasoning_content`: the model's thinking, as DeepSeek, vLLM and many others give it.
- `reasoning_details`: one entry per block of thinking that carries a vendor's proof, in
  OpenRouter's shape: `{"type": "reasoning.text", "text", "signature", "id", "index"}`, or
  `{"type": "reasoning.encrypted", "data", "text", "id", "index"}`. An entry comes whole, so that
  chunks can be joined by appending; a client that hands the message back unchanged keeps the
  thinking valid. https://openrouter.ai/docs/use-cases/reasoning-tokens
- `tool_calls[].extra_content.google.thought_signature`: the proof of a call, as Google's own
  OpenAI endpoint gives it. https://ai.google.dev/gemini-api/docs/thought-signatures
- `images`: pictures as data URLs, in OpenRouter's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from headgate.dialects.base import ReplyHead
from headgate.dialects.openai_shared import (
    DONE,
    URL_CITATION,
    error_event,
    paired,
    to_json,
    usage_object,
)
from headgate.errors import GatewayError
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    fold,
)
from headgate_providers.sdk.events import Choice, FoldedReasoning
from headgate_providers.sdk.types import JsonObject

Delta = dict[str, Any]


class ChatEncoder:
    """One chat completion. https://platform.openai.com/docs/api-reference/chat/streaming"""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        envelope = to_json(self._envelope("chat.completion.chunk"))
        self._before = b"data: " + envelope[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if head.usage_wanted else b"]}\n\n"
        # a client that declares `functions`, the ancestor of `tools`, knows only `function_call`
        self._legacy = bool(head.body.get("functions")) and not head.body.get("tools")
        self._choices: dict[int, _StreamedChoice] = {}
        self._usage: Usage | None = None

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Encoder.feed`: one chunk per event, after a chunk with the role."""
        chunks: list[bytes] = []
        for event, logprobs in paired(events):
            if isinstance(event, UsageReported):
                self._usage = event.usage
                continue
            writer = _DELTAS.get(type(event))
            if writer is None:
                continue
            index: int = event.choice  # type: ignore[union-attr]
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = self._opened(index, event, chunks)
            delta = writer(choice, event)
            if isinstance(event, Finish):
                chunks.append(self._chunk(index, {}, None, self._reason(event)))
            elif isinstance(event, Logprobs):
                chunks.append(self._chunk(index, {}, event.content))
            elif delta is not None or logprobs:
                chunks.append(self._chunk(index, delta or {}, logprobs))
        return b"".join(chunks)

    def close(self) -> bytes:
        """See `Encoder.close`: the usage chunk, if it was asked for, and `[DONE]`."""
        if self._usage is None or not self._head.usage_wanted:
            return DONE
        chunk = self._envelope("chat.completion.chunk")
        chunk |= {"choices": [], "usage": usage_object(self._usage)}
        return b"data: " + to_json(chunk) + b"\n\n" + DONE

    def fail(self, error: GatewayError) -> bytes:
        """See `Encoder.fail`."""
        return error_event(error)

    def whole(self, events: Iterable[Event]) -> bytes:
        """See `Encoder.whole`."""
        reply = fold(events)
        body = self._envelope("chat.completion")
        body["choices"] = [
            {
                "index": index,
                "message": self._message(index, choice),
                "logprobs": _logprobs(choice.logprobs),
                "finish_reason": self._reason(choice.finish),
            }
            for index, choice in enumerate(reply.choices)
        ]
        if reply.usage is not None:
            body["usage"] = usage_object(reply.usage)
        return to_json(body)

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._head.id}",
            "object": kind,
            "created": self._head.created,
            "model": self._head.model,
            "system_fingerprint": None,
        }

    def _opened(self, index: int, event: Event, chunks: list[bytes]) -> _StreamedChoice:
        content = "" if isinstance(event, TextDelta) else None
        chunks.append(self._chunk(index, {"role": "assistant", "content": content}))
        return _StreamedChoice(index, self._head, self._legacy)

    def _chunk(
        self,
        index: int,
        delta: Delta,
        logprobs: Sequence[JsonObject] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": _logprobs(logprobs),
            "finish_reason": finish_reason,
        }
        return self._before + to_json(choice) + self._after

    def _reason(self, finish: Finish | None) -> str:
        reason = finish.reason if finish is not None else "stop"
        return "function_call" if self._legacy and reason == "tool_calls" else reason

    def _message(self, index: int, choice: Choice) -> Delta:
        instead = choice.tool_calls or choice.refusal or choice.media
        message: Delta = {
            "role": "assistant",
            "content": choice.text or (None if instead else ""),
            "refusal": choice.refusal or None,
        }
        if thinking := "".join(block.text for block in choice.reasoning):
            message["reasoning_content"] = thinking
        proven = [block for block in choice.reasoning if block.signature or block.redacted]
        if proven:
            message["reasoning_details"] = [_detail(b, i) for i, b in enumerate(proven)]
        if choice.citations:
            message["annotations"] = [annotation(citation) for citation in choice.citations]
        pictures = [media for media in choice.media if not _is_sound(media)]
        if pictures:
            message["images"] = [_image(picture, i) for i, picture in enumerate(pictures)]
        sounds = [media for media in choice.media if _is_sound(media)]
        if sounds:
            message["audio"] = _sound(sounds[-1], self._head)
        calls = [
            _call(call.id or _call_id(self._head, index, i), call.name, call.arguments)
            | _proof(call.signature)
            for i, call in enumerate(choice.tool_calls)
        ]
        if calls and self._legacy:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        return message


class _StreamedChoice:
    """What the chunks of one choice depend on: what went before."""

    def __init__(self, index: int, head: ReplyHead, legacy: bool) -> None:
        self._index = index
        self._head = head
        self._legacy = legacy
        self._calls: dict[int, int] = {}
        self._block = FoldedReasoning()
        self._blocks = 0
        self._images = 0

    def text(self, event: TextDelta) -> Delta | None:
        return {"content": event.text} if event.text else None

    def refusal(self, event: RefusalDelta) -> Delta | None:
        return {"refusal": event.text} if event.text else None

    def reasoning(self, event: ReasoningDelta) -> Delta | None:
        """The blocks begin and end as in `fold`."""
        block = self._block
        if event.id and block.id not in (None, event.id):
            block = self._block = FoldedReasoning()
        block.text += event.text
        block.id = event.id or block.id
        delta: Delta = {"reasoning_content": event.text} if event.text else {}
        if event.signature or event.redacted:
            block.signature, block.redacted = event.signature, event.redacted
            delta["reasoning_details"] = [_detail(block, self._blocks)]
            self._block = FoldedReasoning()
            self._blocks += 1
        return delta or None

    def tool_call(self, event: ToolCallDelta) -> Delta | None:
        position = self._calls.get(event.index)
        if position is None:
            position = self._calls[event.index] = len(self._calls)
            identity = event.id or _call_id(self._head, self._index, position)
            call = _call(identity, event.name or "", event.arguments)
        else:
            call = {"function": {"arguments": event.arguments}}
        if self._legacy:
            return {"function_call": call["function"]} if position == 0 else None
        return {"tool_calls": [{"index": position, **call, **_proof(event.signature)}]}

    def media(self, event: MediaDelta) -> Delta | None:
        if _is_sound(event):
            return {"audio": _sound(event, self._head)}
        self._images += 1
        return {"images": [_image(event, self._images - 1)]}

    def citation(self, event: Citation) -> Delta | None:
        return {"annotations": [annotation(event.annotation)]}

    def nothing(self, event: Event) -> Delta | None:
        return None


_DELTAS: dict[type, Callable[[_StreamedChoice, Any], Delta | None]] = {
    TextDelta: _StreamedChoice.text,
    RefusalDelta: _StreamedChoice.refusal,
    ReasoningDelta: _StreamedChoice.reasoning,
    ToolCallDelta: _StreamedChoice.tool_call,
    MediaDelta: _StreamedChoice.media,
    Citation: _StreamedChoice.citation,
    Logprobs: _StreamedChoice.nothing,
    Finish: _StreamedChoice.nothing,
}


def _call_id(head: ReplyHead, choice: int, position: int) -> str:
    """For upstreams that give their calls no id."""
    return f"call_{head.id}_{choice}_{position}"


def _call(identity: str, name: str, arguments: str) -> Delta:
    return {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _proof(signature: str | None) -> Delta:
    if signature is None:
        return {}
    return {"extra_content": {"google": {"thought_signature": signature}}}


def _detail(block: FoldedReasoning, index: int) -> Delta:
    detail: Delta = {"index": index}
    if block.redacted:
        detail |= {"type": "reasoning.encrypted", "data": block.redacted}
    else:
        detail["type"] = "reasoning.text"
    for name, value in (("text", block.text), ("signature", block.signature), ("id", block.id)):
        if value:
            detail[name] = value
    return detail


def _logprobs(content: Sequence[JsonObject] | None) -> Delta | None:
    return {"content": list(content), "refusal": None} if content else None


def _is_sound(media: MediaDelta) -> bool:
    return media.media_type.startswith("audio/")


def _sound(media: MediaDelta, head: ReplyHead) -> Delta:
    """It expires at once: nothing is stored, so it cannot be referred to by its id."""
    return {
        "id": f"audio_{head.id}",
        "data": media.data,
        "expires_at": head.created,
        "transcript": "",
    }


def _image(media: MediaDelta, index: int) -> Delta:
    url = f"data:{media.media_type};base64,{media.data}"
    return {"type": "image_url", "image_url": {"url": url}, "index": index}


def annotation(citation: Mapping[str, Any]) -> JsonObject:
    """A citation as chat completions nest it; a vendor's own shape stays."""
    if citation.get("type") != "url_citation":
        return citation
    inner = citation.get("url_citation")
    if not isinstance(inner, Mapping):
        inner = {key: value for key, value in citation.items() if key != "type"}
    return {"type": "url_citation", "url_citation": {**URL_CITATION, **inner}}
