"""Every recorded request that its vendor accepted is accepted here, and understood.

The exceptions are listed by what they ask for: things that only the same dialect can carry.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.dialects.base import ClientDialect
from headgate.dialects.openai_chat import OPENAI_CHAT
from headgate.dialects.openai_completions import OPENAI_COMPLETIONS
from headgate.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from headgate.dialects.openai_responses import OPENAI_RESPONSES
from headgate.errors import InvalidRequest
from headgate_providers.sdk import (
    ChatRequest,
    EmbeddingRequest,
    Event,
    Finish,
    Logprobs,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from tests.gateway.dialects.openai_replies import folded_response, head, stream, typed_events
from tests.recordings import Recording, index, load, needs_recordings

PATHS: dict[str, ClientDialect] = {
    "/chat/completions": OPENAI_CHAT,
    "/responses": OPENAI_RESPONSES,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/embeddings": OPENAI_EMBEDDINGS,
}
CONTENT = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "openai_completions": "prompt",
    "openai_embeddings": "input",
}
OPERATIONS = ("chat", "responses", "completion", "embeddings")


def _dialect(recording: Recording) -> ClientDialect:
    return next(d for path, d in PATHS.items() if recording.path.endswith(path))


def _recorded() -> list[Recording]:
    """The requests in OpenAI's dialects whose source holds the content."""
    rows = [row for row in index() if row["operation"] in OPERATIONS]
    found = [load(row["vendor"], row["name"]) for row in rows]
    return [
        r
        for r in found
        if isinstance(r.body, dict)
        and any(r.path.endswith(path) for path in PATHS)
        and CONTENT[_dialect(r).name] in r.body
    ]


def _untranslatable(body: dict[str, Any]) -> str | None:
    """The member that only a target of the same dialect can serve, judged by the body alone."""
    if any(tool["type"] != "function" for tool in body.get("tools") or []):
        return "tools[0]"
    if body.get("web_search_options") is not None:
        return "web_search_options"
    if "audio" in (body.get("modalities") or []):
        return "modalities"
    prompt = body.get("prompt")
    if isinstance(prompt, list) and (len(prompt) > 1 or not isinstance(prompt[0], str)):
        return "prompt"
    return "suffix" if body.get("suffix") else None


@needs_recordings
@pytest.mark.parametrize(
    "recording", [r for r in _recorded() if r.status == 200], ids=lambda r: r.id
)
def test_an_accepted_request_is_understood(recording: Recording) -> None:
    dialect = _dialect(recording)
    body = dict(recording.body)
    body.setdefault("model", "the-path-names-it")
    summary = dialect.inspect(body)
    assert summary.model == body["model"]
    assert summary.stream is bool(body.get("stream"))
    assert ("tools" in summary.features) is bool(body.get("tools"))
    refused = _untranslatable(body)
    if refused is not None:
        with pytest.raises(InvalidRequest) as info:
            dialect.decode(body, "upstream")
        assert info.value.param == refused
        return
    request = dialect.decode(body, "upstream")
    assert request.model == "upstream"
    if isinstance(request, EmbeddingRequest):
        assert request.inputs
    else:
        _assert_nothing_lost(request, body)


def _assert_nothing_lost(request: ChatRequest, body: dict[str, Any]) -> None:
    """Every text of the recorded content is in the canonical messages, and every tool."""
    known = repr(request.messages)
    content = body.get("messages") or body.get("input") or body.get("prompt")
    for text in _texts(content):
        assert repr(text)[1:-1] in known or text in known
    assert [tool.name for tool in request.tools] == [
        tool.get("function", tool)["name"] for tool in body.get("tools") or []
    ]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        names = ("content", "text", "output", "arguments", "call_id", "tool_call_id", "summary")
        deeper = ("function", "tool_calls", "encrypted_content", "signature", "thinking")
        return [text for name in (*names, *deeper) for text in _texts(value.get(name))]
    return []


@needs_recordings
@pytest.mark.parametrize(
    "recording", [r for r in _recorded() if r.status == 400], ids=lambda r: r.id
)
def test_a_refused_request_is_refused_in_words_or_passed_to_the_vendor(
    recording: Recording,
) -> None:
    try:
        _dialect(recording).inspect(recording.body)
    except InvalidRequest as error:
        assert error.param and error.param.split("[")[0].split(".")[0] in recording.body


# Recorded replies, read here in few lines, written again by the product


def _chat_events(payload: dict[str, Any]) -> list[Event]:
    events: list[Event] = []
    for choice in payload["choices"]:
        index, message = choice["index"], choice["message"]
        events.append(TextDelta(message.get("content") or "", index))
        for position, call in enumerate(message.get("tool_calls") or []):
            function = call["function"]
            events.append(
                ToolCallDelta(
                    position, call["id"], function["name"], function["arguments"], choice=index
                )
            )
        if (choice.get("logprobs") or {}).get("content"):
            events.append(Logprobs(choice["logprobs"]["content"], index))
        events.append(Finish(choice["finish_reason"], choice=index))
    return events


