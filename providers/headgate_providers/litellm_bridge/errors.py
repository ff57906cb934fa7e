"""litellm's exceptions → `BackendError`.

Its messages hold addresses, prompts and keys, so that none of them is passed on: the reply of the
vendor, which stands at the root of the chain of causes, is read again by this table.
https://docs.litellm.ai/docs/exception_mapping
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headgate_providers.sdk import (
    COMMON_RULES,
    BackendError,
    ErrorKind,
    Rule,
    kind_of_status,
    read_refusal,
    stated_error,
)

RULES: tuple[Rule, ...] = (
    *COMMON_RULES,
    Rule("overloaded", 500, codes=frozenset({"overloaded_error"})),
    Rule("too_large", 400, codes=frozenset({"request_too_large"})),
    Rule("auth", 400, codes=frozenset({"API_KEY_INVALID"}), words=("api key not valid",)),
    Rule("quota", 400, words=("credit balance is too low",)),
    Rule("quota", 429, words=("exceeded your current quota",)),
)
"""Status first: it is the vendor's own."""

BY_CLASS: Mapping[str, ErrorKind] = {
    "ContextWindowExceededError": "context_overflow",
    "ContentPolicyViolationError": "content_filter",
    "PaymentRequiredError": "quota",
    "UnsupportedParamsError": "unsupported",
    "UnsupportedEndpointError": "unsupported",
    "EndpointNotSupportedByModelError": "unsupported",
    "LiteLLMUnknownProvider": "not_found",
}
"""What litellm found out from the words of vendors, or decides by itself."""

BY_CAUSE: Mapping[str, ErrorKind] = {
    "ConnectError": "connect",
    "ConnectTimeout": "connect",
    "ClientConnectorError": "connect",
    "ConnectionRefusedError": "connect",
    "gaierror": "connect",
    "ReadTimeout": "timeout",
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "APITimeoutError": "timeout",
    "Timeout": "timeout",
    "ReadError": "reset",
    "WriteError": "reset",
    "RemoteProtocolError": "reset",
    "ClientPayloadError": "reset",
    "ServerDisconnectedError": "reset",
    "ConnectionResetError": "reset",
    "StopAsyncIteration": "reset",
    "JSONDecodeError": "malformed",
    "KeyError": "malformed",
    "TypeError": "malformed",
    "AttributeError": "malformed",
    "IndexError": "malformed",
    "ValidationError": "malformed",
    "ModuleNotFoundError": "not_found",
}
"""What happened below litellm, by the name of the exception, most telling first."""

MESSAGES: Mapping[ErrorKind, str] = {
    "connect": "The upstream could not be reached.",
    "reset": "The upstream broke off its reply.",
    "timeout": "The upstream did not answer in time.",
    "malformed": "The upstream's reply could not be read.",
    "auth": "The upstream refused the deployment's credential.",
    "quota": "The deployment's quota at the vendor is used up.",
    "context_overflow": "The request is too long for the model.",
    "content_filter": "The vendor's content filter stopped the request.",
    "unsupported": "The vendor cannot honour a parameter of this request.",
    "not_found": "litellm does not know the model's vendor, or lacks a package for it.",
}
"""Where the vendor said nothing that may be repeated."""

_PARAMETERS = re.compile(r"does not support parameters: (\[[^\]]*\])")


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    headers: Mapping[str, str]
    body: bytes


def read_failure(error: BaseException, secret: str | None = None) -> BackendError:
    """Classify what litellm raised. The deployment's `secret` never stands in the message."""
    failure = _classified(tuple(_chain(error)))
    message = failure.message
    if failure.kind == "auth":
        message = MESSAGES["auth"]  # what the vendor says about a credential is not the caller's
    if secret:
        message = message.replace(secret, "[credential]")
    return BackendError(
        failure.kind,
        message,
        status=failure.status,
        code=failure.code,
        param=failure.param,
        retry_after_s=failure.retry_after_s,
    )


def _classified(chain: tuple[BaseException, ...]) -> BackendError:
    names = [type(link).__name__ for link in chain]
    found = next((BY_CLASS[name] for name in names if name in BY_CLASS), None)
    refusal = next((r for link in reversed(chain) if (r := _refusal(link)) is not None), None)
    if refusal is not None:
        return _read(refusal, found)
    if found is not None:
        return _told(found, chain)
    stated = next((body for link in chain if (body := _stated(link)) is not None), None)
    if stated is not None:
        return stated_error({"error": stated})
    kind = next((kind for name, kind in BY_CAUSE.items() if name in names), None)
    if kind is not None:
        return BackendError(kind, MESSAGES[kind])
    statuses = (getattr(link, "status_code", None) for link in reversed(chain))
    status = next((s for s in statuses if isinstance(s, int) and s >= 300), 500)
    kind = kind_of_status(status)
    message = MESSAGES.get(kind, "The upstream reported an error.")
    return BackendError(kind, message, status=status)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what litellm wrapped in it, and the causes of both, outermost first."""
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        links += [getattr(link, "original_exception", None), link.__cause__, link.__context__]


def _refusal(link: BaseException) -> _Refusal | None:
    """The vendor's error reply, where an HTTP client raised because of it."""
    response: Any = getattr(link, "response", None)
    status = getattr(response, "status_code", None)
    if "HTTPStatusError" not in type(link).__name__ or not isinstance(status, int):
        return None
    try:
        body = response.content
    except RuntimeError:  # a streamed body that was never read
        body = b""
    return _Refusal(status, response.headers, body if isinstance(body, bytes) else b"")


def _read(refusal: _Refusal, found: ErrorKind | None) -> BackendError:
    error = read_refusal(refusal.status, refusal.headers, refusal.body, RULES)
    error.kind = found or error.kind
    return error


def _told(kind: ErrorKind, chain: tuple[BaseException, ...]) -> BackendError:
    """litellm's own refusal. Of its words only the names of parameters are told."""
    named = next((m[1] for link in chain if (m := _PARAMETERS.search(str(link)))), None)
    message = MESSAGES[kind]
    return BackendError(kind, f"{message} Leave out: {named}." if named else message)


def _stated(link: BaseException) -> Mapping[str, object] | None:
    """The error object inside a stream, as OpenAI's client keeps it."""
    body = getattr(link, "body", None)
    return body if isinstance(body, Mapping) and body.get("message") else None
