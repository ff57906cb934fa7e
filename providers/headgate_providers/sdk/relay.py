"""Relaying a reply of the client's own dialect: its bytes go on, the ledger's needs are read.

Until the first output every event is parsed, because an error that comes before it can still be
failed over. After that a streamed block is parsed only if a byte search says that it carries
usage, an error or an end.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from headgate_providers.sdk.errors import BackendError, ErrorKind, kind_of_status
from headgate_providers.sdk.events import (
    Event,
    Failed,
    Finish,
    FinishReason,
    Raw,
    Start,
    UsageReported,
)
from headgate_providers.sdk.refusal import COMMON_RULES, error_details
from headgate_providers.sdk.sse import SseSplitter, parse_event, split_events
from headgate_providers.sdk.transport import BODY_BYTES_MAX
from headgate_providers.sdk.types import Dialect
from headgate_providers.sdk.usage import UsageFormat, normalise


class _Observer(ABC):
    """What the ledger needs to know of a reply in one dialect. Stateful: one per reply."""

    usage_format: UsageFormat = "openai"
    interest: re.Pattern[bytes]
    """Matches in any block that has more than text in it."""
    last_event: bytes
    """Sent by the gateway when a complete stream comes without it."""

    def __init__(self) -> None:
        self.finished = False
        self.ended = False

    @abstractmethod
    def streamed(self, payload: Mapping[str, Any]) -> list[Event]:
        """The events that one streamed payload stands for (without its text)."""

    @abstractmethod
    def whole(self, payload: Mapping[str, Any]) -> list[Event]:
        """The events that a reply in one piece stands for; raises `BackendError` if it is none."""

    @abstractmethod
    def has_output(self, payload: Mapping[str, Any]) -> bool:
        """Whether a streamed payload carries model output."""

    def usage(self, raw: object) -> list[Event]:
        """A usage report, if `raw` is one."""
        if not isinstance(raw, Mapping) or not raw:
            return []
        return [UsageReported(normalise(self.usage_format, raw))]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _strings(*values: object) -> tuple[str | None, ...]:
    return tuple(value if isinstance(value, str) and value else None for value in values)


_ERROR = rb'"error"|(?:^|[\r\n])(?:error|event):'
"""In any block that tells of an error: a member or value of JSON, or a field of the event."""

_OPENAI_FINISH: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

_GIVEN_UP = frozenset({"error", "insufficient_system_resource"})
"""Finish reasons of Mistral and OpenRouter, and of DeepSeek, for an answer that was abandoned."""


class _OpenAIChat(_Observer):
    """Chat completions and completions."""

    interest = re.compile(
        rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|\[DONE\]|' + _ERROR,
    )
    last_event = b"data: [DONE]\n\n"

    def streamed(self, payload: Mapping[str, Any]) -> list[Event]:
        return self._finishes(payload) + self.usage(_chat_usage(payload))

    def whole(self, payload: Mapping[str, Any]) -> list[Event]:
        if not _choices(payload):
            raise BackendError("malformed", "The upstream answered without any choice.")
        return self.streamed(payload)

    def has_output(self, payload: Mapping[str, Any]) -> bool:
        return any(
            _says(choice["delta"]) if isinstance(choice.get("delta"), Mapping) else _says(choice)
            for choice in _choices(payload)
        )

    def _finishes(self, payload: Mapping[str, Any]) -> list[Event]:
        events: list[Event] = []
        for choice in _choices(payload):
            reason, index = choice.get("finish_reason"), choice.get("index")
            if isinstance(choice.get("error"), Mapping):
                raise stated_error(choice)
            if not isinstance(reason, str) or not reason:  # TGI's completions say "" until the end
                continue
            if reason in _GIVEN_UP:
                raise BackendError(
                    "http_5xx", "The upstream gave up before its answer was done.", code=reason
                )
            self.finished = True
            number = index if isinstance(index, int) else 0
            events.append(Finish(_OPENAI_FINISH.get(reason, "stop"), reason, choice=number))
        return events


_NOT_OUTPUT = frozenset(
    {"role", "index", "logprobs", "finish_reason", "native_finish_reason", "stop_reason"}
    | {"content_filter_results", "content_filter_offsets", "message", "delta", "seed", "usage"}
)
"""Members of a delta or choice that say nothing of the model's own."""


