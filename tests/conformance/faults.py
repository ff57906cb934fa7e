"""Backends with one fault each, and the check of the kit that must see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from headgate_providers.openai_compat import OpenAICompatBackend
from headgate_providers.sdk import (
    BackendError,
    Call,
    Event,
    Failed,
    Finish,
    HttpRequest,
    Raw,
    Reader,
    Reply,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReported,
    WholeReader,
    read_refusal,
)
from headgate_providers.sdk.testing import CREDENTIAL, Exchange, Samples
from tests.tutorials import files


def tutorial() -> ModuleType:
    """The backend of the tutorial: small, and known to be right."""
    module = ModuleType("headgate_parrot")
    exec(files("backends.md")["headgate_parrot/__init__.py"], module.__dict__)
    return module


PARROT = tutorial()
Parrot: Any = PARROT.ParrotBackend
END = {"end": "done", "used": {"in": 3, "out": 1}}
PARROT_SAMPLES = Samples(
    says="Hello",
    text=Exchange.json({"words": "Hello", **END}),
    text_streamed=Exchange.sse({"words": "Hel"}, {"words": "lo"}, END),
    usage=(3, 1),
    calls=[],
    tool_call=None,
    tool_call_streamed=None,
    embeddings=None,
    refusals={
        "invalid_request": Exchange.json({"error": "Too loud."}, 400),
        "rate_limited": Exchange.json({"error": "Slower."}, 429),
    },
    failures={"overloaded": Exchange.sse({"error": "Asleep.", "status": 503})},
    relayed={},
)

Change = Callable[[Sequence[Event]], Sequence[Event]]


class Changed:
    """A reader whose events are changed on their way."""

    def __init__(self, reader: Reader, change: Change) -> None:
        self._reader = reader
        self._change = change

    def feed(self, chunk: bytes) -> Sequence[Event]:
        return self._change(self._reader.feed(chunk))

    def close(self) -> Sequence[Event]:
        return self._change(self._reader.close())


def changing(change: Change, base: Any = Parrot, *, streamed: bool | None = None) -> Any:
    """A backend that reads rightly and then changes the events (of streams only, or of others)."""

    class Mutant(base):  # type: ignore[misc]
        def reader(self, call: Call) -> Reader:
            reader: Reader = super().reader(call)
            if streamed is not None and call.stream != streamed:
                return reader
            return Changed(reader, change)

    return Mutant


def without(kind: type[Event]) -> Change:
    return lambda events: [event for event in events if not isinstance(event, kind)]


def mapped(change: Callable[[Event], Event]) -> Change:
    return lambda events: [change(event) for event in events]


def shortened(event: Event) -> Event:
    return TextDelta(event.text[:-1]) if isinstance(event, TextDelta) else event


def cut_off(event: Event) -> Event:
    return Finish("length") if isinstance(event, Finish) else event


def too_much_cached(event: Event) -> Event:
    if not isinstance(event, UsageReported):
        return event
    return UsageReported(replace(event.usage, cache_read_tokens=event.usage.input_tokens + 1))


def halved(event: Event) -> Event:
    if not isinstance(event, UsageReported):
        return event
    return UsageReported(Usage(event.usage.input_tokens // 2, event.usage.output_tokens))


class Unbuffered(Parrot):
    """Takes every chunk for a whole event."""

    def reader(self, call: Call) -> Reader:
        class Stream(PARROT.ParrotStream):  # type: ignore[misc,name-defined]
            def feed(self, chunk: bytes) -> Sequence[Event]:
                return list(self._events(chunk.strip().removeprefix(b"data: ")))

        return Stream() if call.stream else super().reader(call)


class Trusting(Parrot):
    """Takes the end of the bytes for the end of the reply."""

    def reader(self, call: Call) -> Reader:
        class Stream(PARROT.ParrotStream):  # type: ignore[misc,name-defined]
            def close(self) -> Sequence[Event]:
                return [] if self._ended else [Finish("stop")]

        return Stream() if call.stream else super().reader(call)


class Strict(Parrot):
    """Knows all members there will ever be."""

    def reader(self, call: Call) -> Reader:
        def read(body: bytes) -> Sequence[Event]:
            if set(json.loads(body)) - {"words", "end", "used"}:
                raise BackendError("malformed", "What is this?")
            events: Sequence[Event] = PARROT.read_whole(body)
            return events

        return super().reader(call) if call.stream else WholeReader(read)


class EventStrict(Parrot):
    """Knows all events there will ever be."""

    def reader(self, call: Call) -> Reader:
        class Stream(PARROT.ParrotStream):  # type: ignore[misc,name-defined]
            def _events(self, data: bytes) -> Any:
                if "x_unknown" in data.decode():
                    raise BackendError("malformed", "What is this?")
                return super()._events(data)

        return Stream() if call.stream else super().reader(call)


class Gullible(Parrot):
    """Any body is a reply."""

    def reader(self, call: Call) -> Reader:
        def read(body: bytes) -> Sequence[Event]:
            return [Start(), *PARROT.events_of(body), Finish("stop")]

        return super().reader(call) if call.stream else WholeReader(read)


def refusing(read: Callable[[int, Mapping[str, str], bytes], BackendError]) -> Any:
    class Mutant(Parrot):
        def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
            return read(status, headers, body)

    return Mutant


def sending(send: Callable[[Any, Call, Callable[[Call], Any]], Any]) -> Any:
    class Mutant(Parrot):
        async def send(self, call: Call) -> Reply:
            reply: Reply = await send(self, call, super().send)
            return reply

    return Mutant


async def telling_the_host(backend: Any, call: Call, send: Any) -> Any:
    try:
        return await send(call)
    except BackendError as error:
        raise BackendError(error.kind, f"Cannot reach {backend.target.url}.") from error


async def calling_it_a_reset(backend: Any, call: Call, send: Any) -> Any:
    try:
        return await send(call)
    except BackendError as error:
        raise BackendError("reset", error.message) from error


async def swallowing_breaks(backend: Any, call: Call, send: Any) -> Any:
    reply = await send(call)

    async def batches() -> AsyncIterator[Sequence[Event]]:
        async for batch in reply:
            if any(isinstance(event, Failed) for event in batch):
                yield (Finish("stop"),)
                return
            yield batch

    return Reply(batches(), close=reply.aclose)


async def staying(backend: Any, call: Call, send: Any) -> Any:
    try:
        return await send(call)
    except asyncio.CancelledError as left:
        raise BackendError("reset", "The client has left.") from left


async def writing_into_the_call(backend: Any, call: Call, send: Any) -> Any:
    call.body["model"] = call.model  # type: ignore[index]
    return await send(call)


def requesting(change: Callable[[Any, HttpRequest], HttpRequest], base: Any = Parrot) -> Any:
    class Mutant(base):  # type: ignore[misc]
        def request(self, call: Call) -> HttpRequest:
            return change(self, super().request(call))

        def relay(self, call: Call) -> HttpRequest:
            return change(self, super().relay(call))

    return Mutant


def no_credential(backend: Any, request: HttpRequest) -> HttpRequest:
    return replace(request, headers={})


def credential_in_the_address(backend: Any, request: HttpRequest) -> HttpRequest:
    return replace(request, url=f"{request.url}?key={CREDENTIAL}")


def one_more_each_time(backend: Any, request: HttpRequest, numbers: Any = count()) -> HttpRequest:  # noqa: B008
    return replace(request, body=request.body.replace(b"{", b'{"no": %d, ' % next(numbers), 1))


def losing_members(backend: Any, request: HttpRequest) -> HttpRequest:
    body = {k: v for k, v in json.loads(request.body).items() if not k.startswith("x_")}
    return replace(request, body=json.dumps(body).encode())


class OneReader(Parrot):
    """Shares one reader between its calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._reader: Reader | None = None

    def reader(self, call: Call) -> Reader:
        self._reader = self._reader or super().reader(call)
        return self._reader


