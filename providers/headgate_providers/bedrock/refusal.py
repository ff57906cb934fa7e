"""Bedrock's errors, classified: replies with a status, and exceptions inside a stream.

https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from headgate_providers.sdk import BackendError, Rule, error_details, read_refusal

RULES: tuple[Rule, ...] = (
    Rule(
        "context_overflow",
        400,
        words=(
            "input is too long",
            "prompt is too long",
            "input tokens exceeded",
            "too many input tokens",
            "exceeds maximum length",
            "maximum context length",
            "exceed context limit",
            "exceeds the maximum number of tokens",
            "max input tokens",
        ),
    ),
    Rule(
        "not_found",
        400,
        words=(
            "model identifier is invalid",
            "on-demand throughput isn",
            "reached the end of its life",
            "marked by provider as legacy",
        ),
    ),
    Rule("content_filter", 400, words=("content filter", "responsible ai policy")),
    Rule("auth", 400, codes=frozenset({"ExpiredTokenException", "IncompleteSignature"})),
    Rule("quota", 400, codes=frozenset({"ServiceQuotaExceededException"})),
    Rule("rate_limited", 400, codes=frozenset({"ThrottlingException"})),
    Rule("not_found", 403, words=("use case details have not been submitted",)),
    Rule("timeout", 408),
    Rule("http_5xx", 424),
    Rule("overloaded", 429, codes=frozenset({"ModelNotReadyException"})),
    Rule("quota", 429, codes=frozenset({"ServiceQuotaExceededException"})),
    Rule("overloaded", 503),
)
"""The error table; what it does not name is classified by status alone."""

EXCEPTIONS: Mapping[str, int] = {
    "internalServerException": 500,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""Exceptions of a stream and the status they stand for.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

_PRIVATE = re.compile(r"arn:aws[\w-]*:[^\s'\",]+|\b\d{12}\b")


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """The error of a reply; its name stands in the header `x-amzn-errortype`."""
    details = error_details(body)
    named = headers.get("x-amzn-errortype") or next(iter(details.codes), "")
    return _classified(status, _name(named), details.message, headers)


def exception(name: str, payload: bytes) -> BackendError:
    """The error that a stream states in a message of type `exception` or `error`."""
    status = next((s for known, s in EXCEPTIONS.items() if known.lower() == name.lower()), 500)
    return _classified(status, name[:1].upper() + name[1:], error_details(payload).message, {})


def _name(given: str) -> str:
    """`ValidationException:http://…` and `com.amazon.coral.service#UnknownOperationException`."""
    return given.partition(":")[0].rpartition("#")[2].strip()


def _classified(
    status: int, name: str, message: str | None, headers: Mapping[str, str]
) -> BackendError:
    """Account numbers and resource names in the vendor's sentence are nobody's business."""
    said = _PRIVATE.sub("…", message or f"Bedrock answered with status {status}.")
    details = {"message": said, **({"code": name} if name else {})}
    return read_refusal(status, headers, orjson.dumps(details), RULES)
