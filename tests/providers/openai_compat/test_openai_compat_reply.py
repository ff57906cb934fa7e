"""Replies → events: what servers of this family do that no recording shows."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.openai_compat.embeddings import decode_embeddings
from headgate_providers.openai_compat.reply import StreamReader, decode_chat
from headgate_providers.sdk import (
    BackendError,
    Citation,
    Completion,
    Event,
    Failed,
    Finish,
    Logprobs,
    MediaDelta,
    Start,
    TextDelta,
    UsageReported,
    fold,
)

DONE = "[DONE]"


def sse(*payloads: Any) -> bytes:
    lines = (p if isinstance(p, str) else json.dumps(p) for p in payloads)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **more: Any) -> Any:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c-1", "created": 7, "model": "m", "choices": [choice], **more}


def whole(message: Any, finish: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "c-1", "model": "m", "choices": [choice], **more}).encode()


def read(data: bytes, size: int = 0) -> list[Event]:
    reader, events = StreamReader(), []
    for at in range(0, len(data), size or max(len(data), 1)):
        events += reader.feed(data[at : at + (size or len(data))])
    return [*events, *reader.close()]


def folded(*payloads: Any) -> Completion:
    return fold(read(sse(*payloads)))


def failure(events: list[Event]) -> BackendError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


# Ends -------------------------------------------------------------------------------------------


def test_a_plain_stream() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    events = read(
        sse(chunk({"role": "assistant", "content": "a"}), chunk({"content": "b"}),
            chunk({}, "stop"), {"choices": [], "usage": usage}, DONE)
    )  # fmt: skip
    assert events[:4] == [
        Start("c-1", "m", 7),
        TextDelta("a"),
        TextDelta("b"),
        Finish("stop", "stop"),
    ]
    assert isinstance(events[4], UsageReported)
    assert len(events) == 5


def test_a_stream_may_lack_its_last_line_or_its_last_blank_line() -> None:
    data = sse(chunk({"content": "a"}), chunk({}, "length"))
    assert fold(read(data)).choices[0].finish == Finish("length", "length")
    assert fold(read(data.rstrip())).choices[0].finish == Finish("length", "length")


def test_a_stream_that_breaks_off_is_a_failure() -> None:
    error = failure(read(sse(chunk({"content": "a"}))))
    assert error.kind == "reset"
    assert failure(read(b"")).kind == "reset"
    two = sse(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop"))
    assert failure(read(two)).kind == "reset"


def test_done_without_a_finish_reason_is_a_regular_end() -> None:
    assert folded(chunk({"content": "a"}), DONE).choices[0].finish == Finish("stop")


def test_done_without_anything_is_a_failure() -> None:
    assert failure(read(sse(DONE))).kind == "malformed"


def test_nothing_counts_after_the_end() -> None:
    assert folded(chunk({"content": "a"}, "stop"), DONE, chunk({"content": "b"}), DONE).choices[
        0
    ].text == ("a")


def test_a_finish_reason_said_twice_counts_once() -> None:
    events = read(sse(chunk({"content": "a"}, "stop"), chunk({}, "stop"), DONE))
    assert sum(isinstance(event, Finish) for event in events) == 1


@pytest.mark.parametrize(
    ("native", "reason"),
    [("eos", "stop"), ("model_length", "length"), ("sensitive", "content_filter")],
)
def test_other_words_for_the_end(native: str, reason: str) -> None:
    assert folded(chunk({"content": "a"}, native), DONE).choices[0].finish == Finish(reason, native)  # type: ignore[arg-type]


def test_vllm_names_the_stop_sequence() -> None:
    payload = chunk({"content": "a"}, "stop")
    payload["choices"][0]["stop_reason"] = "###"
    finish = folded(payload, DONE).choices[0].finish
    assert finish is not None
    assert finish.stop_sequence == "###"


# Failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"error": {"message": "boom", "code": 502}}, "http_5xx"),
        ({"error": {"message": "slow down", "code": 429}}, "rate_limited"),
        ({"object": "error", "message": "too long", "code": 400}, "invalid_request"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "overloaded"),
        ({"error": "just words"}, "http_5xx"),
        (chunk({}, "error"), "http_5xx"),
        (chunk({}, "insufficient_system_resource"), "http_5xx"),
        (
            {"choices": [{"index": 0, "error": {"code": 429, "message": "x"}, "delta": {}}]},
            "rate_limited",
        ),
    ],
)
def test_an_error_inside_a_stream(payload: Any, kind: str) -> None:
    events = read(sse(chunk({"content": "a"}), payload, chunk({"content": "b"}), DONE))
    assert failure(events).kind == kind
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a"]


def test_an_error_event_and_an_error_field() -> None:
    named = b'event: error\ndata: {"message": "x", "code": 503}\n\n'
    assert failure(read(named)).kind == "overloaded"
    assert failure(read(b"event: error\ndata: not json\n\n")).message == "not json"
    assert failure(read(b"error: out of memory\n\n")).message == "out of memory"


def test_openrouter_quotes_its_provider() -> None:
    raw = json.dumps({"error": {"message": "Overloaded", "type": "overloaded_error"}})
    error = {"code": 502, "message": "Provider returned error", "metadata": {"raw": raw}}
    failed = failure(read(sse({"error": error})))
    assert (failed.kind, failed.message) == ("overloaded", "Overloaded")
    error["metadata"] = {"raw": "<html>502</html>"}
    assert failure(read(sse({"error": error}))).message == "Provider returned error"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": null}', b'{"error": "x"}'],
)
def test_what_is_no_reply(body: bytes) -> None:
    with pytest.raises(BackendError):
        decode_chat(body)


def test_a_json_reply_to_a_stream_request_is_read_all_the_same() -> None:
    assert fold(read(b"\n " + whole({"content": "a"}), 3)).choices[0].text == "a"
    with pytest.raises(BackendError) as refused:
        read(b'{"error": {"message": "busy", "code": 503}}')
    assert refused.value.kind == "overloaded"


def test_broken_events_are_skipped() -> None:
    data = sse(chunk({"content": "a"}), "{nonsense", "[1]", '"x"', "null")
    data += b": comment\n\nevent: ping\n\n" + b'data: {"bad": "\xff"}\n\n'
    assert fold(read(data + sse(chunk({}, "stop"), DONE))).choices[0].text == "a"


# Content ----------------------------------------------------------------------------------------


def test_thinking_under_its_names_counts_once() -> None:
    both = folded(chunk({"reasoning_content": "h", "reasoning": "h"}), chunk({}, "stop"))
    assert both.choices[0].reasoning[0].text == "h"
    details = [
        {"type": "reasoning.text", "text": "h", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "x", "id": "rs"},
    ]
    reply = folded(chunk({"reasoning": "h", "reasoning_details": details}), chunk({}, "stop"))
    assert [(b.text, b.signature, b.redacted) for b in reply.choices[0].reasoning] == [
        ("h", "s", None),
        ("", None, "x"),
    ]


def test_parallel_calls_all_numbered_zero_are_kept_apart() -> None:
    def call(identity: str, name: str, arguments: str) -> Any:
        function = {"name": name, "arguments": arguments}
        return {"tool_calls": [{"index": 0, "id": identity, "function": function}]}

    more = {"tool_calls": [{"index": 0, "id": "", "function": {"arguments": "}"}}]}
    reply = folded(
        chunk(call("a", "f", "{}")), chunk(call("b", "f", "{")), chunk(more), chunk({}, "stop")
    )
    calls = reply.choices[0].tool_calls
    assert [(c.id, c.name, c.arguments) for c in calls] == [("a", "f", "{}"), ("b", "f", "{}")]
    assert reply.choices[0].finish == Finish("tool_calls", "stop")


def test_calls_without_index_or_id_get_both_and_always_the_same() -> None:
    message = {
        "tool_calls": [
            {"function": {"name": "f", "arguments": {"a": 1}}},
            {"function": {"name": "g"}},
        ]
    }
    calls = fold(decode_chat(whole(message))).choices[0].tool_calls
    assert [(c.id, c.name, c.arguments) for c in calls] == [
        ("call_c-1_0_0", "f", '{"a":1}'),
        ("call_c-1_0_1", "g", ""),
    ]
    assert calls == fold(decode_chat(whole(message))).choices[0].tool_calls


def test_the_name_of_a_call_may_come_late_and_often() -> None:
    def call(**function: str) -> Any:
        return chunk({"tool_calls": [{"index": 0, "id": "a", "function": function}]})

    reply = folded(call(arguments=""), call(name="f"), call(name="f", arguments="{}"), DONE)
    (got,) = reply.choices[0].tool_calls
    assert (got.id, got.name, got.arguments) == ("a", "f", "{}")


def test_the_function_call_of_old() -> None:
    message = {"content": None, "function_call": {"name": "f", "arguments": "{}"}}
    reply = fold(decode_chat(whole(message, "function_call")))
    assert reply.choices[0].tool_calls[0].name == "f"
    assert reply.choices[0].finish == Finish("tool_calls", "function_call")


def test_several_choices_keep_apart() -> None:
    reply = folded(
        chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop"),
        chunk({}, "length", 1), DONE,
    )  # fmt: skip
    assert [choice.text for choice in reply.choices] == ["a", "b"]
    assert [choice.finish.reason for choice in reply.choices if choice.finish] == [
        "stop",
        "length",
    ]


def test_refusals_annotations_and_pictures() -> None:
    annotation = {"type": "url_citation", "url_citation": {"url": "u"}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    elsewhere = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    message = {"refusal": "No", "annotations": [annotation], "images": [picture, elsewhere]}
    choice = fold(decode_chat(whole(message))).choices[0]
    assert choice.refusal == "No"
    assert choice.citations == [elsewhere, annotation]
    assert choice.media == [MediaDelta("image/png", "QQ==")]


def test_sound_in_pieces_comes_as_a_whole() -> None:
    head, tail = (base64.b64encode(piece).decode() for piece in (b"RIFFx", b"yz"))
    reply = folded(
        chunk({"audio": {"id": "a", "transcript": "Hi", "data": head}}),
        chunk({"audio": {"data": tail}}), chunk({"audio": {"data": "!"}}), chunk({}, "stop"),
    )  # fmt: skip
    assert reply.choices[0].text == "Hi"
    assert reply.choices[0].media == [
        MediaDelta("audio/wav", base64.b64encode(b"RIFFxyz").decode())
    ]


def test_sources_that_repeat_in_every_chunk_are_cited_once() -> None:
    sources = {"search_results": [{"url": "u", "title": "t"}], "citations": ["u"]}
    events = read(sse(chunk({"content": "a"}, **sources), chunk({}, "stop", **sources)))
    cited = {"url": "u", "title": "t", "start_index": 0, "end_index": 0}
    assert [event for event in events if isinstance(event, Citation)] == [
        Citation({"type": "url_citation", "url_citation": cited})
    ]


def test_log_probabilities_of_both_endpoints() -> None:
    row = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    payload = json.loads(whole({"content": "a"}))
    payload["choices"][0]["logprobs"] = {"content": [row]}
    events = decode_chat(json.dumps(payload).encode())
    assert [e for e in events if isinstance(e, Logprobs)] == [Logprobs([row])]
    payload["choices"][0] = {
        "text": "a",
        "logprobs": {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": None},
        "finish_reason": "stop",
    }
    events = decode_chat(json.dumps(payload).encode())
    assert [e for e in events if isinstance(e, Logprobs)] == [Logprobs([row])]


@pytest.mark.parametrize("place", ["usage", "x_groq", "choice"])
def test_usage_in_its_places(place: str) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    last = chunk({}, "stop")
    if place == "choice":
        last["choices"][0]["usage"] = usage
    else:
        last |= {"usage": usage} if place == "usage" else {"x_groq": {"usage": usage}}
    reply = folded(chunk({"content": "a"}), last, DONE)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1, 2)


# Embeddings -------------------------------------------------------------------------------------


def vectors(*rows: Any, int8: bool = False) -> list[Any]:
    body = json.dumps({"model": "m", "data": list(rows), "usage": {"total_tokens": 3}}).encode()
    return [list(v) for v in fold(decode_embeddings(body, int8=int8)).vectors]


def test_vectors_in_their_forms() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1)).decode()
    assert vectors({"index": 1, "embedding": [1, 2]}, {"index": 0, "embedding": packed}) == [
        [0.5, -1],
        [1, 2],
    ]
    signed = base64.b64encode(struct.pack("<2b", -128, 127)).decode()
    assert vectors({"embedding": signed}, int8=True) == [[-128, 127]]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"data": []}', b'{"data": [1]}', b'{"data": [{"embedding": "QUE="}]}',
     b'{"data": [{"embedding": null}]}', b'{"data": [{"embedding": "!"}]}', b'{"error": "x"}'],
)  # fmt: skip
def test_what_holds_no_vectors(body: bytes) -> None:
    with pytest.raises(BackendError):
        decode_embeddings(body)


# Anything ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "message", "content", "tool_calls", "function", "index", "text",
             "error", "usage", "finish_reason", "logprobs", "reasoning_details", "audio", "images",
             "annotations", "x_groq", "search_results", "type", "thinking", "image_url", "name"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=4))
def test_no_payload_breaks_the_reader(payloads: list[Any]) -> None:
    data = sse(*(json.dumps(p) for p in payloads), DONE)
    try:
        events = read(data)
    except BackendError:
        return
    fold(events)
    for body in payloads:
        try:
            fold(decode_chat(json.dumps(body).encode()))
        except BackendError:
            pass


@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=5),
    st.integers(1, 40),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_any_cut_gives_the_same_text(texts: list[str], size: int, line_end: bytes) -> None:
    payloads = [json.dumps(chunk({"content": t}), ensure_ascii=False) for t in texts]
    data = sse(*payloads, chunk({}, "stop"), DONE).replace(b"\n", line_end)
    reply = fold(read(data, size))
    assert reply.choices[0].text == "".join(texts)
    assert reply.error is None
