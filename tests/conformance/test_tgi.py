"""TGI's backend keeps the backend contract: the surface under `/v1`, and `/generate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headgate_providers.sdk.testing import BackendConformance, Exchange, Samples
from headgate_providers.tgi import TgiBackend
from tests.conformance.openai_samples import CHAT, RELAYED


def error(status: int, kind: str, message: str) -> Exchange:
    return Exchange.json({"error": message, "error_type": kind}, status)


REFUSALS = {
    "invalid_request": error(422, "validation", "Input validation error: `top_p` must be > 0.0"),
    "context_overflow": error(
        422, "validation", "Input validation error: `inputs` must have less than 10 tokens."
    ),
    "http_5xx": error(424, "generation", "Request failed during generation: out of memory"),
    "overloaded": error(429, "overloaded", "Model is overloaded"),
}


class TestTgiChat(BackendConformance):
    backend = TgiBackend
    samples = replace(
        CHAT,
        embeddings=None,
        refusals=REFUSALS,
        failures={
            "http_5xx": Exchange.sse(
                {"error": "Incomplete generation", "error_type": "incomplete_generation"}
            )
        },
        relayed={name: RELAYED[name] for name in ("openai_chat", "openai_completions")},
    )


def token(text: str, *, last: bool = False) -> dict[str, Any]:
    details = {"finish_reason": "eos_token", "generated_tokens": 3, "input_length": 14}
    return {
        "index": 1,
        "token": {"id": 1, "text": text, "logprob": -0.5, "special": last},
        "generated_text": "Hello there." if last else None,
        "details": details if last else None,
    }


class TestTgiGenerate(BackendConformance):
    backend = TgiBackend
    options = {"api": "generate"}
    samples = Samples(
        says="Hello there.",
        text=Exchange.json(
            {
                "generated_text": "Hello there.",
                "details": {"finish_reason": "eos_token", "generated_tokens": 3, "prefill": []},
            },
            headers={"x-prompt-tokens": "14"},
        ),
        text_streamed=Exchange.sse(
            token("Hello"), token(" there"), token("."), token("</s>", last=True)
        ),
        usage=(14, 3),
        calls=[],
        tool_call=None,
        tool_call_streamed=None,
        embeddings=None,
        refusals=REFUSALS,
        failures={
            "http_5xx": Exchange.sse(
                token("Hel"), {"error": "Request failed", "error_type": "generation"}
            )
        },
        relayed={},
    )
