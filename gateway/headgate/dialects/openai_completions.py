"""OpenAI's legacy completions, `POST /v1/completions`.

Where the target has no such endpoint a prompt becomes one user message. The dialect has no room
for thinking, tool calls or pictures: such events are left out of the reply.
https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from headgate.dialects.base import JsonBody, ReplyHead, Summary
from headgate.dialects.openai_chat_request import sampling
from headgate.dialects.openai_shared import (
    BOOLEAN,
    CHOICES_MAX,
    CLASSIC_SAMPLING,
    DONE,
    INTEGER,
    STRING,
    Member,
    always,
    asks,
    check_members,
    error_envelope,
    error_event,
    model_of,
    paired,
    refuse,
    refuse_untranslatable,
    text_metadata,
    to_json,
    usage_object,
    usage_wanted,
)
from headgate.errors import GatewayError, InvalidRequest
from headgate_providers.sdk import (
    ChatRequest,
    Dialect,
    Event,
    Finish,
    Logprobs,
    Message,
    Operation,
    RefusalDelta,
    Text,
    TextDelta,
    Usage,
    UsageReported,
    fold,
)
from headgate_providers.sdk.types import JsonObject


def _prompt(prompt: Any, at: str) -> None:
    """A string, a list of strings, token ids, or a list of lists of token ids."""
    if type(prompt) is str:
        return
    if not prompt:
        raise InvalidRequest(f"`{at}` is an empty list: give a string.", at)
    kinds = set(map(type, prompt))
    if kinds == {list}:
        kinds = {type(token) for tokens in prompt for token in tokens}
        if kinds - {int}:
            raise InvalidRequest(f"`{at}` must hold strings, or lists of token ids.", at)
    elif kinds not in ({str}, {int}):
        raise InvalidRequest(f"`{at}` must hold strings only, or token ids only.", at)


def _is_tokens(prompt: Any) -> bool:
    return type(prompt) is list and bool(prompt) and type(prompt[0]) is not str


_MEMBERS: dict[str, Member] = CLASSIC_SAMPLING | {
    "prompt": Member((str, list), shape=_prompt, feature=asks("token_ids", _is_tokens)),
    "max_tokens": Member(INTEGER, 0),
    "logprobs": Member(INTEGER, 0, feature=asks("logprobs", always)),
    "best_of": Member(INTEGER, 1, CHOICES_MAX),
    "echo": Member(BOOLEAN),
    "suffix": Member(STRING),
}


class OpenAICompletions:
    """The client dialect of completions."""

    name: Dialect = "openai_completions"
    operation: Operation = "completion"

    def inspect(self, body: JsonBody) -> Summary:
        """See `ClientDialect.inspect`."""
        features = check_members(body, _MEMBERS)
        prompt = body.get("prompt")
        if prompt is None:
            refuse("prompt", "a string or a list", prompt)
        prompts = [prompt] if type(prompt) is str or type(prompt[0]) is int else prompt
        bound = body.get("max_tokens")
        copies = (body.get("n") or 1) * len(prompts)
        return Summary(
            model=model_of(body),
            stream=body.get("stream") is True,
            usage_wanted=usage_wanted(body),
            features=frozenset(features),
            input_characters=sum(len(one) for one in prompts if type(one) is str),
            output_tokens_max=None if bound is None else bound * copies,
            metadata=text_metadata(body),
        )

    def decode(self, body: JsonBody, model: str) -> ChatRequest:
        """See `ClientDialect.decode`."""
        self.inspect(body)
        if body.get("echo"):
            refuse_untranslatable("echo", "Echoing the prompt")
        if body.get("suffix"):
            refuse_untranslatable("suffix", "Inserting text before a suffix")
        if (body.get("best_of") or 1) > (body.get("n") or 1):
            refuse_untranslatable("best_of", "Choosing the best of several answers")
        logprobs = body.get("logprobs")
        return ChatRequest(
            model=model,
            messages=(Message("user", (Text(_single_prompt(body["prompt"])),)),),
            stream=body.get("stream") is True,
            max_tokens=body.get("max_tokens"),
            logprobs=logprobs is not None,
            top_logprobs=logprobs,
            **sampling(body),
        )

    def encoder(self, head: ReplyHead) -> CompletionEncoder:
        """See `ClientDialect.encoder`."""
        return CompletionEncoder(head)

    def error(self, error: GatewayError) -> bytes:
        """See `ClientDialect.error`."""
        return error_envelope(error)


def _single_prompt(prompt: Any) -> str:
    if _is_tokens(prompt):
        refuse_untranslatable("prompt", "A prompt of token ids")
    if type(prompt) is str:
        return prompt
    if len(prompt) > 1:
        raise InvalidRequest(
            "`prompt` holds several prompts, which the target of this request cannot answer at "
            "once: send one request for each.",
            "prompt",
        )
    text: str = prompt[0]
    return text


_REASONS = {"length": "length", "content_filter": "content_filter"}


class CompletionEncoder:
    """One completion. https://platform.openai.com/docs/api-reference/completions/object"""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        self._before = b"data: " + to_json(self._envelope())[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if head.usage_wanted else b"]}\n\n"
        self._offsets: dict[int, int] = {}
        self._usage: Usage | None = None

    def feed(self, events: Sequence[Event]) -> bytes:
        """See `Encoder.feed`."""
        chunks: list[bytes] = []
        for event, logprobs in paired(list(_as_text(events))):
            match event:
                case UsageReported(usage):
                    self._usage = usage
                case TextDelta(text, index) if text or logprobs:
                    chunks.append(self._chunk(index, text, logprobs))
                case Logprobs(content, index):
                    chunks.append(self._chunk(index, "", content))
                case Finish(reason=reason, choice=index):
                    chunks.append(self._chunk(index, "", None, _REASONS.get(reason, "stop")))
        return b"".join(chunks)

    def close(self) -> bytes:
        """See `Encoder.close`."""
        if self._usage is None or not self._head.usage_wanted:
            return DONE
        chunk = self._envelope() | {"choices": [], "usage": usage_object(self._usage)}
        return b"data: " + to_json(chunk) + b"\n\n" + DONE

    def fail(self, error: GatewayError) -> bytes:
        """See `Encoder.fail`."""
        return error_event(error)

    def whole(self, events: Iterable[Event]) -> bytes:
        """See `Encoder.whole`."""
        reply = fold(_as_text(events))
        body = self._envelope()
        body["choices"] = [
            self._choice(
                index,
                choice.text,
                choice.logprobs,
                _REASONS.get(choice.finish.reason, "stop") if choice.finish else "stop",
            )
            for index, choice in enumerate(reply.choices)
        ]
        if reply.usage is not None:
            body["usage"] = usage_object(reply.usage)
        return to_json(body)

    def _envelope(self) -> dict[str, Any]:
        return {
            "id": f"cmpl-{self._head.id}",
            "object": "text_completion",
            "created": self._head.created,
            "model": self._head.model,
            "system_fingerprint": None,
        }

    def _chunk(
        self,
        index: int,
        text: str,
        logprobs: Sequence[JsonObject] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        choice = self._choice(index, text, logprobs, finish_reason)
        return self._before + to_json(choice) + self._after

    def _choice(
        self,
        index: int,
        text: str,
        logprobs: Sequence[JsonObject] | None,
        finish_reason: str | None,
    ) -> dict[str, Any]:
        return {
            "index": index,
            "text": text,
            "logprobs": self._logprobs(index, logprobs) if logprobs else None,
            "finish_reason": finish_reason,
        }

    def _logprobs(self, index: int, content: Sequence[JsonObject]) -> dict[str, Any]:
        """The legacy shape: four lists, and the offset of each token in the answer's text."""
        offset = self._offsets.get(index, 0)
        offsets = []
        for entry in content:
            offsets.append(offset)
            offset += len(entry["token"])
        self._offsets[index] = offset
        return {
            "tokens": [entry["token"] for entry in content],
            "token_logprobs": [entry["logprob"] for entry in content],
            "top_logprobs": [_alternatives(entry) for entry in content],
            "text_offset": offsets,
        }


def _alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    return {row["token"]: row["logprob"] for row in entry.get("top_logprobs") or ()}


def _as_text(events: Iterable[Event]) -> Iterator[Event]:
    """The events that the dialect has room for; a refusal is text like any other."""
    for event in events:
        match event:
            case RefusalDelta(text, choice):
                yield TextDelta(text, choice)
            case TextDelta() | Logprobs() | Finish() | UsageReported():
                yield event


OPENAI_COMPLETIONS = OpenAICompletions()