class ClosesLate(Parrot):
    """Lets a reply go on until the backend itself is closed."""

    async def send(self, call: Call) -> Reply:
        reply = self._reply = await super().send(call)

        async def batches() -> AsyncIterator[Sequence[Event]]:
            async for batch in reply:
                yield batch

        return Reply(batches())

    async def aclose(self) -> None:
        await self._reply.aclose()


class ClosesOnce(Parrot):
    closed = False

    async def aclose(self) -> None:
        assert not self.closed
        self.closed = True


class AnyOption(BaseModel):
    name: str = "x"


class Lax(Parrot):
    Options = AnyOption


class Boastful(Parrot):
    """Claims what it does not send."""

    capabilities = replace(Parrot.capabilities, features=frozenset({"seed"}))

    def request(self, call: Call) -> HttpRequest:
        chat = replace(call.chat, seed=None)
        request: HttpRequest = super().request(replace(call, decode=lambda: chat, _request=None))
        return request


class Promising(Parrot):
    """Claims what it refuses."""

    capabilities = replace(Parrot.capabilities, features=frozenset({"seed"}))


class Forgetful(Parrot):
    """Leaves out what it does not understand."""

    def request(self, call: Call) -> HttpRequest:
        chat = replace(call.chat, seed=None)
        request: HttpRequest = super().request(replace(call, decode=lambda: chat, _request=None))
        return request


class Overclaiming(Parrot):
    capabilities = replace(Parrot.capabilities, operations=frozenset({"chat", "embeddings"}))


class NoCompletion(Parrot):
    def request(self, call: Call) -> HttpRequest:
        if call.operation == "completion":
            raise BackendError("unsupported", "What is that?")
        request: HttpRequest = super().request(call)
        return request


class BrokenProbe(Parrot):
    async def probe(self) -> None:
        raise ConnectionError("10.0.0.1")


