"""Proofs of thinking go back to their issuer and to nobody else."""

from __future__ import annotations

from headgate.pipeline.proofs import issuer_of, mark, unmark
from headgate_providers.sdk import (
    ChatRequest,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)


def request(*parts: Part) -> ChatRequest:
    return ChatRequest("m", (Message("user", (Text("hi"),)), Message("assistant", parts)))


def parts(given: ChatRequest, issuer: str, dialect: str = "openai_chat") -> tuple[Part, ...]:
    made = unmark(given, issuer, dialect)  # type: ignore[arg-type]
    assert isinstance(made, ChatRequest)
    return made.messages[1].parts


def test_a_reply_is_marked_and_comes_back_as_it_was() -> None:
    events = [
        ReasoningDelta("t", signature="sig=="), ReasoningDelta(redacted="enc"),
        ToolCallDelta(0, "c", "f", "{}", signature="call"), TextDelta("x"),
    ]  # fmt: skip
    mark(events, "google")
    assert [events[0].signature, events[1].redacted, events[2].signature] == [  # type: ignore[union-attr]
        "google:sig==", "google:enc", "google:call",
    ]  # fmt: skip
    back = request(
        Reasoning("t", "google:sig=="), Reasoning(redacted="google:enc"),
        ToolCall("c", "f", "{}", "google:call"),
    )  # fmt: skip
    assert parts(back, issuer_of("vertex")) == (
        Reasoning("t", "sig=="), Reasoning(redacted="enc"), ToolCall("c", "f", "{}", "call"),
    )  # fmt: skip


def test_another_vendor_never_sees_it() -> None:
    back = request(
        Reasoning("t", "google:s"),
        Reasoning(redacted="google:enc"),
        ToolCall("c", "f", "{}", "google:x"),
    )
    assert parts(back, "anthropic") == (Reasoning("t"), ToolCall("c", "f", "{}"))


def test_a_relayed_proof_belongs_to_the_dialects_vendor() -> None:
    back = request(Reasoning("t", "sig"))
    assert parts(back, "anthropic", "anthropic_messages") == (Reasoning("t", "sig"),)
    assert parts(back, "google", "anthropic_messages") == (Reasoning("t"),)
    assert parts(back, "openrouter") == (Reasoning("t", "sig"),)


def test_what_has_no_proof_is_the_same_object() -> None:
    plain = request(Text("a"), ToolCall("c", "f", "{}"))
    assert unmark(plain, "google", "openai_chat") is plain
