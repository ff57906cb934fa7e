"""What every recording of this family must give: read from its raw bytes, without the product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from headgate_providers.catalog import VENDORS
from headgate_providers.openai_compat import OpenAICompatBackend, backend_of
from headgate_providers.sdk import (
    AiohttpTransport,
    BackendError,
    Call,
    Dialect,
    Event,
    Failed,
    Finish,
    Operation,
    Raw,
    Reader,
    Target,
    UsageReported,
    relay_reader,
)
from tests.recordings import Outcome, Recording, decoded, observed, select

RECORDED: dict[str, str] = {
    **{name: name for name in VENDORS},
    "ollama-cloud": "ollama_cloud",
    "bedrock-mantle": "bedrock_mantle",
}
"""The vendors of the recordings by our names for them."""

OPERATIONS = ("chat", "completion", "responses", "embeddings", "generate")

DIALECTS: dict[str, Dialect] = {
    "chat": "openai_chat",
    "completion": "openai_completions",
    "responses": "openai_responses",
    "embeddings": "openai_embeddings",
}

EXCEPTIONS: dict[str, str] = {
    "ollama/llmetry-*": "Ollama's native API; it is reached through its /v1",
    "ollama/openinf-*": "Ollama's native API; it is reached through its /v1",
    "huggingface/*": "the retired inference API, of no dialect; the router speaks OpenAI's",
}
"""Recordings that cannot pass, by pattern, with the reason."""


def exception_of(recording: Recording) -> str | None:
    for pattern, reason in EXCEPTIONS.items():
        if fnmatch(recording.id, pattern):
            return reason
    return None


def cases() -> list[Recording]:
    """All recordings in scope, exceptions included."""
    return [recording for vendor in sorted(RECORDED) for recording in select(vendor, *OPERATIONS)]


def check(recording: Recording) -> None:
    """Raises `AssertionError` unless the recording passes in every way it can be read."""
    check_request(recording)
    if recording.status >= 400:
        check_refusal(recording)
        return
    for usage_wanted in (True, False):
        check_relayed(recording, usage_wanted)
    if recording.operation != "responses":
        check_translated(recording)


# The request ------------------------------------------------------------------------------------


def streamed(recording: Recording) -> bool:
    """Three recordings of Together, Groq and Ollama lost the `stream` of their request."""
    return not recording.reply.lstrip().startswith(b"{")


def backend_for(recording: Recording, url: str | None = None) -> OpenAICompatBackend:
    vendor = VENDORS[RECORDED[recording.vendor]]
    options: dict[str, Any] = {}
    if vendor.url is None and url is None:
        url = "http://host"
    if vendor.name == "azure":
        options = azure_options(recording)
    name = recording.body.get("model", "") if isinstance(recording.body, dict) else ""
    found = re.search(r"/deployments/([^/]+)/", recording.path)
    target = Target("test", found[1] if found else name, url, {"key": "K"}, options=options)
    return backend_of(vendor)(target, AiohttpTransport(), vendor=vendor)


def azure_options(recording: Recording) -> dict[str, Any]:
    surface = next(api for api in ("deployments", "v1", "models") if f"/{api}/" in recording.path)
    version = recording.query.get("api-version")
    return {"api": surface, **({"api_version": version} if version else {})}


def call_for(recording: Recording, *, relayable: bool = True) -> Call:
    def undecoded() -> Any:
        raise AssertionError("a relayed call is never decoded")

    operations: dict[str, Operation] = {"completion": "completion", "embeddings": "embeddings"}
    return Call(
        operation=operations.get(recording.operation, "chat"),
        dialect=DIALECTS[recording.operation],
        body={**recording.body, "model": "the client's name for it"},
        model=recording.body.get("model", ""),
        decode=undecoded,
        stream=streamed(recording)
        if recording.status < 400
        else bool(recording.body.get("stream")),
        relayable=relayable,
    )


def check_request(recording: Recording) -> None:
    """Relayed: the recorded request but for the model, the usage we ask for, and `user` …"""
    backend, call = backend_for(recording), call_for(recording)
    before = json.dumps(call.body)
    request = backend.relay(call)
    sent = json.loads(request.body)
    wanted = dict(recording.body)
    if "stream_options" in sent:
        assert call.stream
        assert sent.pop("stream_options")["include_usage"] is True
        wanted.pop("stream_options", None)
    wanted.setdefault("model", "")
    assert sent == wanted
    assert json.dumps(call.body) == before, "the client's body was changed"
    address = urlsplit(request.url)
    assert address.path == recording.path.replace("//", "/")
    if recording.query:
        assert dict(parse_qsl(address.query)) == recording.query
    name, value = ("api-key", "K") if recording.vendor == "azure" else ("authorization", "Bearer K")
    assert request.headers[name] == value


# The reply --------------------------------------------------------------------------------------


def events_of(reader: Reader, data: bytes, size: int = 0) -> list[Event]:
    events: list[Event] = []
    for at in range(0, len(data), size or len(data)):
        events += reader.feed(data[at : at + (size or len(data))])
    return [*events, *reader.close()]


def check_relayed(recording: Recording, usage_wanted: bool, size: int = 0) -> None:
    reader = relay_reader(DIALECTS[recording.operation], streamed(recording), usage_wanted)
    events = events_of(reader, recording.reply, size)
    sent = b"".join(event.data for event in events if isinstance(event, Raw))
    wanted = expected(recording)
    assert sent == expected_bytes(recording, usage_wanted)
    assert any(isinstance(event, Failed) for event in events) == wanted.error
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    got = (usage[-1].input_tokens, usage[-1].output_tokens) if usage else None
    assert got == wanted.usage
    if not wanted.error and recording.operation != "embeddings":
        finishes = [event for event in events if isinstance(event, Finish)]
        assert finishes[0].reason in (wanted.finish, "stop")  # some say `stop` beside tool calls
        if wanted.text:
            assert any(event.deltas for event in events if isinstance(event, Raw))


def check_translated(recording: Recording, size: int = 0) -> None:
    reader = backend_for(recording).reader(call_for(recording))
    try:
        events = events_of(reader, recording.reply, size)
    except BackendError as error:
        events = [Failed(error)]
    assert observed(events) == expected(recording)


def check_refusal(recording: Recording) -> None:
    error = backend_for(recording).refusal(recording.status, recording.headers, recording.reply)
    assert error.kind == expected_kind(recording)
    assert error.status == recording.status
    assert error.message
    assert "sk-" not in error.message
    if "retry-after" in recording.headers:
        assert error.retry_after_s is not None


KINDS = {401: "auth", 404: "not_found", 429: "rate_limited", 400: "invalid_request"}


def expected_kind(recording: Recording) -> str:
    if b"insufficient_quota" in recording.reply:
        return "quota"
    if "context-length" in recording.name and recording.status != 429:
        return "context_overflow"
    if b"Incorrect API key" in recording.reply:
        return "auth"
    if b'"model_not_found"' in recording.reply:
        return "not_found"
    return KINDS[recording.status]


# What the bytes say -----------------------------------------------------------------------------


def payloads(recording: Recording) -> list[dict[str, Any]]:
    text = recording.reply.decode()
    if not streamed(recording):
        return [json.loads(text)]
    lines = re.findall(r"^(?:data|error): ?(.*?)\r?$", text, re.MULTILINE)
    return [json.loads(line) for line in lines if line != "[DONE]"]


def expected_bytes(recording: Recording, usage_wanted: bool) -> bytes:
    """The same bytes, without an unasked usage chunk, up to an error, and with a regular end."""
    if not streamed(recording):
        return recording.reply
    kept = b""
    for event in re.findall(rb"(?s).+?(?:\r\n\r\n|\n\n)|.+\Z", recording.reply):
        found = re.search(rb"^data: ?(\{.*)$", event.strip(), re.MULTILINE)
        payload = json.loads(found[1]) if found else {}
        if event.startswith(b"error:") or tells_error(payload):
            return kept
        if payload.get("choices") == [] and payload.get("usage") and not usage_wanted:
            continue
        kept += event
    if recording.operation != "responses" and b"[DONE]" not in kept:
        kept += b"data: [DONE]\n\n"
    return kept


def tells_error(payload: dict[str, Any]) -> bool:
    return bool(payload.get("error") or payload.get("type") in ("error", "response.failed"))


def expected(recording: Recording) -> Outcome:
    outcome = Outcome(error=any(tells_error(p) for p in payloads(recording)))
    outcome.usage = expected_usage(recording)
    if recording.operation == "embeddings":
        outcome.vectors = len(payloads(recording)[0]["data"])
    elif recording.operation == "responses":
        outcome.finish = "tool_calls" if "tool-call" in recording.tags else "stop"
    else:
        read_choices(recording, outcome)
    return outcome


def read_choices(recording: Recording, outcome: Outcome) -> None:
    calls: dict[int, list[str]] = {}
    for payload in payloads(recording):
        for choice in payload.get("choices", []):
            if choice.get("index", 0):
                continue
            whole = not streamed(recording)
            message = choice.get("message" if whole else "delta") or {}
            outcome.text += choice.get("text") or ""
            outcome.text += "".join(said(message.get("content")))
            outcome.text += (message.get("audio") or {}).get("transcript") or ""
            outcome.reasoning += thought(message)
            for number, call in enumerate(message.get("tool_calls") or []):
                names, arguments = calls.setdefault(call.get("index", number), ["", ""])
                function = call["function"]
                calls[call.get("index", number)] = [
                    names or function.get("name") or "",
                    arguments + (function.get("arguments") or ""),
                ]
            outcome.finish = choice.get("finish_reason") or outcome.finish
    outcome.tool_calls = [(name, decoded(text)) for name, text in calls.values()]
    if outcome.finish not in ("length", "content_filter", None):
        outcome.finish = "tool_calls" if calls else "stop"


def said(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        yield part.get("text", "") if part["type"] == "text" else ""


def thought(message: dict[str, Any]) -> str:
    if details := message.get("reasoning_details"):
        return "".join(d.get("text") or d.get("summary") or "" for d in details)
    content = message.get("content")
    parts = [p for p in content if p["type"] == "thinking"] if isinstance(content, list) else []
    if parts:
        return "".join(row["text"] for part in parts for row in part["thinking"])
    return message.get("reasoning_content") or message.get("reasoning") or ""


def expected_usage(recording: Recording) -> tuple[int, int] | None:
    """The recording's own counts; what a vendor counts beside them shows in its total."""
    usage = recording.usage
    if usage is None:
        chunks = [{**p.get("x_groq", {}), **p} for p in payloads(recording)]
        stated = [p["usage"] for p in chunks if p.get("usage")]
        return (stated[-1]["prompt_tokens"], stated[-1]["completion_tokens"]) if stated else None
    given, made = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    beside = usage.get("total_tokens", given + made) - given - made
    if beside and beside == usage.get("reasoning_tokens"):
        made += beside
    else:
        given += beside
    return given, made
