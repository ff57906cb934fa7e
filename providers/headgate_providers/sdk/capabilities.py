"""What a backend can do. Everything starts as unsupported; support is a deliberate claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headgate_providers.sdk.types import Dialect, Operation

Feature: TypeAlias = Literal[
    "tools",
    "parallel_tool_calls",
    "json_object",
    "json_schema",
    "image",
    "audio",
    "document",
    "reasoning",
    "n",
    "stop",
    "seed",
    "logprobs",
    "logit_bias",
    "penalties",
    "top_k",
    "token_ids",
    "dimensions",
]
"""Something a request may need. A backend that lacks one is not eligible for that request."""

FEATURES: frozenset[Feature] = frozenset(Feature.__args__)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend's protocol can express; what a model can do is the catalog's to say.

    `dialects` are the client dialects it speaks itself, so that a request in one is relayed.
    """

    operations: frozenset[Operation] = frozenset()
    dialects: frozenset[Dialect] = frozenset()
    features: frozenset[Feature] = field(default_factory=frozenset)
