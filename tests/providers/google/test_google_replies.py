"""Replies that the recordings do not hold: broken, blocked, cut, with several choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.google.arguments import PartialArguments
from headgate_providers.google.embeddings import read_vectors
from headgate_providers.google.reply import ReplyReader, read_whole
from headgate_providers.google.stream import ArrayDecoder, StreamReader
from headgate_providers.sdk import (
    BackendError,
    Completion,
    Event,
    Failed,
    MediaDelta,
    ReasoningDelta,
    TextDelta,
    fold,
)

Json = dict[str, Any]


def candidate(*parts: Json, reason: str | None = "STOP", **members: Any) -> Json:
    made: Json = {"content": {"role": "model", "parts": list(parts)}, **members}
    return made if reason is None else {**made, "finishReason": reason}


def reply(*candidates: Json, **members: Any) -> Json:
    return {"candidates": list(candidates), "responseId": "r1", **members}


def whole(payload: Any, one_call: bool = False) -> Completion:
    return fold(read_whole(orjson.dumps(payload), one_call))


def sse(*payloads: Json) -> bytes:
    return b"".join(b"data: " + orjson.dumps(payload) + b"\r\n\r\n" for payload in payloads)


def stream(data: bytes, size: int = 1 << 30) -> list[Event]:
    reader = StreamReader(ReplyReader())
    events: list[Event] = []
    for start in range(0, len(data), size):
        events += reader.feed(data[start : start + size])
    return [*events, *reader.close()]


def failure(events: Sequence[Event]) -> BackendError:
    last = events[-1]
    assert isinstance(last, Failed)
    assert sum(isinstance(event, Failed) for event in events) == 1
    return last.error


HELLO = reply(candidate({"text": "Hel"}, reason=None))
LO = reply(candidate({"text": "lo"}))


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(native: str, reason: str) -> None:
    finish = whole(reply(candidate({"text": "a"}, reason=native))).choices[0].finish
    assert finish is not None
    assert (finish.reason, finish.native) == (reason, native)


def test_filtered_answer_without_content_is_an_answer() -> None:
    done = whole(reply({"finishReason": "SAFETY", "index": 0}))
    assert done.error is None
    assert done.choices[0].finish is not None


@pytest.mark.parametrize(
    ("native", "kind"), [("MALFORMED_FUNCTION_CALL", "malformed"), ("OTHER", "http_5xx")]
)
def test_unusable_answer_is_an_error(native: str, kind: str) -> None:
    said = reply({"finishReason": native, "finishMessage": "call:default_api"})
    error = whole(said).error
    assert error is not None
    assert (error.kind, error.code) == (kind, native)


def test_blocked_prompt_is_an_error_and_its_usage_counts() -> None:
    payload = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
    }
    for done in (whole(payload), fold(stream(sse(payload)))):
        assert done.error is not None
        assert (done.error.kind, done.error.code) == ("content_filter", "PROHIBITED_CONTENT")
        assert done.usage is not None
        assert done.usage.input_tokens == 5


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"3", b'{"candidates": []}'])
def test_no_reply_is_an_error(body: bytes) -> None:
    with pytest.raises(BackendError) as raised:
        read_whole(body)
    assert raised.value.kind == "malformed"


def test_error_in_a_good_status_is_an_error() -> None:
    payload = {
        "error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
    }
    assert failure(read_whole(orjson.dumps(payload))).kind == "overloaded"
    assert failure(stream(sse(HELLO, payload, LO))).kind == "overloaded"
    assert failure(stream(orjson.dumps([HELLO, payload]))).kind == "overloaded"
    assert failure(stream(orjson.dumps([payload]))).kind == "overloaded"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_both_forms_of_a_stream_in_pieces(size: int) -> None:
    for data in (sse(HELLO, LO), orjson.dumps([HELLO, LO], option=orjson.OPT_INDENT_2)):
        done = fold(stream(data, size))
        assert (done.error, done.choices[0].text) == (None, "Hello")


@pytest.mark.parametrize("data", [b"", sse(HELLO), sse(LO)[:-20], orjson.dumps([HELLO])[:-1]])
def test_stream_without_its_end_is_broken(data: bytes) -> None:
    assert failure(stream(data)).kind == "reset"


def test_what_a_stream_reader_does_not_know_is_passed_over() -> None:
    data = sse(HELLO) + b": comment\n\ndata: {broken\n\ndata: [1]\n\n" + sse({"news": 1}, LO)
    assert fold(stream(data)).choices[0].text == "Hello"


def test_stop_in_every_payload_does_not_end_the_reply() -> None:
    events = stream(sse(LO, LO, LO))
    assert [type(event) for event in events[1:-1]] == [TextDelta] * 3
    assert fold(events).choices[0].finish is not None


def test_usage_grows_and_the_last_value_of_each_count_holds() -> None:
    first = {**HELLO, "usageMetadata": {"promptTokenCount": 4, "thoughtsTokenCount": 9}}
    last = {**LO, "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2}}
    usage = fold(stream(sse(first, last))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (5, 11, 9)


def test_several_choices_are_kept_apart() -> None:
    done = whole(reply(candidate({"text": "a"}), candidate({"text": "b"}, index=1)))
    assert [choice.text for choice in done.choices] == ["a", "b"]


def test_calls_without_ids_get_lasting_ones() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    first, second = (whole(reply(candidate(call, call))).choices[0] for _ in range(2))
    assert [c.id for c in first.tool_calls] == [c.id for c in second.tool_calls]
    assert len({c.id for c in first.tool_calls}) == 2
    assert all(len(c.id) <= 40 for c in first.tool_calls)


def test_one_call_where_parallel_calls_were_forbidden() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    assert len(whole(reply(candidate(call, call))).choices[0].tool_calls) == 2
    (only,) = whole(reply(candidate(call, call)), one_call=True).choices[0].tool_calls
    assert only.arguments == '{"a":1}'


def test_a_call_that_never_ends_keeps_its_arguments() -> None:
    opened = {"functionCall": {"name": "f", "willContinue": True}}
    piece = {
        "functionCall": {
            "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}],
            "willContinue": True,
        }
    }
    done = fold(stream(sse(reply(candidate(opened, reason=None)), reply(candidate(piece)))))
    assert done.choices[0].tool_calls[0].arguments == '{"a":"x"}'


def test_signature_belongs_to_the_thought_before_it() -> None:
    events = read_whole(
        orjson.dumps(
            reply(
                candidate(
                    {"text": "Hm.", "thought": True}, {"text": "a", "thoughtSignature": "AA=="}
                )
            )
        )
    )
    assert [type(event) for event in events[1:4]] == [ReasoningDelta, ReasoningDelta, TextDelta]
    (block,) = fold(events).choices[0].reasoning
    assert (block.text, block.signature) == ("Hm.", "AA==")


def test_pictures() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    assert whole(reply(candidate(blob))).choices[0].media == [MediaDelta("image/png", "AA==")]


def test_logprobs_in_openai_shape() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -1.0}]}],
    }
    done = whole(reply(candidate({"text": "é"}, logprobsResult=result)))
    assert done.choices[0].logprobs == [
        {
            "token": "é",
            "logprob": -0.5,
            "bytes": [195, 169],
            "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": [101]}],
        }
    ]


def test_citations_count_characters_and_come_once() -> None:
    metadata = {
        "groundingChunks": [
            {"web": {"uri": "https://example.org/a", "title": "A"}},
            {"retrievedContext": {"uri": "https://example.org/b"}},
            {"web": {}},
        ],
        "groundingSupports": [
            {
                "segment": {"startIndex": 3, "endIndex": 6, "text": "two"},
                "groundingChunkIndices": [0, 7],
            },
        ],
    }
    row = candidate({"text": "é two"}, groundingMetadata=metadata)
    done = fold(stream(sse(reply(row), reply(candidate(groundingMetadata=metadata)))))
    cited = [annotation["url_citation"] for annotation in done.choices[0].citations]
    assert cited == [
        {"url": "https://example.org/a", "title": "A", "start_index": 2, "end_index": 5},
        {
            "url": "https://example.org/b",
            "title": "https://example.org/b",
            "start_index": 0,
            "end_index": 5,
        },
    ]


def test_recited_sources_are_cited() -> None:
    sources = {"citations": [{}, {"endIndex": 2, "uri": "https://example.org/a"}]}
    done = whole(reply(candidate({"text": "quoted"}, citationMetadata=sources)))
    (cited,) = [annotation["url_citation"] for annotation in done.choices[0].citations]
    assert (cited["url"], cited["start_index"], cited["end_index"]) == (
        "https://example.org/a",
        0,
        2,
    )


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings": []}', b'{"embeddings": [{}]}'])
def test_no_embedding_is_an_error(body: bytes) -> None:
    with pytest.raises(BackendError):
        read_vectors(body)


def test_partial_arguments_are_put_at_their_paths() -> None:
    made = PartialArguments({})
    made.add({"jsonPath": "$.a[1].b", "numberValue": 2})
    made.add({"jsonPath": "$.a[0]", "stringValue": "x", "willContinue": True})
    made.add({"jsonPath": "$.a[0]", "stringValue": "y"})
    made.add({"jsonPath": "$['c d']", "boolValue": True})
    made.add({"jsonPath": "$.e", "nullValue": None})
    made.add({"jsonPath": "$.f[99999999]", "boolValue": True})
    made.add({"jsonPath": 3})
    assert orjson.loads(made.text()) == {"a": ["xy", {"b": 2}], "c d": True, "e": None}


json_objects = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.text(max_size=8) | st.integers(-9, 9) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(st.lists(json_objects, max_size=5), st.data())
def test_array_decoder_gives_back_the_objects(objects: list[Json], data: st.DataObject) -> None:
    text = orjson.dumps(objects)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    decoder = ArrayDecoder()
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        found += decoder.feed(text[start:end])
    assert [orjson.loads(item) for item in found] == objects


def test_array_decoder_has_a_limit() -> None:
    decoder = ArrayDecoder(limit=10)
    decoder.feed(b'[{"a": 1}, ' + b" " * 50)
    with pytest.raises(BackendError) as raised:
        decoder.feed(b'{"a": "12345')
    assert raised.value.kind == "malformed"


parts = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=5) | st.none(),
        "thought": st.booleans(),
        "thoughtSignature": st.text(max_size=3) | st.booleans(),
        "functionCall": st.none()
        | st.fixed_dictionaries(
            {}, optional={"name": st.text(max_size=3), "args": json_objects | st.none()}
        ),
        "inlineData": json_objects,
    },
)


@given(st.lists(st.lists(parts, max_size=3), max_size=4), st.integers(1, 9))
def test_a_stream_folds_to_the_same_however_it_is_cut(groups: list[list[Json]], size: int) -> None:
    data = sse(*(reply(candidate(*group)) for group in groups))
    assert repr(fold(stream(data, size))) == repr(fold(stream(data)))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    events = stream(b"[" + data)
    assert isinstance(events[-1], Failed)
