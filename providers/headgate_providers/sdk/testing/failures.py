"""Checks of how failures are told."""

from __future__ import annotations

from dataclasses import replace
from unittest import SkipTest

from headgate_providers.sdk.backend import Call
from headgate_providers.sdk.errors import BackendError, ErrorKind
from headgate_providers.sdk.testing.calls import chat_call, tool_call
from headgate_providers.sdk.testing.harness import Harness, Played, in_own_loop
from headgate_providers.sdk.testing.samples import CREDENTIAL, NO_UPSTREAM, Exchange

PAGE = b"<html><head><title>502</title></head><body>proxy.internal.example</body></html>"

PAGES: tuple[tuple[int, frozenset[ErrorKind]], ...] = (
    (401, frozenset({"auth"})),
    (429, frozenset({"rate_limited", "quota", "overloaded"})),
    (500, frozenset({"http_5xx"})),
    (502, frozenset({"http_5xx"})),
    (503, frozenset({"overloaded", "http_5xx"})),
    (504, frozenset({"timeout", "http_5xx"})),
)
"""What a status alone says, when a proxy in between answers instead of the vendor."""

NO_REPLIES = (b"", b"null", b"[]", b"{}", PAGE)


class FailuresConform(Harness):
    """Every failure is a `BackendError` of the right kind, fit for the caller's eyes."""

    @in_own_loop
    async def test_a_stream_that_is_cut_short_fails(self) -> None:
        """After any of its events: it ends with `Failed`, unless all that was said is there."""
        if not self.samples.streams:
            raise SkipTest("the backend does not support streams")
        for scenario, exchange in self.samples.streams.items():
            if exchange is NO_UPSTREAM:
                raise SkipTest("the backend answers by itself")
            call = self._call_for(scenario)
            whole = (await self.play(call, exchange)).reply.choices
            for number in range(len(exchange.events)):
                played = await self.play(call, exchange, events=number)
                if played.error is None:
                    assert played.reply.choices == whole, (
                        f"{scenario}: after {number} events the reply seems to be complete"
                    )
                else:
                    self._check_discreet(played)

    @in_own_loop
    async def test_a_connection_that_breaks_fails(self) -> None:
        """In the middle of a stream."""
        exchange = self.scripted(self.samples.text_streamed, "streams")
        half = len(exchange.events) // 2
        call = chat_call(self.model, stream=True)
        played = await self.play(call, exchange, events=half, ending="reset")
        assert played.error is not None
        self._check_discreet(played)

    @in_own_loop
    async def test_refusals_are_classified(self) -> None:
        """By the stated kinds; the message is a sentence without host or credential."""
        if not self.samples.refusals:
            raise SkipTest("there are no samples of refusals")
        call, _ = self.any_reply()
        for kind, exchange in self.samples.refusals.items():
            assert exchange.status >= 300
            played = await self.play(call, exchange)
            error = self._error(played, f"a refusal of kind {kind}")
            assert error.kind == kind, f"{error.kind} instead of {kind}: {error.message}"
            assert error.status is None or error.status == exchange.status
            self._check_discreet(played)

    @in_own_loop
    async def test_failures_inside_a_stream_are_classified(self) -> None:
        """A status of 200 promises nothing."""
        if not self.samples.failures:
            raise SkipTest("there are no samples of failures inside a stream")
        for kind, exchange in self.samples.failures.items():
            assert exchange.status < 300
            played = await self.play(chat_call(self.model, stream=True), exchange)
            error = self._error(played, f"a failure of kind {kind}")
            assert error.kind == kind, f"{error.kind} instead of {kind}: {error.message}"
            self._check_discreet(played)

    @in_own_loop
    async def test_retry_hints_are_kept(self) -> None:
        """The `retry-after` of a refusal, in seconds."""
        call, _ = self.any_reply()
        limited = self.samples.refusals.get("rate_limited", Exchange(429, {}, b""))
        exchange = replace(limited, headers={**limited.headers, "retry-after": "7"})
        error = self._error(await self.play(call, exchange), "a refusal")
        assert error.retry_after_s == 7.0

    @in_own_loop
    async def test_a_page_of_html_is_not_passed_on(self) -> None:
        """It is classified by its status, and nothing of it is told."""
        call, _ = self.any_reply()
        for status, kinds in PAGES:
            played = await self.play(call, Exchange(status, {"content-type": "text/html"}, PAGE))
            error = self._error(played, f"status {status}")
            assert error.kind in kinds, f"status {status} was taken for {error.kind}"
            assert "<" not in error.message
            assert "proxy.internal" not in error.message
            self._check_discreet(played)

    @in_own_loop
    async def test_a_body_that_is_no_reply_fails(self) -> None:
        """Nothing, not JSON, or JSON without any answer in it; streamed and not."""
        call, usual = self.any_reply()
        for body in NO_REPLIES:
            played = await self.play(call, Exchange(200, usual.headers, body))
            self._error(played, f"the body {body[:20]!r}")
            self._check_discreet(played)
        if self.samples.text_streamed is not None:
            headers = self.samples.text_streamed.headers
            for body in NO_REPLIES:
                streamed = chat_call(self.model, stream=True)
                played = await self.play(streamed, Exchange(200, headers, body))
                self._error(played, f"the stream {body[:20]!r}")

    @in_own_loop
    async def test_a_refused_connection(self) -> None:
        """Kind `connect`: nothing was processed, so that another deployment may be tried."""
        call, usual = self.any_reply()
        async with self.bench(embeddings=call.operation == "embeddings") as bench:
            host = bench.upstream.host
            await bench.upstream.stop()
            played = await bench.play(call, usual)
        error = self._error(played, "a refused connection")
        assert error.kind == "connect"
        assert host not in error.message
        self._check_discreet(played)

    @in_own_loop
    async def test_a_probe_of_a_dead_upstream(self) -> None:
        """Raises `BackendError` and nothing else; a backend without a probe passes."""
        self.any_reply()
        async with self.bench() as bench:
            await bench.upstream.stop()
            try:
                await bench.backend.probe()
            except BackendError as error:
                _check_message(error)
            except Exception as error:
                raise AssertionError(f"the probe raised {type(error).__name__}") from error

    def _call_for(self, scenario: str) -> Call:
        make = tool_call if scenario == "tool call" else chat_call
        return make(self.model, stream=True)

    def _error(self, played: Played, what: str) -> BackendError:
        assert played.error is not None, f"{what} passed for a complete reply"
        return played.error

    def _check_discreet(self, played: Played) -> None:
        assert played.error is not None
        _check_message(played.error)


def _check_message(error: BackendError) -> None:
    for said in (error.message, str(error), repr(error), error.code or "", error.param or ""):
        assert CREDENTIAL not in said, "the credential is told"
        assert "127.0.0.1" not in said, "the host is told"
        assert "Traceback" not in said
    assert error.message.strip()