def _says(delta: Mapping[str, Any]) -> bool:
    return any(value for key, value in delta.items() if key not in _NOT_OUTPUT)


def _choices(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [choice for choice in _list(payload.get("choices")) if isinstance(choice, Mapping)]


def _chat_usage(payload: Mapping[str, Any]) -> object:
    """Beside the choices; Groq also in `x_groq`, Moonshot in the last choice of a stream."""
    if usage := payload.get("usage"):
        return usage
    if usage := _mapping(payload.get("x_groq")).get("usage"):
        return usage
    return next((choice["usage"] for choice in _choices(payload) if choice.get("usage")), None)


class _OpenAIEmbeddings(_Observer):
    interest = re.compile(rb"$^")
    last_event = b""

    def streamed(self, payload: Mapping[str, Any]) -> list[Event]:
        return []

    def whole(self, payload: Mapping[str, Any]) -> list[Event]:
        if not isinstance(payload.get("data"), list):
            raise BackendError("malformed", "The upstream answered without any embedding.")
        return [Finish("stop"), *self.usage(payload.get("usage"))]

    def has_output(self, payload: Mapping[str, Any]) -> bool:
        return False


_RESPONSE_ENDS = tuple(
    f"response.{status}" for status in ("completed", "incomplete", "failed", "cancelled")
)


class _OpenAIResponses(_Observer):
    interest = re.compile(
        rb'"response\.(?:completed|incomplete|failed|cancelled)"|\[DONE\]|"error"|'
        rb"(?:^|[\r\n])(?:error:|event: ?error)"
    )
    last_event = b""

    def streamed(self, payload: Mapping[str, Any]) -> list[Event]:
        if payload.get("type") not in _RESPONSE_ENDS:
            return []
        response = payload.get("response")
        status = str(payload["type"]).removeprefix("response.")
        return self.whole({"status": status, **(response if isinstance(response, Mapping) else {})})

    def whole(self, payload: Mapping[str, Any]) -> list[Event]:
        status = payload.get("status")
        if status not in ("completed", "incomplete", "in_progress", "queued", None):
            raise BackendError(
                "http_5xx", "The upstream could not complete the response.", code=str(status)
            )
        self.finished = True
        details = payload.get("incomplete_details")
        native = details.get("reason") if isinstance(details, Mapping) else status
        reason: FinishReason = "stop"
        if native == "max_output_tokens":
            reason = "length"
        elif native == "content_filter":
            reason = "content_filter"
        elif any(_mapping(i).get("type") == "function_call" for i in _list(payload.get("output"))):
            reason = "tool_calls"
        return [
            Finish(reason, native if isinstance(native, str) else None),
            *self.usage(payload.get("usage")),
        ]

    def has_output(self, payload: Mapping[str, Any]) -> bool:
        kind = payload.get("type")
        return isinstance(kind, str) and kind.endswith(".delta")


_ANTHROPIC_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _AnthropicMessages(_Observer):
    usage_format: UsageFormat = "anthropic"
    interest = re.compile(
        rb'"usage"|"stop_reason"\s*:\s*"|"error"|message_stop|'
        rb"(?:^|[\r\n])(?:error:|event: ?error)"
    )
    last_event = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] = {}

    def streamed(self, payload: Mapping[str, Any]) -> list[Event]:
        kind = payload.get("type")
        if kind == "message_start":
            self._grow(_mapping(payload.get("message")).get("usage"))
            return self.usage(self._usage)
        if kind == "message_delta":
            self._grow(payload.get("usage"))
            return self._finish(_mapping(payload.get("delta"))) + self.usage(self._usage)
        self.ended = self.ended or kind == "message_stop"
        return []

    def _grow(self, usage: object) -> None:
        self._usage.update({k: v for k, v in _mapping(usage).items() if v is not None})

    def whole(self, payload: Mapping[str, Any]) -> list[Event]:
        if not isinstance(payload.get("content"), list):
            raise BackendError("malformed", "The upstream answered without any content.")
        return self._finish(payload) + self.usage(payload.get("usage"))

    def has_output(self, payload: Mapping[str, Any]) -> bool:
        return payload.get("type") == "content_block_delta"

    def _finish(self, message: Mapping[str, Any]) -> list[Event]:
        reason, sequence = _strings(message.get("stop_reason"), message.get("stop_sequence"))
        if reason is None:
            return []
        self.finished = True
        return [Finish(_ANTHROPIC_FINISH.get(reason, "stop"), reason, sequence)]


