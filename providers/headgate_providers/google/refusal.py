"""Google's error replies (`google.rpc.Status` as JSON), classified.

https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from headgate_providers.sdk import (
    BackendError,
    Rule,
    error_details,
    kind_of_status,
    retry_after_s,
)

_PER_DAY = "QUOTA_PER_DAY"
"""Our own word for a violated quota whose id says that it is refilled once a day."""

RULES: tuple[Rule, ...] = (
    Rule(
        "auth",
        400,
        codes=frozenset({"API_KEY_INVALID"}),
        words=("api key not valid", "api key expired", "user location is not supported"),
    ),
    Rule(
        "context_overflow",
        400,
        words=(
            "exceeds the maximum number of tokens",
            "input token count exceeds",
            "input context is too long",
        ),
    ),
    Rule("quota", 400, words=("enable billing",)),
    Rule("too_large", 400, words=("request payload size exceeds",)),
    Rule("quota", 403, codes=frozenset({"BILLING_DISABLED"})),
    Rule("quota", 429, codes=frozenset({_PER_DAY}), words=("credits are depleted",)),
    Rule("timeout", 499),
)
"""The error table; what it does not name is classified by status alone."""

RETRY_AFTER_S_MAX = 86_400.0

_WAIT = re.compile(r"retry in ([\d.]+)(ms|s)", re.IGNORECASE)
_PRIVATE = re.compile(r"(projects?(?:_number)?(?:/|[ :=#]+(?=\d)))[^/\s`'\",;]+|AIza[\w-]{16,}")


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """The error of a reply with `status`; the body's own retry hint goes before the header's."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        payload = None
    return _classified(status, payload, retry_after_s(headers))


def stated(payload: Mapping[str, Any]) -> BackendError:
    """The error that a payload inside a 200 reply states in its member `error`."""
    inner = payload.get("error")
    status = inner.get("code") if isinstance(inner, Mapping) else None
    return _classified(status if isinstance(status, int) else 500, payload, None)


def _classified(status: int, payload: object, hint_s: float | None) -> BackendError:
    if isinstance(payload, list) and payload:
        payload = payload[0]
    payload = payload if isinstance(payload, Mapping) else {}
    said = error_details(payload)
    details = list(_details(payload))
    codes = (*_reasons(details), *(code for code in said.codes if not code.isdigit()))
    message = said.message or f"The upstream answered with status {status}."
    kind = next((r.kind for r in RULES if r.applies(status, codes, message.lower())), None)
    wait_s = _delay_s(details, message)
    return BackendError(
        kind or kind_of_status(status),
        _PRIVATE.sub(lambda match: (match[1] or "") + "…", message),
        status=status,
        code=next((code for code in codes if code != _PER_DAY), None),
        retry_after_s=hint_s if wait_s is None else wait_s,
    )


def _details(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    inner = payload.get("error")
    rows = inner.get("details") if isinstance(inner, Mapping) else None
    return (row for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else iter(())


def _reasons(details: list[Mapping[str, Any]]) -> Iterator[str]:
    """The words that say more than the status: `ErrorInfo.reason`, and which quota was hit."""
    for row in details:
        if isinstance(reason := row.get("reason"), str):
            yield reason
        violations = row.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, Mapping) and "PerDay" in str(violation.get("quotaId")):
                yield _PER_DAY


def _delay_s(details: list[Mapping[str, Any]], message: str) -> float | None:
    """`RetryInfo.retryDelay` ("48s"), else the same number in the sentence."""
    for row in details:
        delay = row.get("retryDelay")
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay)):
            return min(float(match[1]), RETRY_AFTER_S_MAX)
    if (match := _WAIT.search(message)) is None:
        return None
    try:
        seconds = float(match[1].rstrip(".")) / (1000 if match[2] == "ms" else 1)
    except ValueError:
        return None
    return min(seconds, RETRY_AFTER_S_MAX)
