"""The bridge to litellm keeps the backend contract, in front of two kinds of upstream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate_providers.litellm_bridge import LitellmBackend
from headgate_providers.litellm_bridge.library import NOISE, installed
from headgate_providers.sdk.testing import BackendConformance
from tests.conformance.openai_samples import CHAT
from tests.conformance.test_anthropic import SAMPLES as ANTHROPIC

pytestmark = [
    pytest.mark.skipif(not installed(), reason="litellm is not installed: uv sync --all-extras"),
    pytest.mark.filterwarnings(f"ignore:{NOISE}:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # litellm's own use of pydantic
]


class TestLitellmOpenAI(BackendConformance):
    backend = LitellmBackend
    path = "/v1"
    model = "openai/gpt-4o"
    embedding_model = "openai/text-embedding-3-small"
    declined = frozenset({"reasoning"})  # by this model
    samples = replace(CHAT, relayed={})


class TestLitellmAnthropic(BackendConformance):
    backend = LitellmBackend
    model = "anthropic/claude-haiku-4-5"
    embedding_model = "openai/text-embedding-3-small"
    declined = frozenset({"seed", "logprobs", "logit_bias", "penalties"})
    samples = replace(
        ANTHROPIC,
        embeddings=CHAT.embeddings,
        failures={"http_5xx": ANTHROPIC.failures["overloaded"]},  # litellm forgets the kind
        relayed={},
    )