def _whole_chats() -> list[Recording]:
    return [
        r
        for r in _recorded()
        if r.status == 200 and not r.streaming and _dialect(r) is OPENAI_CHAT and _is_plain(r)
    ]


def _is_plain(recording: Recording) -> bool:
    """Mistral's thinking comes as a list of parts: not this dialect. Some are streams."""
    try:
        choices = json.loads(recording.reply)["choices"]
    except ValueError:
        return False
    return all(isinstance(c["message"].get("content"), str | None) for c in choices)


@needs_recordings
@pytest.mark.parametrize("recording", _whole_chats(), ids=lambda r: r.id)
def test_a_chat_reply_is_written_as_its_vendor_wrote_it(recording: Recording) -> None:
    payload = json.loads(recording.reply)
    written = json.loads(OPENAI_CHAT.encoder(head()).whole(_chat_events(payload)))
    assert len(written["choices"]) == len(payload["choices"])
    for ours, theirs in zip(written["choices"], payload["choices"], strict=True):
        assert ours["finish_reason"] == theirs["finish_reason"]
        message, recorded = ours["message"], theirs["message"]
        assert message["role"] == recorded["role"]
        assert (message["content"] or "") == (recorded.get("content") or "")
        for mine, call in zip(
            message.get("tool_calls", []), recorded.get("tool_calls") or [], strict=True
        ):
            assert (mine["id"], mine["type"]) == (call["id"], "function")
            assert mine["function"] == {n: call["function"][n] for n in ("name", "arguments")}
        expected = (theirs.get("logprobs") or {}).get("content") or None
        assert (ours["logprobs"] or {}).get("content") == expected


def _typed(recording: Recording) -> list[dict[str, Any]]:
    lines = recording.reply.decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def _response_events(payloads: list[dict[str, Any]]) -> list[Event]:
    events: list[Event] = []
    for payload in payloads:
        kind, index = payload["type"].removeprefix("response."), payload.get("output_index", 0)
        item = payload.get("item") or {}
        if kind == "output_item.added" and item["type"] == "reasoning":
            events.append(ReasoningDelta(id=item["id"]))
        elif kind == "output_item.added" and item["type"] == "function_call":
            events.append(ToolCallDelta(index, item["call_id"], item["name"]))
        elif kind == "reasoning_summary_text.delta":
            events.append(ReasoningDelta(payload["delta"]))
        elif kind == "output_item.done" and item.get("encrypted_content"):
            events.append(ReasoningDelta(redacted=item["encrypted_content"], id=item["id"]))
        elif kind == "function_call_arguments.delta":
            events.append(ToolCallDelta(index, arguments=payload["delta"]))
        elif kind == "output_text.delta":
            events.append(TextDelta(payload["delta"]))
    return [*events, Finish("stop")]


def _streamed_responses() -> list[Recording]:
    """Those that completed and give thinking as a summary, as we do."""
    return [
        r
        for r in _recorded()
        if r.streaming
        and _dialect(r) is OPENAI_RESPONSES
        and b'"response.completed"' in r.reply
        and b"response.reasoning_text" not in r.reply
    ]


@needs_recordings
@pytest.mark.parametrize("recording", _streamed_responses(), ids=lambda r: r.id)
def test_typed_events_come_in_the_order_their_vendor_has(recording: Recording) -> None:
    payloads = _typed(recording)
    encoder = OPENAI_RESPONSES.encoder(head(recording.body))
    raw = stream(encoder, _response_events(payloads))
    assert folded_response(raw)["status"] == "completed"
    ours = typed_events(raw)
    assert [event["type"] for event in ours] == [payload["type"] for payload in payloads]
    for mine, theirs in zip(ours, payloads, strict=True):
        optional = {"obfuscation", "response", "item"}
        assert set(theirs) - optional <= set(mine)
        if theirs["type"] == "response.completed":
            assert set(mine["response"]) >= REQUIRED
            kinds = [item["type"] for item in theirs["response"]["output"]]
            assert [item["type"] for item in mine["response"]["output"]] == kinds


REQUIRED = {
    *("id", "object", "created_at", "status", "error", "incomplete_details", "instructions"),
    *("max_output_tokens", "model", "output", "parallel_tool_calls", "previous_response_id"),
    *("reasoning", "store", "temperature", "text", "tool_choice", "tools", "top_p"),
    *("truncation", "usage", "user", "metadata"),
}
"""What every recorded response of OpenAI has."""
