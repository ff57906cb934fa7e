"""What each recording of TGI must give, read from its bytes with few lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from headgate_providers.sdk import (
    AiohttpTransport,
    Call,
    ChatRequest,
    Dialect,
    Event,
    Finish,
    Message,
    Operation,
    Raw,
    Target,
    Text,
    UsageReported,
    fold,
    relay_reader,
)
from headgate_providers.tgi import TgiBackend
from tests.recordings import Outcome, Recording, decoded, observed, select

EXCEPTIONS: dict[str, str] = {}
"""Recordings that cannot pass, each with the reason. There are none."""

DIALECTS: dict[str, tuple[Operation, Dialect]] = {
    "chat": ("chat", "openai_chat"),
    "generate": ("chat", "openai_chat"),
    "completion": ("completion", "openai_completions"),
}


def cases() -> list[Recording]:
    """All recordings of TGI."""
    return select("tgi", *DIALECTS)


def check(recording: Recording) -> None:
    """Read the recorded reply with the product and compare; raises AssertionError."""
    backend, call = backend_of(recording), call_of(recording)
    assert backend.request(call).url.endswith(path_of(recording))
    expected = expected_of(recording)
    for size in (1, 7, 4096) if recording.streaming else (1 << 30,):
        events = read(backend.reader(call), recording.reply, size)
        assert observed(events) == expected, f"in pieces of {size} bytes"
    check_choices(recording, events)
    check_usage(recording, expected)
    if recording.operation != "generate":
        check_relayed(recording, expected)


def check_relayed(recording: Recording, expected: Outcome) -> None:
    """The bytes go on, and the ledger sees how they end; usage per prompt is added by `send`."""
    reader = relay_reader(DIALECTS[recording.operation][1], recording.streaming, True)
    events = read(reader, recording.reply, 7)
    passed = b"".join(event.data for event in events if isinstance(event, Raw))
    assert passed == recording.reply
    reasons = {event.native for event in events if isinstance(event, Finish) and event.native}
    assert reasons == finish_words(recording)
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    assert (usage != []) == (expected.usage is not None)


def check_choices(recording: Recording, events: Iterable[Event]) -> None:
    """Completions of several prompts have several answers."""
    if recording.operation != "completion":
        return
    texts: dict[int, str] = {}
    for payload in payloads_of(recording.reply):
        for choice in payload["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    assert [choice.text for choice in fold(events).choices] == [texts[i] for i in sorted(texts)]


def check_usage(recording: Recording, expected: Outcome) -> None:
    """The extractor agrees with the recorder, which kept only the last report of a stream."""
    if recording.usage is None:
        assert expected.usage is None
        return
    assert expected.usage is not None
    stated = recording.usage.get("input_tokens", 0), recording.usage["output_tokens"]
    if len(usages_of(recording)) == 1:
        assert expected.usage == stated
    else:
        assert expected.usage[0] > stated[0]


def backend_of(recording: Recording, url: str = "http://127.0.0.1:1") -> TgiBackend:
    api = "generate" if recording.operation == "generate" else "chat"
    return TgiBackend(Target("test", "tgi", url, options={"api": api}), AiohttpTransport())


def call_of(recording: Recording, *, relayable: bool = False) -> Call:
    """A call like the recorded one; what was asked is not recorded."""
    operation, dialect = DIALECTS[recording.operation]
    request = ChatRequest("tgi", (Message("user", (Text("Hi"),)),), stream=recording.streaming)
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": recording.streaming}
    if operation == "completion":
        body = {"prompt": "Hi", "stream": recording.streaming}
    return Call(
        operation, dialect, body, "tgi", lambda: request, recording.streaming, relayable=relayable
    )


def path_of(recording: Recording) -> str:
    return recording.path


def read(reader: Any, reply: bytes, size: int = 1 << 30) -> list[Event]:
    """The events of a reply that comes in pieces of `size` bytes."""
    events: list[Event] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    return [*events, *reader.close()]


def payloads_of(reply: bytes) -> list[dict[str, Any]]:
    text = reply.decode()
    if not text.startswith("data:"):
        return [json.loads(text)]
    lines = (line[5:].strip() for line in text.split("\n") if line.startswith("data:"))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def usages_of(recording: Recording) -> list[tuple[int, int]]:
    payloads = payloads_of(recording.reply)
    if recording.operation == "generate":
        details = payloads[0]["details"]
        return [(len(details["prefill"]), details["generated_tokens"])]
    reports = [payload["usage"] for payload in payloads if payload.get("usage")]
    return [(report["prompt_tokens"], report["completion_tokens"]) for report in reports]


def finish_words(recording: Recording) -> set[str]:
    payloads = payloads_of(recording.reply)
    words = {choice["finish_reason"] for payload in payloads for choice in payload["choices"]}
    return {word for word in words if word}


def expected_of(recording: Recording) -> Outcome:
    """The outcome, from the recorded bytes alone."""
    usages = usages_of(recording)
    usage = (sum(u[0] for u in usages), sum(u[1] for u in usages)) if usages else None
    if recording.operation == "generate":
        payload = payloads_of(recording.reply)[0]
        word = payload["details"]["finish_reason"]
        finish = "length" if word == "length" else "stop"
        return Outcome(text=payload["generated_text"], finish=finish, usage=usage)
    return _expected_chat(recording, usage)


def _expected_chat(recording: Recording, usage: tuple[int, int] | None) -> Outcome:
    outcome = Outcome(usage=usage)
    name = arguments = ""
    for payload in payloads_of(recording.reply):
        for choice in payload["choices"]:
            if choice["index"] != 0:
                continue
            message = choice.get("delta") or choice.get("message") or {}
            outcome.text += choice.get("text") or message.get("content") or ""
            for call in message.get("tool_calls") or ():
                name += call["function"]["name"] or ""
                arguments += call["function"]["arguments"]
    outcome.tool_calls = [(name, decoded(arguments))] if name else []
    stop = "tool_calls" if name else "stop"
    outcome.finish = "length" if "length" in finish_words(recording) else stop
    return outcome
