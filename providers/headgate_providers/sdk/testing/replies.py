"""Checks of what a reply says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest import SkipTest

from headgate_providers.sdk.backend import Call
from headgate_providers.sdk.events import Start
from headgate_providers.sdk.testing.calls import (
    UNKNOWN_MEMBER,
    chat_call,
    embedding_call,
    tool_call,
)
from headgate_providers.sdk.testing.harness import Harness, Played, in_own_loop
from headgate_providers.sdk.testing.samples import NO_UPSTREAM, Exchange
from headgate_providers.sdk.usage import TOKEN_CLASSES, Usage


class RepliesConform(Harness):
    """Text, tool calls, vectors and usage come out right, however the bytes arrive."""

    @in_own_loop
    async def test_text(self) -> None:
        """A reply in one piece."""
        exchange = self.given(self.samples.text, "chat")
        self._check_text(await self.play(chat_call(self.model), exchange))

    @in_own_loop
    async def test_text_streamed(self) -> None:
        """The same as a stream, and to the end."""
        exchange = self.given(self.samples.text_streamed, "streams")
        self._check_text(await self.play(chat_call(self.model, stream=True), exchange))

    @in_own_loop
    async def test_streamed_and_whole_replies_say_the_same(self) -> None:
        """Also in how they finish and in what they cost."""
        whole = self.given(self.samples.text, "chat")
        streamed = self.given(self.samples.text_streamed, "streams")
        first = await self.play(chat_call(self.model), whole)
        second = await self.play(chat_call(self.model, stream=True), streamed)
        ends = [choice.finish.reason for choice in first.reply.choices if choice.finish]
        assert ends == [choice.finish.reason for choice in second.reply.choices if choice.finish]
        assert first.reply.usage == second.reply.usage

    @in_own_loop
    async def test_tool_call(self) -> None:
        """Names, decoded arguments and ids of a reply in one piece."""
        exchange = self.given(self.samples.tool_call, "tools")
        self._check_calls(await self.play(self._tool_call(), exchange))

    @in_own_loop
    async def test_tool_call_streamed(self) -> None:
        """The same as a stream."""
        exchange = self.given(self.samples.tool_call_streamed, "tools in a stream")
        self._check_calls(await self.play(self._tool_call(stream=True), exchange))

    @in_own_loop
    async def test_embeddings(self) -> None:
        """One vector per input, all of one length."""
        exchange = self.given(self.samples.embeddings, "embeddings")
        played = await self.play(embedding_call(self.vectors_model), exchange)
        _raise(played)
        vectors = played.reply.vectors
        assert len(vectors) == 2, "the sample must answer two inputs with two vectors"
        assert len(vectors[0]) == len(vectors[1]) > 0
        assert all(isinstance(value, int | float) for vector in vectors for value in vector)
        if played.reply.usage is not None:
            _check_classes(played.reply.usage)

    @in_own_loop
    async def test_streams_read_the_same_however_they_are_cut(self) -> None:
        """In pieces of 1 and 7 bytes, an event at a time, and all at once."""
        if not self.samples.streams:
            raise SkipTest("the backend does not support streams")
        for scenario, exchange in self.samples.streams.items():
            if exchange is NO_UPSTREAM:
                raise SkipTest("the backend answers by itself")
            call = self._streamed(scenario)
            usual = await self.play(call, exchange)
            for size in (1, 7, len(exchange.bytes)):
                cut = await self.play(call, exchange, piece_bytes=size)
                assert cut.content == usual.content, f"{scenario} in pieces of {size} bytes"
                assert cut.error is None

    @in_own_loop
    async def test_unknown_members_do_no_harm(self) -> None:
        """Vendors add members to their replies without notice."""
        exchange = self.scripted(self.samples.text, "chat")
        played = await self.play(chat_call(self.model), _with_unknown_members(exchange))
        self._check_text(played)
        streamed = self.scripted(self.samples.text_streamed, "streams")
        call = chat_call(self.model, stream=True)
        self._check_text(await self.play(call, _with_unknown_members(streamed)))

    @in_own_loop
    async def test_unknown_events_do_no_harm(self) -> None:
        """Neither do comments and events of a new type, wherever they come in a stream."""
        exchange = self.scripted(self.samples.text_streamed, "streams")
        if not self.unknown_event:
            raise SkipTest("the protocol has no events to add")
        mixed = [piece for event in exchange.events for piece in (self.unknown_event, event)]
        call = chat_call(self.model, stream=True)
        self._check_text(await self.play(call, replace(exchange, body=tuple(mixed))))

    def _streamed(self, scenario: str) -> Call:
        if scenario == "tool call":
            return self._tool_call(stream=True)
        return chat_call(self.model, stream=True)

    def _tool_call(self, *, stream: bool = False) -> Call:
        return tool_call(self.model, stream=stream)

    def _check_text(self, played: Played) -> None:
        _raise(played)
        reply = played.reply
        assert [choice.text for choice in reply.choices] == [self.samples.says]
        assert reply.choices[0].finish is not None, "the choice was never finished"
        assert reply.choices[0].finish.reason == "stop"
        assert sum(isinstance(event, Start) for event in played.events) == 1, (
            "a reply has one Start"
        )
        assert reply.start.id != "", "an id is None or not empty"
        self._check_usage(reply.usage)

    def _check_usage(self, usage: Usage | None) -> None:
        if self.samples.usage is None:
            assert usage is None, "the samples say that the vendor tells no usage"
            return
        assert usage is not None, "the vendor's usage was not reported"
        assert (usage.input_tokens, usage.output_tokens) == self.samples.usage
        assert usage.source == "vendor"
        _check_classes(usage)

    def _check_calls(self, played: Played) -> None:
        _raise(played)
        (choice,) = played.reply.choices
        made = [(call.name, _decoded(call.arguments)) for call in choice.tool_calls]
        assert made == list(self.samples.calls)
        ids = [call.id for call in choice.tool_calls]
        assert all(ids), "a tool call has no id"
        assert len(set(ids)) == len(ids), "two tool calls have the same id"
        assert choice.finish is not None
        assert choice.finish.reason == "tool_calls"


def _raise(played: Played) -> None:
    if played.error is not None:
        raise played.error


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError as error:
        raise AssertionError(f"arguments are not JSON: {arguments!r}") from error


def _check_classes(usage: Usage) -> None:
    assert all(getattr(usage, name) >= 0 for name in TOKEN_CLASSES)
    cached = usage.cache_read_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens
    assert cached <= usage.input_tokens
    assert usage.reasoning_tokens <= usage.output_tokens


def _with_unknown_members(exchange: Exchange) -> Exchange:
    """A member more in every JSON object of the envelope; other bytes stay as they are."""
    if isinstance(exchange.body, bytes) and not exchange.streams:
        return replace(exchange, body=_more(exchange.body))
    return replace(exchange, body=tuple(_more_in_event(event) for event in exchange.events))


def _more_in_event(event: bytes) -> bytes:
    lines = event.split(b"\n")
    return b"\n".join(
        b"data: " + _more(line[5:].strip()) if line.startswith(b"data:") else line for line in lines
    )


def _more(text: bytes) -> bytes:
    try:
        payload: Any = json.loads(text)
    except ValueError:
        return text
    if not isinstance(payload, dict):
        return text
    return json.dumps({UNKNOWN_MEMBER: {"a": [1, None]}, **payload}).encode()
