"""Replies that no recording shows: failures inside streams, damage, odd blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.bedrock.refusal import refusal
from headgate_providers.bedrock.reply import ConverseStream, read_whole
from headgate_providers.sdk import BackendError, Completion, Event, Failed, fold
from tests.providers.bedrock.frames import event, exception, frame
from tests.recordings import observed

START = event("messageStart", {"role": "assistant"})
HELLO = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}})
STOP = event("messageStop", {"stopReason": "end_turn"})
USAGE = event("metadata", {"usage": {"inputTokens": 3, "outputTokens": 4}})


def read(*frames: bytes, one_call: bool = False) -> list[Event]:
    reader = ConverseStream(one_call)
    return [*(e for data in frames for e in reader.feed(data)), *reader.close()]


def error_of(events: list[Event]) -> BackendError:
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert events[-1] is failed
    return failed.error


def whole(content: list[dict[str, Any]], **members: Any) -> Completion:
    payload = {"output": {"message": {"content": content}}, "stopReason": "end_turn", **members}
    return fold(read_whole(json.dumps(payload).encode()))


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("internalServerException", "http_5xx", 500),
        ("modelStreamErrorException", "http_5xx", 424),
        ("modelTimeoutException", "timeout", 408),
        ("serviceUnavailableException", "overloaded", 503),
        ("throttlingException", "rate_limited", 429),
        ("validationException", "invalid_request", 400),
        ("somethingNewException", "http_5xx", 500),
    ],
)
def test_exception_in_a_stream(name: str, kind: str, status: int) -> None:
    events = read(START, HELLO, exception(name, "Too bad."), HELLO, STOP)
    error = error_of(events)
    assert (error.kind, error.status, error.message) == (kind, status, "Too bad.")
    assert error.code == name[0].upper() + name[1:]
    assert fold(events).choices[0].text == "Hello"


def test_a_validation_exception_in_a_stream_is_read_by_its_words() -> None:
    error = error_of(read(exception("validationException", "Input is too long for the model.")))
    assert error.kind == "context_overflow"


def test_error_message_in_a_stream() -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "ServiceUnavailableException",
        ":error-message": "Try later.",
    }
    error = error_of(read(START, frame(headers)))
    assert (error.kind, error.message) == ("overloaded", "Try later.")


def test_metadata_may_be_missing() -> None:
    outcome = observed(read(START, HELLO, STOP))
    assert (outcome.text, outcome.finish, outcome.usage) == ("Hello", "stop", None)
    assert not outcome.error


@pytest.mark.parametrize(
    "frames", [(), (START, HELLO), (START, HELLO, STOP, USAGE[:-1]), (START, HELLO[:-5])]
)
def test_a_stream_cut_short(frames: tuple[bytes, ...]) -> None:
    assert error_of(read(*frames)).kind == "reset"


def test_a_wrong_checksum() -> None:
    damaged = HELLO[:-6] + bytes([HELLO[-6] ^ 1]) + HELLO[-5:]
    events = read(START, damaged, STOP)
    assert error_of(events).kind == "malformed"


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_bytes_end_in_a_failure_not_an_exception(chunks: list[bytes]) -> None:
    assert isinstance(read(*chunks)[-1], Failed)


@given(
    st.sampled_from(["contentBlockStart", "contentBlockDelta", "messageStop", "metadata", "new"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("delta", "start", "text", "toolUse", "input", "usage", "citation", "web"),
                        *("contentBlockIndex", "reasoningContent", "location", "url", "image"),
                        "source",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_any_payload_is_survived(name: str, payload: Any) -> None:
    reader = ConverseStream()
    reader.feed(START + event(name, payload))
    fold([*reader.feed(STOP), *reader.close()])


def test_bad_json_and_unknown_events_are_passed_over() -> None:
    bad = frame({":event-type": "contentBlockDelta", ":message-type": "event"}, b"{")
    outcome = observed(read(START, bad, event("ping", {}), HELLO, STOP, USAGE))
    assert (outcome.text, outcome.usage) == ("Hello", (3, 4))


def calls(*names: str) -> list[bytes]:
    return [
        event(
            "contentBlockStart",
            {"contentBlockIndex": i, "start": {"toolUse": {"toolUseId": f"t{i}", "name": name}}},
        )
        for i, name in enumerate(names)
    ]


def test_tool_calls_without_arguments_get_an_empty_object() -> None:
    events = read(START, *calls("a", "b"), event("messageStop", {"stopReason": "tool_use"}))
    choice = fold(events).choices[0]
    assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == [
        ("t0", "a", "{}"),
        ("t1", "b", "{}"),
    ]
    assert choice.finish is not None
    assert choice.finish.reason == "tool_calls"


def test_only_the_first_call_where_calls_may_not_be_parallel() -> None:
    more = event(
        "contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}
    )
    events = read(START, *calls("a", "b"), more, STOP, one_call=True)
    assert observed(events).tool_calls == [("a", {})]
    assert observed(events).finish == "tool_calls"


def test_signature_and_redacted_thoughts() -> None:
    def thought(index: int, delta: dict[str, str]) -> bytes:
        return event(
            "contentBlockDelta",
            {"contentBlockIndex": index, "delta": {"reasoningContent": delta}},
        )

    events = read(
        thought(0, {"text": "Hm."}),
        thought(0, {"signature": "si"}),
        thought(0, {"signature": "gn"}),
        event("contentBlockStop", {"contentBlockIndex": 0}),
        thought(1, {"redactedContent": "cmVk"}),
        STOP,
    )
    blocks = fold(events).choices[0].reasoning
    assert [(b.text, b.signature, b.redacted) for b in blocks] == [
        ("Hm.", "sign", None),
        ("", None, "cmVk"),
    ]
    same = whole(
        [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sign"}}},
            {"reasoningContent": {"redactedContent": "cmVk"}},
        ]
    )
    assert same.choices[0].reasoning == blocks


def test_web_citations_name_the_text_before_them() -> None:
    page = {"location": {"web": {"url": "https://example.com/a", "domain": "example.com"}}}
    quote = {"title": "facts", "location": {"documentChar": {"start": 0}}}
    reply = whole(
        [
            {"text": "One. "},
            {"text": "Two."},
            {"citationsContent": {"citations": [page]}},
            {"citationsContent": {"content": [{"text": " Three."}], "citations": [quote]}},
        ]
    )
    assert reply.choices[0].text == "One. Two. Three."
    assert reply.choices[0].citations == [
        {
            "type": "url_citation",
            "url_citation": {
                "url": "https://example.com/a",
                "title": "example.com",
                "start_index": 5,
                "end_index": 9,
            },
        },
        quote,
    ]


def test_stop_sequence_and_picture() -> None:
    picture = {"image": {"format": "png", "source": {"bytes": "AA=="}}}
    reply = whole(
        [picture],
        stopReason="stop_sequence",
        additionalModelResponseFields={"stop_sequence": "|"},
    )
    choice = reply.choices[0]
    assert (choice.media[0].media_type, choice.media[0].data) == ("image/png", "AA==")
    assert choice.finish is not None
    assert (choice.finish.reason, choice.finish.stop_sequence) == ("stop", "|")


def test_cache_writes_that_last_an_hour_are_a_class_of_their_own() -> None:
    usage = {
        "inputTokens": 1,
        "outputTokens": 2,
        "cacheReadInputTokens": 30,
        "cacheWriteInputTokens": 500,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 400}, {"ttl": "5m", "inputTokens": 100}],
    }
    found = whole([{"text": "x"}], usage=usage).usage
    assert found is not None
    assert (found.input_tokens, found.cache_read_tokens) == (531, 30)
    assert (found.cache_write_tokens, found.cache_write_1h_tokens) == (100, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"output":{"message":{"content":[]}}}',
        b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}',
    ],
)
def test_no_reply(body: bytes) -> None:
    with pytest.raises(BackendError) as caught:
        read_whole(body)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (400, "ValidationException", "Input is too long for requested model.", "context_overflow"),
        (400, "ValidationException", "max_tokens: must be positive", "invalid_request"),
        (
            400,
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
            "not_found",
        ),
        (400, "ServiceQuotaExceededException", "Exceeded.", "quota"),
        (403, "AccessDeniedException", "You don't have access to the model.", "auth"),
        (403, "InvalidSignatureException", "Signature expired.", "auth"),
        (404, "ResourceNotFoundException", "The model has reached the end of life.", "not_found"),
        (408, "ModelTimeoutException", "Too slow.", "timeout"),
        (424, "ModelErrorException", "The model failed.", "http_5xx"),
        (429, "ThrottlingException", "Too many requests.", "rate_limited"),
        (429, "ModelNotReadyException", "Not ready.", "overloaded"),
        (500, "InternalServerException", "Oops.", "http_5xx"),
        (503, "ServiceUnavailableException", "Too many connections.", "overloaded"),
    ],
)
def test_refusals(status: int, name: str, message: str, kind: str) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/x/"}
    error = refusal(status, headers, json.dumps({"message": message}).encode())
    assert (error.kind, error.status, error.code) == (kind, status, name)
    assert error.message == message


def test_a_refusal_without_the_header_or_in_capitals() -> None:
    error = refusal(400, {}, b'{"__type":"com.amazon.coral#ValidationException","Message":"No."}')
    assert (error.kind, error.code, error.message) == (
        "invalid_request",
        "ValidationException",
        "No.",
    )
    page = refusal(502, {"retry-after": "3"}, b"<html>bad gateway</html>")
    assert (page.kind, page.message, page.retry_after_s) == (
        "http_5xx",
        "Bedrock answered with status 502.",
        3.0,
    )


def test_a_refusal_names_no_account() -> None:
    message = (
        "User: arn:aws:iam::123456789012:user/gateway is not authorized to perform: "
        "bedrock:InvokeModel, account 123456789012"
    )
    error = refusal(403, {}, json.dumps({"Message": message}).encode())
    assert "123456789012" not in error.message
    assert "bedrock:InvokeModel" in error.message