_OBSERVERS: dict[Dialect, type[_Observer]] = {
    "openai_chat": _OpenAIChat,
    "openai_completions": _OpenAIChat,
    "openai_embeddings": _OpenAIEmbeddings,
    "openai_responses": _OpenAIResponses,
    "anthropic_messages": _AnthropicMessages,
}


def relay_reader(
    dialect: Dialect, stream: bool, usage_wanted: bool
) -> RelayedStream | RelayedWhole:
    """A reader that passes the reply of `dialect` on.

    Without `usage_wanted` the chunk that only carries usage is kept from the client: the gateway
    asks for it on its own account.
    """
    observer = _OBSERVERS[dialect]()
    return RelayedStream(observer, usage_wanted) if stream else RelayedWhole(observer)


class RelayedWhole:
    """A reply in one piece."""

    def __init__(self, observer: _Observer) -> None:
        self._observer = observer
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """Keep the chunk; raises `BackendError` over the limit."""
        self._size += len(chunk)
        if self._size > BODY_BYTES_MAX:
            raise BackendError("malformed", "The upstream's reply is over the size limit.")
        self._pieces.append(chunk)
        return ()

    def close(self) -> Sequence[Event]:
        """The body, and what it says about itself."""
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        payload = _object(body)
        if payload is None:
            return (
                Failed(BackendError("malformed", "The upstream's reply is not a JSON object.")),
            )
        if (error := _stated_error(payload)) is not None:
            return (Failed(error),)
        try:
            return [_start(payload), *self._observer.whole(payload), Raw(body, 1)]
        except BackendError as refused:
            return (Failed(refused),)


class RelayedStream:
    """A streamed reply.

    However its bytes are cut, the same bytes go on: what the parsed path keeps back (usage nobody
    asked for, an error) always is of `interest`, so the short path never meets it.
    """

    def __init__(self, observer: _Observer, usage_wanted: bool) -> None:
        self._observer = observer
        self._usage_wanted = usage_wanted
        self._splitter = SseSplitter()
        self._begun = False
        self._whole: RelayedWhole | None = None
        self._opened = False
        self._started = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """The complete events of the stream so far, as bytes."""
        if not self._begun and (head := chunk.lstrip()):
            self._begun = True
            self._whole = RelayedWhole(self._observer) if head.startswith(b"{") else None
        if self._whole is not None:
            return self._whole.feed(chunk)
        block = self._splitter.feed(chunk)
        if not block or self._observer.ended:
            return ()
        if self._opened and self._observer.interest.search(block) is None:
            return (Raw(block, block.count(b"data:")),)
        return self._parsed(block)

    def close(self) -> Sequence[Event]:
        """The end: completes a stream that lacks only its last event, fails one that lacks more."""
        if self._whole is not None:
            return (_unstreamed(self._whole.close()),)
        rest = self._splitter.close()
        events = list(self._parsed(rest)) if rest.strip() and not self._observer.ended else []
        if self._observer.ended:
            return events
        if not self._observer.finished:
            message = "The upstream ended its stream before it was complete."
            return [*events, Failed(BackendError("reset", message))]
        if self._observer.last_event:
            unclosed = b"" if not rest or rest.endswith((b"\n\n", b"\r\r")) else b"\n\n"
            events.append(Raw(unclosed + self._observer.last_event))
        return events

    def _parsed(self, block: bytes) -> Sequence[Event]:
        events: list[Event] = []
        passed = bytearray()
        deltas = 0
        for raw in split_events(block):
            seen, kept, output = self._event(raw)
            events += seen
            deltas += output
            if kept:
                passed += raw
            if self._observer.ended:
                break
        if passed:
            at = len(events) - (1 if events and isinstance(events[-1], Failed) else 0)
            events.insert(at, Raw(bytes(passed), deltas))
        return events

    def _event(self, raw: bytes) -> tuple[list[Event], bool, bool]:
        """What one event tells, whether it goes on to the client, whether it has model output."""
        event = parse_event(raw)
        if event is None:
            return [], True, False
        if event.data.strip() == b"[DONE]":
            self._observer.ended = True
            return [], True, False
        payload = _object(event.data)
        error = _stated_error(payload, event.event, dict(event.extra).get("error"))
        if error is not None:
            return self._failed([], error)
        if payload is None:
            return [], True, False  # not JSON: the client may know what it is
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(_start(payload))
        try:
            events += self._observer.streamed(payload)
        except BackendError as refused:
            return self._failed(events, refused)
        if not self._usage_wanted and payload.get("choices") == [] and payload.get("usage"):
            return events, False, False
        output = self._observer.has_output(payload)
        self._opened = self._opened or output
        return events, True, output

    def _failed(self, events: list[Event], error: BackendError) -> tuple[list[Event], bool, bool]:
        self._observer.ended = True
        return [*events, Failed(error)], False, False