class Meddling(OpenAICompatBackend):
    """Relays something else."""

    async def send(self, call: Call) -> Reply:
        reply = await super().send(call)

        async def batches() -> AsyncIterator[Sequence[Event]]:
            async for batch in reply:
                yield [
                    Raw(event.data.replace(b" there", b""), event.deltas)
                    if isinstance(event, Raw)
                    else event
                    for event in batch
                ]

        return Reply(batches(), relayed=reply.relayed, close=reply.aclose)


def no_ids(event: Event) -> Event:
    return replace(event, id="") if isinstance(event, ToolCallDelta) else event


def half_arguments(event: Event) -> Event:
    return replace(event, arguments="{") if isinstance(event, ToolCallDelta) else event


def without_relayed_failures(base: Any) -> Any:
    class Mutant(base):  # type: ignore[misc]
        async def send(self, call: Call) -> Reply:
            reply = await super().send(call)

            async def batches() -> AsyncIterator[Sequence[Event]]:
                async for batch in reply:
                    yield [event for event in batch if not isinstance(event, Failed)]

            return Reply(batches(), relayed=reply.relayed, close=reply.aclose)

    return Mutant


def no_tool_results(backend: Any, request: HttpRequest) -> HttpRequest:
    return replace(request, body=request.body.replace(b"Sunny.", b""))


FAULTS: list[tuple[str, Any]] = [
    ("test_text", changing(mapped(shortened), streamed=False)),
    ("test_text", changing(without(UsageReported))),
    ("test_text", changing(mapped(too_much_cached))),
    ("test_text", changing(without(Finish), streamed=False)),
    ("test_text", changing(without(Start))),
    ("test_text_streamed", changing(mapped(shortened), streamed=True)),
    ("test_text_streamed", changing(lambda events: [Start(), *events], streamed=True)),
    (
        "test_streamed_and_whole_replies_say_the_same",
        changing(mapped(cut_off), streamed=True),
    ),
    ("test_streamed_and_whole_replies_say_the_same", changing(mapped(halved), streamed=True)),
    ("test_streams_read_the_same_however_they_are_cut", Unbuffered),
    ("test_unknown_members_do_no_harm", Strict),
    ("test_unknown_events_do_no_harm", EventStrict),
    ("test_a_stream_that_is_cut_short_fails", Trusting),
    ("test_a_connection_that_breaks_fails", sending(swallowing_breaks)),
    ("test_refusals_are_classified", refusing(lambda s, h, b: BackendError("http_5xx", "Oh."))),
    (
        "test_refusals_are_classified",
        refusing(lambda s, h, b: BackendError("invalid_request", f"Not with {CREDENTIAL}.")),
    ),
    ("test_failures_inside_a_stream_are_classified", changing(without(Failed))),
    ("test_retry_hints_are_kept", refusing(lambda s, h, b: read_refusal(s, {}, b))),
    (
        "test_a_page_of_html_is_not_passed_on",
        refusing(lambda s, h, b: BackendError(read_refusal(s, h, b).kind, b.decode())),
    ),
    (
        "test_a_page_of_html_is_not_passed_on",
        refusing(lambda s, h, b: BackendError("invalid_request", "Oh.")),
    ),
    ("test_a_body_that_is_no_reply_fails", Gullible),
    ("test_a_refused_connection", sending(telling_the_host)),
    ("test_a_refused_connection", sending(calling_it_a_reset)),
    ("test_a_probe_of_a_dead_upstream", BrokenProbe),
    ("test_the_credential_is_sent", requesting(no_credential)),
    ("test_the_credential_is_sent", requesting(credential_in_the_address)),
    ("test_requests_repeat", requesting(one_more_each_time)),
    ("test_requests_repeat", sending(writing_into_the_call)),
    ("test_calls_at_once_do_not_mix", OneReader),
    ("test_closing_a_reply_early_closes_the_connection", ClosesLate),
    ("test_leaving_before_the_answer_closes_the_connection", sending(staying)),
    ("test_it_closes_twice", ClosesOnce),
    ("test_options_reject_unknown_members", Lax),
    ("test_samples_agree_with_the_claims", Overclaiming),
    ("test_claimed_features_reach_the_upstream", Boastful),
    ("test_claimed_features_reach_the_upstream", Promising),
    ("test_features_that_are_not_claimed_are_refused", Forgetful),
    ("test_every_operation_is_accepted", NoCompletion),
    ("test_tool_call", changing(mapped(no_ids), OpenAICompatBackend)),
    ("test_tool_call_streamed", changing(mapped(half_arguments), OpenAICompatBackend)),
    ("test_embeddings", changing(lambda events: events[:-2], OpenAICompatBackend)),
    ("test_a_second_turn_is_accepted", requesting(no_tool_results, OpenAICompatBackend)),
    ("test_replies_are_relayed_unchanged", Meddling),
    (
        "test_requests_are_relayed_with_all_their_members",
        requesting(losing_members, OpenAICompatBackend),
    ),
    (
        "test_a_relayed_stream_that_is_cut_short_fails",
        without_relayed_failures(OpenAICompatBackend),
    ),
]
