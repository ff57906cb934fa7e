"""Leaving out parameters that a route lists as `droppable` and a candidate cannot honour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from headgate_providers.sdk import ChatRequest, Request

_UNSET: Mapping[str, Mapping[str, Any]] = {
    "parallel_tool_calls": {"parallel_tool_calls": None},
    "reasoning": {"reasoning": None},
    "n": {"n": 1},
    "stop": {"stop": ()},
    "seed": {"seed": None},
    "logprobs": {"logprobs": False, "top_logprobs": None},
    "logit_bias": {"logit_bias": None},
    "penalties": {"frequency_penalty": None, "presence_penalty": None},
    "top_k": {"top_k": None},
}
"""By the words of `droppable`: the members that hold the parameter, as if it had not been set."""


def without(request: Request, features: Iterable[str]) -> Request:
    """The request without these parameters."""
    members: dict[str, Any] = {}
    for feature in features:
        members.update(_UNSET[feature])
    return replace(request, **members) if members and isinstance(request, ChatRequest) else request
