"""How the vendors of this family say no, as one table, and the sentence inside their envelopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import (
    COMMON_RULES,
    BackendError,
    Rule,
    error_details,
    read_refusal,
    stated_error,
)

_TOO_LONG = (
    "maximum context length",  # OpenAI, vLLM, DeepSeek, OpenRouter, Mistral
    "context length exceeded",
    "model's context length",  # SGLang
    "context window",
    "available context size",  # llama.cpp
    "prompt is too long",
    "prompt too long",  # Ollama
    "maximum prompt length",  # xAI
    "total length of all messages is too long",  # Perplexity
    "exceeded model token limit",  # Moonshot
    "range of input length",  # Alibaba
    "max_new_tokens` must be",  # TGI
)
_TOO_LONG_STATUSES = (400, 413, 422, 500)

RULES: tuple[Rule, ...] = (
    *COMMON_RULES,
    Rule("context_overflow", codes=frozenset({"too_many_prompt_tokens"})),
    *(Rule("context_overflow", status, words=_TOO_LONG) for status in _TOO_LONG_STATUSES),
    Rule(
        "content_filter",
        codes=frozenset({"data_inspection_failed", "DataInspectionFailed", "content_filter_error"}),
    ),
    Rule(
        "content_filter",
        400,
        codes=frozenset({"invalid_prompt"}),  # OpenAI, responses
        words=(
            "content management policy",  # Azure
            "content exists risk",  # DeepSeek
            "considered high risk",  # Moonshot
        ),
    ),
    # OpenRouter's moderation, xAI's.
    Rule("content_filter", 403, words=("flagged", "usage guidelines")),
    Rule(
        "quota",
        codes=frozenset(
            {
                "insufficient_quota",
                "billing_hard_limit_reached",
                "billing_not_active",
                "exceeded_current_quota_error",  # Moonshot
                "Arrearage",  # Alibaba
                "AllocationQuota.FreeTierOnly",
            }
        ),
    ),
    Rule("quota", 403, words=("used all available credits", "spending limit")),  # xAI
    Rule("quota", 429, words=("used all available credits", "exceeded your current quota")),
    Rule(
        "auth",
        codes=frozenset(
            {
                "invalid_api_key",
                "invalid_authentication_error",
                "authentication_error",
                "incorrect_api_key_error",
            }
        ),
    ),
    Rule("auth", 400, words=("incorrect api key", "invalid api key")),  # xAI
    Rule(
        "not_found",
        codes=frozenset(
            {"model_not_found", "DeploymentNotFound", "invalid_model", "resource_not_found_error"}
        ),
    ),
    Rule(
        "not_found",
        400,
        words=(
            "model not exist",  # DeepSeek
            "is not a valid model",  # OpenRouter
            "invalid model",  # Mistral, Perplexity
        ),
    ),
    Rule(
        "overloaded",
        codes=frozenset(
            {
                "engine_overloaded_error",  # Moonshot
                "overloaded_error",
                "overloaded",
                "capacity_exceeded",  # Groq's flex tier, 498
                "insufficient_system_resource",  # DeepSeek
                "server_overloaded",
            }
        ),
    ),
    Rule("unsupported", codes=frozenset({"not_supported_error"})),  # llama.cpp, 501
    Rule("not_found", 405),  # the address leads to something else
)
"""Status first; most codes mean the same whatever status they come with."""

_CREDENTIAL = "The upstream refused the deployment's credential."


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """Classify an error reply. What it says about a credential is kept from the caller."""
    payload = _loaded(body)
    inner = unwrapped(payload) if isinstance(payload, Mapping) else payload
    if inner is not payload:
        body = orjson.dumps(inner)
    error = read_refusal(status, headers, body, RULES)
    return _discreet(error)


def read_stated(payload: Mapping[str, Any]) -> BackendError:
    """Classify an error told inside a reply whose status was 200."""
    return _discreet(stated_error(unwrapped(payload)))


def unwrapped(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost error: OpenRouter quotes its provider's in `metadata.raw`, and the list of
    complaints that pydantic makes in `detail` (Mistral, older vLLM) becomes one sentence.
    """
    error = payload.get("error")
    metadata = error.get("metadata") if isinstance(error, Mapping) else None
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if isinstance(error, Mapping) and isinstance(raw, str) and raw.strip()[:1] not in ("", "<"):
        quoted = error_details(raw.encode())
        said = quoted.message or raw
        codes = {"code": quoted.codes[0] if quoted.codes else error.get("code")}
        return {"error": {**error, "message": said, "status_code": error.get("code"), **codes}}
    detail = payload.get("detail")
    if detail is None and isinstance(payload.get("message"), Mapping):
        detail = payload["message"].get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        place = [str(step) for step in detail[0].get("loc") or () if step != "body"]
        message = f"{'.'.join(place)}: {detail[0].get('msg')}" if place else detail[0].get("msg")
        return {**payload, "message": message, "param": ".".join(place), "detail": None}
    return payload


def _discreet(error: BackendError) -> BackendError:
    if error.kind != "auth":
        return error
    return BackendError(
        "auth",
        _CREDENTIAL,
        status=error.status,
        code=error.code,
        retry_after_s=error.retry_after_s,
    )


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
