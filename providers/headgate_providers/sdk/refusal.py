"""Reading an upstream's error reply: find its message, then classify it, status first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from headgate_providers.sdk.errors import BackendError, ErrorKind, kind_of_status

MESSAGE_CHARACTERS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of a backend's error table.

    It applies to `status` (any if `None`) when the vendor's code or type is one of `codes`, or its
    message contains one of `words` (lower case); a row with neither applies by status alone.
    """

    kind: ErrorKind
    status: int | None = None
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def applies(self, status: int, codes: Sequence[str], message: str) -> bool:
        """Whether this row describes the reply."""
        if self.status is not None and self.status != status:
            return False
        if not self.codes and not self.words:
            return True
        return any(code in self.codes for code in codes) or any(w in message for w in self.words)


COMMON_RULES: tuple[Rule, ...] = (
    Rule(
        "context_overflow",
        codes=frozenset({"context_length_exceeded", "exceed_context_size_error"}),
    ),
    Rule(
        "content_filter",
        codes=frozenset(
            {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
        ),
    ),
    Rule("quota", 429, codes=frozenset({"insufficient_quota", "billing_hard_limit_reached"})),
)
"""Words that OpenAI coined and its imitators share."""


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, rules: Sequence[Rule] = COMMON_RULES
) -> BackendError:
    """The error an upstream answered with `status` and `body`.

    The message is the vendor's own sentence where the body is JSON; a page of HTML is not leaked.
    """
    details = error_details(body)
    message = details.message or f"The upstream answered with status {status}."
    kind = next(
        (rule.kind for rule in rules if rule.applies(status, details.codes, message.lower())),
        None,
    )
    return BackendError(
        kind or kind_of_status(status),
        message,
        status=status,
        code=details.codes[0] if details.codes else None,
        param=details.param,
        retry_after_s=retry_after_s(headers),
    )


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What an error body says: a sentence, the vendor's codes (most specific first), a member."""

    message: str | None = None
    codes: tuple[str, ...] = ()
    param: str | None = None


def error_details(body: bytes | Mapping[str, Any]) -> ErrorDetails:
    """Find the message in the envelopes in use: `error.message`, `error`, `message`, `detail`."""
    if isinstance(body, bytes):
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ErrorDetails()
    else:
        payload = body
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, Mapping):
        return ErrorDetails(payload[:MESSAGE_CHARACTERS_MAX] if isinstance(payload, str) else None)
    inner = payload.get("error", payload)
    if not isinstance(inner, Mapping):
        inner = {**payload, "message": inner}
    message = inner.get("message", inner.get("Message", inner.get("detail")))
    if message is not None and not isinstance(message, str):
        message = orjson.dumps(message).decode()
    codes = tuple(
        str(inner[key])
        for key in ("code", "type", "error_type", "status", "__type")
        if inner.get(key)
    )
    param = inner.get("param")
    return ErrorDetails(
        message[:MESSAGE_CHARACTERS_MAX] if message else None,
        codes,
        param if isinstance(param, str) else None,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The vendor's hint in seconds: `retry-after-ms`, else `retry-after` in seconds or as a date.

    Where both are sent (Azure) the longer wait wins, so that a zero cannot cause a tight loop.
    """
    waits = []
    if (value := headers.get("retry-after-ms")) is not None:
        waits.append(_number(value, 1000.0))
    if (value := headers.get("retry-after")) is not None:
        waits.append(_number(value, 1.0) if value.strip()[:1].isdigit() else _until(value))
    known = [wait for wait in waits if wait is not None]
    return max(known) if known else None


def _number(value: str, per_second: float) -> float | None:
    try:
        seconds = float(value) / per_second
    except ValueError:
        return None
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else None


def _until(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