def _unstreamed(events: Sequence[Event]) -> Failed:
    """A reply in one piece where a stream was asked for: an error, or of no use to the client."""
    message = "The upstream answered in one piece although a stream was asked for."
    return next(
        (event for event in events if isinstance(event, Failed)),
        Failed(BackendError("malformed", message)),
    )


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None


def _start(payload: Mapping[str, Any]) -> Start:
    """The envelope: Anthropic nests it in `message`, responses in `response`."""
    inner = payload.get("message") or payload.get("response") or payload
    if not isinstance(inner, Mapping):
        inner = payload
    identity, model = _strings(inner.get("id"), inner.get("model"))
    created = inner.get("created")
    return Start(identity, model, created if isinstance(created, int) else None)


def _stated_error(
    payload: Mapping[str, Any] | None, event: str = "", field: bytes | None = None
) -> BackendError | None:
    """A failure told inside a reply whose status said 200."""
    if field is not None:
        return stated_error(_object(field) or {"error": field.decode("utf-8", "replace")})
    if payload is None:
        return stated_error({}) if event == "error" else None
    failed = payload.get("response") if payload.get("type") == "response.failed" else payload
    if not isinstance(failed, Mapping):
        return None
    told = event == "error" or "error" in (payload.get("type"), payload.get("object"))
    return stated_error(failed) if told or failed.get("error") else None


def stated_error(payload: Mapping[str, Any]) -> BackendError:
    """The error that a payload inside a reply describes, classified by its words or its status."""
    details = error_details(payload)
    status = next((int(code) for code in details.codes if code.isdigit() and len(code) == 3), None)
    inner = payload.get("error")
    if status is None and isinstance(inner, Mapping) and isinstance(inner.get("status_code"), int):
        status = inner["status_code"]
    message = details.message or "The upstream reported an error inside its reply."
    kind = next(
        (
            rule.kind
            for rule in COMMON_RULES
            if rule.applies(status or 429, details.codes, message.lower())
            and (rule.codes or rule.words)
        ),
        None,
    )
    kind = kind or next((_STATED[code] for code in details.codes if code in _STATED), None)
    return BackendError(
        kind or (kind_of_status(status) if status else "http_5xx"),
        message,
        status=status,
        code=details.codes[0] if details.codes else None,
        param=details.param,
    )


_STATED: dict[str, ErrorKind] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "invalid_request_error": "invalid_request",
    "authentication_error": "auth",
    "permission_error": "auth",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "timeout_error": "timeout",
}
"""Words of Anthropic's and OpenAI's error objects."""
