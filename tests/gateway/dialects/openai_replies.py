"""Readers of what OpenAI's dialects write, independent of the product, and events to write.

The readers check the grammar while they fold: they are the tests' notion of a correct client.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from headgate.dialects.base import ReplyHead
from headgate_providers.sdk import (
    Citation,
    Event,
    Finish,
    Logprobs,
    MediaDelta,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
)

USAGE = Usage(
    input_tokens=20, output_tokens=9, cache_read_tokens=5, cache_write_tokens=2, reasoning_tokens=4
)


def head(body: dict[str, Any] | None = None, usage_wanted: bool = True) -> ReplyHead:
    return ReplyHead(
        "abc", "assistant", 1_700_000_000, body or {"model": "assistant"}, usage_wanted
    )


def stream(encoder: Any, events: list[Event], batch: int = 1) -> bytes:
    """The whole stream of a reply whose events come in batches."""
    pieces = [encoder.feed(events[i : i + batch]) for i in range(0, len(events), batch)]
    return b"".join(pieces) + encoder.close()


def data_lines(raw: bytes) -> list[str]:
    """The data of a stream of unnamed events."""
    assert raw.endswith(b"\n\n")
    blocks = raw.decode().removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [block.removeprefix("data: ") for block in blocks]


def chunks_of(raw: bytes, kind: str) -> list[dict[str, Any]]:
    """The chunks of a regularly ended stream, all with the same envelope."""
    *lines, last = data_lines(raw)
    assert last == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    assert all(chunk["object"] == kind for chunk in chunks)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) <= 1
    return chunks


def folded_chat(raw: bytes) -> dict[str, Any]:
    """A chat completion put together from its chunks, by index, in `choices` and `usage`."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks_of(raw, "chat.completion.chunk"):
        assert usage is None, "nothing follows the usage chunk"
        if not chunk["choices"]:
            usage = chunk["usage"]
            continue
        (choice,) = chunk["choices"]
        assert set(choice) == {"index", "delta", "logprobs", "finish_reason"}
        if choice["index"] not in choices:
            assert choice["delta"]["role"] == "assistant"
            assert choice["delta"]["content"] in ("", None)
        into = choices.setdefault(choice["index"], {"finish_reason": None, "logprobs": []})
        assert into["finish_reason"] is None, "nothing follows the finish reason"
        into["finish_reason"] = choice["finish_reason"]
        into["logprobs"] += (choice["logprobs"] or {}).get("content", [])
        for name, value in choice["delta"].items():
            _fold_member(into, name, value)
    return {"choices": choices, "usage": usage}


def _fold_member(into: dict[str, Any], name: str, value: Any) -> None:
    if name == "tool_calls":
        calls = into.setdefault("tool_calls", [])
        for part in value:
            index = part.pop("index")
            if index == len(calls):
                assert part["type"] == "function" and part["id"] and "name" in part["function"]
                calls.append(part)
                continue
            calls[index]["function"]["arguments"] += part.pop("function")["arguments"]
            calls[index] |= part
    elif isinstance(value, list):
        into.setdefault(name, []).extend(value)
    elif isinstance(value, str) and name != "role":
        into[name] = into.get(name, "") + value
    elif value is not None:
        into[name] = value


def folded_completion(raw: bytes) -> dict[str, Any]:
    """A completion put together from its chunks."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks_of(raw, "text_completion"):
        if not chunk["choices"]:
            usage = chunk["usage"]
            continue
        (choice,) = chunk["choices"]
        into = choices.setdefault(choice["index"], {"text": "", "finish_reason": None})
        into["text"] += choice["text"]
        into["finish_reason"] = choice["finish_reason"]
        for name, values in (choice["logprobs"] or {}).items():
            into.setdefault(name, []).extend(values)
    return {"choices": choices, "usage": usage}


def typed_events(raw: bytes) -> list[dict[str, Any]]:
    """The typed events of a stream: named, numbered from 0."""
    assert raw.endswith(b"\n\n")
    events = []
    for block in raw.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def folded_response(raw: bytes) -> dict[str, Any]:
    """A response put together from its typed events; checks their order and their repetitions."""
    events = typed_events(raw)
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    for event in events[2:-1]:
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(items)
            items[index] = event["item"]
        elif event["type"] == "response.output_item.done":
            assert index not in done
            done[index] = event["item"]
        else:
            assert event["item_id"] == items[index]["id"]
            late = event["type"] == "response.output_text.annotation.added"
            assert index not in done or late, "nothing but a citation follows an item's end"
            _fold_typed(items[index], event)
    response: dict[str, Any] = events[-1]["response"]
    assert events[-1]["type"] == f"response.{response['status']}"
    assert sorted(done) == sorted(items)
    assert response["output"] == [_with_late(done[i], items[i]) for i in sorted(done)]
    for index, item in items.items():
        _assert_same_content(item, done[index])
    return response


def _with_late(done: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The item at its end, with the citations that came later."""
    for part, grown in zip(done.get("content", []), item.get("content", []), strict=True):
        if "annotations" in grown:
            part["annotations"] = grown["annotations"]
    return done


