"""What the client is told when no upstream answered: the gateway's words for upstream errors."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.errors import GatewayError
from headgate.pipeline.context import Attempt
from headgate_providers.sdk import BackendError, ErrorKind

_PASSED_ON: dict[ErrorKind, tuple[int, str]] = {
    "invalid_request": (400, "invalid_request"),
    "context_overflow": (400, "context_length_exceeded"),
    "content_filter": (400, "content_filter"),
    "too_large": (413, "request_too_large"),
    "unsupported": (400, "unsupported_parameter"),
}
"""The caller's own mistakes keep the vendor's sentence."""

_OURS: dict[ErrorKind, tuple[int, str, str]] = {
    "rate_limited": (
        429,
        "upstream_rate_limited",
        "Every deployment that may answer is limited by its vendor; try again later.",
    ),
    "quota": (
        429,
        "upstream_quota_exceeded",
        "The account with the vendor has used up its quota; ask the operator of this gateway.",
    ),
    "timeout": (504, "upstream_timeout", "No deployment answered in time; try again."),
    "auth": (
        502,
        "upstream_auth",
        "The vendor refused the gateway's credential; ask the operator of this gateway.",
    ),
    "not_found": (
        404,
        "model_not_found",
        "The vendor does not know the model behind {model!r}; ask the operator of this gateway.",
    ),
    "connect": (502, "upstream_error", "No deployment could be reached; try again."),
    "overloaded": (502, "upstream_error", "The vendor is overloaded; try again."),
}
"""What is not the caller's mistake is said without host, account or the vendor's page."""

_BROKEN = (502, "upstream_error", "The upstream failed to answer; try again.")


def refusal(attempts: Sequence[Attempt], model: str) -> GatewayError:
    """The error for a request all of whose attempts failed, decided by the last of them.

    Where every attempt was rate limited, `retry_after_s` is the earliest time one may answer.
    """
    error = attempts[-1].error
    assert error is not None
    hints = [a.error.retry_after_s for a in attempts if a.error and a.error.retry_after_s]
    return translated(error, model, min(hints) if hints else None)


def translated(error: BackendError, model: str, retry_after_s: float | None = None) -> GatewayError:
    """One upstream error as the client of `model` is told it."""
    if error.kind in _PASSED_ON:
        status, code = _PASSED_ON[error.kind]
        return GatewayError(status, code, error.message, param=error.param)
    status, code, message = _OURS.get(error.kind, _BROKEN)
    return GatewayError(status, code, message.format(model=model), retry_after_s=retry_after_s)
