"""Every recorded exchange of the family, relayed and translated, and a sample over real HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from headgate_providers.openai_compat.address import PATHS
from headgate_providers.sdk import BackendError, Call, Event, Raw
from tests.providers.openai_compat.canonical import canonical
from tests.providers.openai_compat.expectations import (
    EXCEPTIONS,
    backend_for,
    call_for,
    cases,
    check,
    check_relayed,
    check_translated,
    exception_of,
    expected,
    expected_bytes,
    expected_kind,
    streamed,
)
from tests.recordings import Recording, needs_recordings, observed, replay_server

pytestmark = needs_recordings

CASES = [recording for recording in cases() if exception_of(recording) is None]
SAYABLE = [
    recording for recording in CASES if recording.status < 400 and canonical(recording) is not None
]
STREAMS = [r for r in CASES if streamed(r) and r.status < 400 and len(r.reply) < 60_000]


@pytest.mark.parametrize("recording", CASES, ids=lambda r: r.id)
def test_every_recording(recording: Recording) -> None:
    check(recording)


def test_exceptions_are_few_and_real() -> None:
    exempt = [recording for recording in cases() if exception_of(recording) is not None]
    assert len(exempt) == 15
    assert {r.vendor for r in exempt} == {pattern.split("/")[0] for pattern in EXCEPTIONS}


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("recording", STREAMS[::3], ids=lambda r: r.id)
def test_streams_cut_anywhere(recording: Recording, size: int) -> None:
    check_relayed(recording, usage_wanted=False, size=size)
    if recording.operation != "responses":
        check_translated(recording, size)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with replay_server() as base:
        yield base


async def exchanged(call: Call, recording: Recording, upstream: str) -> list[Event]:
    prefix = recording.path
    for path in sorted(PATHS.values(), key=len, reverse=True):
        prefix = prefix.removesuffix(path)
    if recording.vendor == "azure":
        prefix = ""
    url = f"{upstream}/{recording.vendor}/@{recording.name}{prefix}"
    backend = backend_for(recording, url)
    try:
        reply = await backend.send(call)
        events = [event async for batch in reply for event in batch]
        await reply.aclose()
    finally:
        await backend.transport.aclose()
    return events


def last_received(upstream: str) -> Any:
    with urllib.request.urlopen(f"{upstream}/_received") as reply:
        return json.load(reply)[-1]


@pytest.mark.parametrize("recording", CASES[::12], ids=lambda r: r.id)
async def test_over_http(recording: Recording, upstream: str) -> None:
    if recording.status >= 400:
        with pytest.raises(BackendError) as refused:
            await exchanged(call_for(recording), recording, upstream)
        assert refused.value.kind == expected_kind(recording)
        return
    events = await exchanged(call_for(recording), recording, upstream)
    sent = b"".join(event.data for event in events if isinstance(event, Raw))
    assert sent == expected_bytes(recording, usage_wanted=False)
    received = last_received(upstream)
    assert received["method"] == "POST"
    assert received["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("recording", SAYABLE[::25], ids=lambda r: r.id)
async def test_translated_over_http(recording: Recording, upstream: str) -> None:
    request = canonical(recording)
    assert request is not None
    call = call_for(recording, relayable=False)
    call.decode = lambda: request
    assert observed(await exchanged(call, recording, upstream)) == expected(recording)
