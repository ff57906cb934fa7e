"""Checks of how requests are sent, and connections given back."""

from __future__ import annotations

import asyncio
import copy

from headgate_providers.sdk.backend import Call
from headgate_providers.sdk.testing.calls import chat_call, tool_result_call
from headgate_providers.sdk.testing.harness import Bench, Harness, in_own_loop
from headgate_providers.sdk.testing.samples import CREDENTIAL, NO_UPSTREAM, Exchange
from headgate_providers.sdk.testing.upstream import WAIT_S, Script


class RequestsConform(Harness):
    """A call becomes the same request every time, and nothing is left open behind it."""

    @in_own_loop
    async def test_the_credential_is_sent(self) -> None:
        """In a header and never in the address, which ends up in logs."""
        call, exchange = self.any_reply()
        for request in (await self.play(call, exchange)).received:
            assert CREDENTIAL not in request.path
            if CREDENTIAL in self.secrets.values():
                sent = any(CREDENTIAL in value for value in request.headers.values())
                assert sent, "no header carries the credential"

    @in_own_loop
    async def test_requests_repeat(self) -> None:
        """The same call twice is the same request, and the call's body stays as it is."""
        call, exchange = self.any_reply()
        body = copy.deepcopy(dict(call.body))
        async with self.bench(embeddings=call.operation == "embeddings") as bench:
            first = await bench.play(call, exchange)
            second = await bench.play(call, exchange)
        assert call.body == body, "the call's body was changed"
        sent = [(r.method, r.path, r.body) for r in first.received]
        assert sent
        assert sent == [(r.method, r.path, r.body) for r in second.received]
        assert first.content == second.content

    @in_own_loop
    async def test_a_second_turn_is_accepted(self) -> None:
        """A system prompt, and a tool's result that is handed back."""
        self.given(self.samples.tool_call, "tools")
        exchange = self.given(self.samples.text, "chat")
        played = await self.play(tool_result_call(self.model), exchange)
        assert played.error is None, repr(played.error)
        assert [choice.text for choice in played.reply.choices] == [self.samples.says]
        for request in played.received:
            assert b"Sunny." in request.body, "the tool's result was not sent"
            assert b"Be brief." in request.body, "the system prompt was not sent"

    @in_own_loop
    async def test_calls_at_once_do_not_mix(self) -> None:
        """One instance serves a deployment's calls side by side."""
        exchange = self.given(self.samples.text, "chat")
        async with self.bench() as bench:
            calls = [bench.play(chat_call(self.model), exchange) for _ in range(4)]
            for played in await asyncio.gather(*calls):
                assert [choice.text for choice in played.reply.choices] == [self.samples.says]

    @in_own_loop
    async def test_closing_a_reply_early_closes_the_connection(self) -> None:
        """The vendor must not go on at our cost for a client that has left."""
        exchange = self.given(self.samples.text_streamed, "streams")
        async with self.bench() as bench:
            bench.upstream.script = Script(exchange, events=_openings(exchange), ending="hang")
            async with asyncio.timeout(WAIT_S):
                reply = await bench.backend.send(chat_call(self.model, stream=True))
                async for _ in reply:
                    break
                await reply.aclose()
            if exchange is not NO_UPSTREAM:
                await bench.upstream.left()

    @in_own_loop
    async def test_leaving_before_the_answer_closes_the_connection(self) -> None:
        """A call that is cancelled while the upstream is still silent."""
        call, exchange = self.any_reply()
        async with self.bench(embeddings=call.operation == "embeddings") as bench:
            await self._abandoned(bench, call, exchange)
            await bench.upstream.left()

    @in_own_loop
    async def test_it_closes_twice(self) -> None:
        """A reply and a backend may be closed more than once, used or not."""
        exchange = self.given(self.samples.text, "chat")
        async with self.bench() as bench:
            await bench.backend.aclose()
        async with self.bench() as bench:
            bench.upstream.script = Script(exchange)
            reply = await bench.backend.send(chat_call(self.model))
            await reply.aclose()
            await reply.aclose()
            await bench.backend.aclose()

    async def _abandoned(self, bench: Bench, call: Call, exchange: Exchange) -> None:
        bench.upstream.script = Script(exchange, ending="silence")
        task = asyncio.create_task(_sent(bench, call))
        await bench.upstream.asked()
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), f"cancelled, it gave {outcome!r}"


async def _sent(bench: Bench, call: Call) -> None:
    """Some backends ask at once, some when the reply is read."""
    reply = await bench.backend.send(call)
    try:
        async for _ in reply:
            pass
    finally:
        await reply.aclose()


def _openings(exchange: Exchange) -> int:
    """So many events that something is said, and not all of it."""
    return max(len(exchange.events) - 2, 1)
