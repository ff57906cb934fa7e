"""Why an upstream call failed, in one vocabulary for all vendors.

BackendError
    .kind      what happened (the words that `advance.after` of a policy uses)
    .fault     whose it is: the caller's, ours (credential, configuration) or the vendor's
"""

from __future__ import annotations

from typing import Literal, TypeAlias

ErrorKind: TypeAlias = Literal[
    "connect",
    "reset",
    "timeout",
    "rate_limited",
    "quota",
    "overloaded",
    "http_5xx",
    "malformed",
    "auth",
    "not_found",
    "invalid_request",
    "context_overflow",
    "content_filter",
    "too_large",
    "unsupported",
]

Fault: TypeAlias = Literal["caller", "ours", "vendor"]

_FAULTS: dict[ErrorKind, Fault] = {
    "connect": "vendor",
    "reset": "vendor",
    "timeout": "vendor",
    "rate_limited": "vendor",
    "quota": "ours",
    "overloaded": "vendor",
    "http_5xx": "vendor",
    "malformed": "vendor",
    "auth": "ours",
    "not_found": "ours",
    "invalid_request": "caller",
    "context_overflow": "caller",
    "content_filter": "caller",
    "too_large": "caller",
    "unsupported": "caller",
}


class BackendError(Exception):
    """An upstream call that failed.

    `message` is a sentence fit for the caller: no host, no credential, no stack trace. `status` is
    the vendor's HTTP status (`None` if there was none), `code` the vendor's own word for it,
    `param` the request member it complains about, `retry_after_s` its hint in seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def fault(self) -> Fault:
        """Whose mistake it is."""
        return _FAULTS[self.kind]

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"BackendError({self.kind!r}, {self.message!r}, status={self.status})"


_BY_STATUS: dict[int, ErrorKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    424: "http_5xx",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


def kind_of_status(status: int) -> ErrorKind:
    """The kind an HTTP status alone stands for; a backend's table refines it by code or message.

    A redirect is `malformed`: an upstream that answers one is never followed.
    """
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return "http_5xx"
    return "invalid_request" if status >= 400 else "malformed"
