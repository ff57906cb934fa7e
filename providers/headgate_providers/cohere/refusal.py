"""Cohere's errors, classified: replies with a status, and answers that were given up.

https://docs.cohere.com/reference/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.sdk import BackendError, ErrorKind, Rule, error_details, read_refusal

RULES: tuple[Rule, ...] = (
    Rule("context_overflow", codes=frozenset({"TOO_MANY_TOKENS"})),
    Rule("context_overflow", 400, words=("too many tokens", "number of tokens", "context length")),
    Rule("content_filter", 400, words=("blocked output", "blocked input", "violates our usage")),
    Rule("quota", 402),
    Rule("quota", 429, words=("/ month", "per month", "monthly")),
    Rule("auth", 498),
    Rule("timeout", 499),
    Rule("unsupported", 501),
)
"""The error table; what it does not name is classified by status alone."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """The error of a reply with `status`."""
    return read_refusal(status, headers, body, RULES)


def given_up(reason: str, said: object) -> BackendError:
    """The error of an answer that ended with such a reason; `said` may explain it."""
    message = said if isinstance(said, str) and said else "Cohere gave up before its answer ended."
    otherwise: ErrorKind = "timeout" if reason == "TIMEOUT" else "http_5xx"
    return stated({"message": message, "code": reason}, otherwise)


def stated(payload: Mapping[str, Any], otherwise: ErrorKind = "http_5xx") -> BackendError:
    """The error that a reply states though its status said 200."""
    details = error_details(payload)
    message = details.message or "Cohere reported an error inside its reply."
    kind = next(
        (r.kind for r in RULES if r.applies(400, details.codes, message.lower())), otherwise
    )
    return BackendError(kind, message, code=details.codes[0] if details.codes else None)
