"""How TGI says no: `{"error", "error_type"}`, as a status or as an event inside a stream.

https://github.com/huggingface/text-generation-inference/blob/main/router/src/infer/mod.rs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import (
    COMMON_RULES,
    BackendError,
    Rule,
    error_details,
    kind_of_status,
    read_refusal,
)

RULES: tuple[Rule, ...] = (
    *COMMON_RULES,
    Rule(
        "context_overflow",
        422,
        words=("`max_new_tokens` must be <=", "`inputs` must have less than"),
    ),
    # Nothing is wrong with these requests, but this model or server cannot do what they ask.
    Rule(
        "unsupported",
        422,
        words=(
            "grammar is not supported",
            "cannot compile regex from schema",
            "must have a 'properties' field",
            "modality is not supported",
            "template not found",
            "suffix is not supported",
        ),
    ),
    Rule("invalid_request", 422),
    Rule("http_5xx", 424),
    Rule("overloaded", 429),
)
"""The error table. A 429 is no limit of the caller's: all slots of this replica are taken."""

_STATUS_OF_TYPE: Mapping[str, int] = {
    "validation": 422,
    "template_error": 422,
    "missing_template_variable": 422,
    "tool_error": 422,
    "generation": 424,
    "overloaded": 429,
    "incomplete_generation": 500,
    "incomplete_generation_stream": 500,
    "stream_serialization_error": 500,
}

_STATUS_OF_WORDS: tuple[tuple[str, int], ...] = (
    ("Input validation error", 422),
    ("Template error", 422),
    ("Missing template va", 422),
    ("Tool error", 422),
    ("Request failed during generation", 424),
    ("Model is overloaded", 429),
    ("Incomplete generation", 500),
)
"""Streams of `/v1` state every error with the same status (422): only its first words tell."""

_BAD_BODY = b"Failed to "
"""A body of the wrong shape is refused in plain text that begins so."""


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """Classify an error reply."""
    if body.startswith(_BAD_BODY):
        body = orjson.dumps({"error": body.decode("utf-8", "replace"), "error_type": "validation"})
    return _discreet(read_refusal(status, headers, body, RULES))


def read_stated(payload: Mapping[str, Any]) -> BackendError:
    """Classify an error told inside a reply whose status was 200."""
    details = error_details(payload)
    return restated(
        details.message or "The upstream reported an error inside its reply.",
        details.codes[0] if details.codes else None,
    )


def restated(message: str, code: str | None) -> BackendError:
    """The error that a sentence and, where it is known, an `error_type` describe."""
    status = _STATUS_OF_TYPE.get(code or "") or next(
        (status for words, status in _STATUS_OF_WORDS if message.startswith(words)), 500
    )
    codes = (code,) if code else ()
    kind = next(
        (rule.kind for rule in RULES if rule.applies(status, codes, message.lower())),
        kind_of_status(status),
    )
    return _discreet(BackendError(kind, message, status=status, code=code))


def _discreet(error: BackendError) -> BackendError:
    """A failure of the server's own is told without its inner words (device, memory, paths)."""
    if error.status != 424:
        return error
    return BackendError(
        error.kind,
        "The model server failed while it was generating.",
        status=error.status,
        code=error.code,
        retry_after_s=error.retry_after_s,
    )
