"""Anthropic's errors: their table, in replies of their own and inside streams.

https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.sdk import BackendError, Rule, read_refusal

_SPENT = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
    }
)

RULES: tuple[Rule, ...] = (
    Rule("context_overflow", 400, words=("prompt is too long", "exceed context limit")),
    Rule("quota", 400, words=("credit balance is too low", "specified api usage limits")),
    Rule("content_filter", 400, words=("content filtering policy",)),
    Rule("auth", 401),
    Rule("quota", 402),
    Rule("auth", 403),
    Rule("not_found", 404),
    Rule("timeout", 408),
    Rule("too_large", 413),
    Rule("quota", 429, codes=_SPENT),
    Rule("overloaded", 429, codes=frozenset({"overloaded_error"})),
    Rule("rate_limited", 429),
    Rule("overloaded", 500, codes=frozenset({"overloaded_error"})),
    Rule("overloaded", 503),
    Rule("timeout", 504),
    Rule("overloaded", 529),
)
"""Status first; a 400 that no row names is the caller's, a 5xx the vendor's."""

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
    "timeout_error": 504,
}

_PARAM = re.compile(r"([a-z_]+(?:\.\w+)*): ")
"""The API names the member it complains about before the complaint."""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """The error an error reply stands for."""
    error = read_refusal(status, headers, _with_code(body), RULES)
    found = _PARAM.match(error.message)
    if error.kind == "invalid_request" and error.param is None and found is not None:
        error.param = found[1]
    return error


def stated_refusal(payload: Mapping[str, Any]) -> BackendError:
    """The error told inside a reply whose status said 200."""
    inner = payload.get("error")
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    status = _STATUS_OF.get(kind, 500) if isinstance(kind, str) else 500
    return refusal(status, {}, orjson.dumps(dict(payload)))


def _with_code(body: bytes) -> bytes:
    """Bring `error.details.error_code`, the finest word there is, to where codes are looked for."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    inner = payload.get("error") if isinstance(payload, dict) else None
    details = inner.get("details") if isinstance(inner, dict) else None
    code = details.get("error_code") if isinstance(details, dict) else None
    if not isinstance(inner, dict) or not isinstance(code, str):
        return body
    return orjson.dumps(payload | {"error": inner | {"code": code}})
