"""The kit finds what it promises to find, and lets pass what is right."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import ClassVar
from unittest import SkipTest

import pytest

from headgate_providers.openai_compat import OpenAICompatBackend
from headgate_providers.sdk import BackendError, HttpBackend
from headgate_providers.sdk.testing import BackendConformance, Samples
from tests.conformance.faults import FAULTS, PARROT_SAMPLES, Parrot
from tests.conformance.openai_samples import CHAT


def conformance_of(backend_: type[HttpBackend]) -> BackendConformance:
    class Tested(BackendConformance):
        backend: ClassVar[type[HttpBackend]] = backend_
        samples = PARROT_SAMPLES

    class TestedOpenAI(Tested):
        path = "/v1"
        samples = replace(
            CHAT,
            relayed={n: CHAT.relayed[n] for n in OpenAICompatBackend.capabilities.dialects},
        )

    return TestedOpenAI() if issubclass(backend_, OpenAICompatBackend) else Tested()


@pytest.mark.parametrize(
    ("check", "backend"), FAULTS, ids=[f"{n}-{check[5:]}" for n, (check, _) in enumerate(FAULTS)]
)
def test_a_fault_is_found(
    check: str, backend: type[HttpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate_providers.sdk.testing.upstream.WAIT_S", 0.5)
    monkeypatch.setattr("headgate_providers.sdk.testing.requests.WAIT_S", 0.5)
    with pytest.raises((AssertionError, BackendError, TimeoutError)):
        getattr(conformance_of(backend), check)()


CHECKS = [name for name in dir(BackendConformance) if name.startswith("test_")]


def test_every_check_finds_a_fault() -> None:
    assert {check for check, _ in FAULTS} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("backend", [Parrot, OpenAICompatBackend], ids=["parrot", "openai"])
def test_a_right_backend_passes(check: str, backend: type[HttpBackend]) -> None:
    try:
        getattr(conformance_of(backend), check)()
    except SkipTest as reason:
        assert backend is Parrot, reason


def test_samples_leave_nothing_out() -> None:
    with pytest.raises(TypeError, match="embeddings"):
        Samples(says="Hello", text=None, text_streamed=None)  # type: ignore[call-arg]


def test_the_kit_needs_no_test_runner() -> None:
    modules = [name for name in sys.modules if name.startswith("headgate_providers.sdk.testing")]
    for name in modules:
        assert "pytest" not in vars(sys.modules[name])
