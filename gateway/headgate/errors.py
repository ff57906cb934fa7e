"""What the gateway refuses, and how it says so.

GatewayError
    InvalidRequest      400, names the `param`
Every error has a stable `code` (documented in docs/errors.md), a status, and a message that says
what to do. Dialects put it into their own envelope.
"""

from __future__ import annotations


class GatewayError(Exception):
    """A refusal by the gateway, or the last failure of an upstream in the gateway's words."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, {self.code!r}, {self.message!r})"


class InvalidRequest(GatewayError):
    """The caller's request is malformed: 400 `invalid_request` with the member it is about."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(400, "invalid_request", message, param=param)