def _assert_same_content(item: dict[str, Any], done: dict[str, Any]) -> None:
    for name in ("content", "summary", "arguments"):
        assert item.get(name) == done.get(name)


def _fold_typed(item: dict[str, Any], event: dict[str, Any]) -> None:
    match event["type"].removeprefix("response."):
        case "content_part.added":
            assert event["content_index"] == len(item["content"])
            item["content"].append(event["part"])
        case "output_text.delta":
            part = item["content"][event["content_index"]]
            part["text"] += event["delta"]
            part["logprobs"] += event["logprobs"]
        case "output_text.annotation.added":
            part = item["content"][event["content_index"]]
            assert event["annotation_index"] == len(part["annotations"])
            part["annotations"].append(event["annotation"])
        case "output_text.done":
            part = item["content"][event["content_index"]]
            assert (part["text"], part["logprobs"]) == (event["text"], event["logprobs"])
        case "refusal.delta":
            item["content"][event["content_index"]]["refusal"] += event["delta"]
        case "refusal.done":
            assert item["content"][event["content_index"]]["refusal"] == event["refusal"]
        case "content_part.done":
            assert item["content"][event["content_index"]] == event["part"]
        case "reasoning_summary_part.added":
            assert event["summary_index"] == len(item["summary"])
            item["summary"].append(event["part"])
        case "reasoning_summary_text.delta":
            item["summary"][event["summary_index"]]["text"] += event["delta"]
        case "reasoning_summary_text.done":
            assert item["summary"][event["summary_index"]]["text"] == event["text"]
        case "reasoning_summary_part.done":
            assert item["summary"][event["summary_index"]] == event["part"]
        case "function_call_arguments.delta":
            item["arguments"] += event["delta"]
        case "function_call_arguments.done":
            assert item["arguments"] == event["arguments"]
        case "image_generation_call.in_progress" | "image_generation_call.completed":
            assert item["type"] == "image_generation_call"
        case other:
            raise AssertionError(f"no event of this dialect: {other}")


# Events

words = st.text(max_size=12)
CITATION = {"type": "url_citation", "url": "https://example.org", "title": "Example"}


def token(text: str) -> dict[str, Any]:
    row = {"token": text, "logprob": -0.5, "bytes": list(text.encode())}
    return row | {"top_logprobs": [row]}


def deltas(choice: int) -> st.SearchStrategy[Event]:
    """Any delta but tool calls, whose first one differs from the rest."""
    return st.one_of(
        st.builds(TextDelta, words, st.just(choice)),
        st.builds(RefusalDelta, words, st.just(choice)),
        st.builds(
            ReasoningDelta,
            words,
            st.none() | st.text(min_size=1, max_size=5),
            st.none(),
            st.none() | st.sampled_from(["rs_1", "rs_2"]),
            st.just(choice),
        ),
        st.builds(
            ReasoningDelta, st.just(""), st.none(), st.just("sealed"), choice=st.just(choice)
        ),
        st.just(Citation(CITATION, choice)),
        st.just(MediaDelta("image/png", "aGk=", choice)),
        st.builds(lambda word: Logprobs([token(word)], choice), words),
    )


@st.composite
def replies(draw: st.DrawFn, choices: int = 2) -> list[Event]:
    """The events of a regular reply, with several choices, calls in any order, usage anywhere."""
    events: list[Event] = []
    for choice in range(draw(st.integers(1, choices))):
        calls: dict[int, int] = {}
        for _ in range(draw(st.integers(0, 8))):
            if draw(st.booleans()):
                events.append(draw(deltas(choice)))
                continue
            index = draw(st.integers(0, 2))
            first = index not in calls
            calls[index] = 1
            events.append(
                ToolCallDelta(
                    index,
                    f"call_{index}" if first else None,
                    f"tool_{index}" if first else None,
                    draw(words),
                    draw(st.none() | st.just("proof")),
                    choice,
                )
            )
        reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
        events.append(Finish(reason, choice=choice))
    events.insert(draw(st.integers(0, len(events))), UsageReported(USAGE))
    return [Start("upstream-id", "upstream-model", 1), *events]
