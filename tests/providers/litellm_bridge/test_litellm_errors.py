"""litellm's exceptions → errors, by the evidence in their causes and never by their words."""

from __future__ import annotations

from itertools import pairwise

import httpx
import pytest

from headgate_providers.litellm_bridge.errors import BY_CAUSE, BY_CLASS, read_failure
from headgate_providers.sdk import ErrorKind

SECRET = "sk-very-secret"


def raised(name: str, message: str = "at http://10.0.0.1: Hi", **members: object) -> Exception:
    """An exception of a class of this name, as litellm and the clients below it have them."""
    error: Exception = type(name, (Exception,), members)(message)
    return error


def caused(*errors: Exception) -> Exception:
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


def refused(status: int, body: str, **headers: str) -> Exception:
    request = httpx.Request("POST", "http://10.0.0.1/v1")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, text=body, headers=named, request=request)
    return httpx.HTTPStatusError("at http://10.0.0.1", request=request, response=response)


@pytest.mark.parametrize(("name", "kind"), BY_CAUSE.items())
def test_causes(name: str, kind: ErrorKind) -> None:
    error = read_failure(caused(raised("InternalServerError", status_code=500), raised(name)))
    assert error.kind == kind
    assert "10.0.0.1" not in str(error)


@pytest.mark.parametrize(("name", "kind"), BY_CLASS.items())
def test_litellms_own_findings(name: str, kind: ErrorKind) -> None:
    error = read_failure(raised(name, status_code=400))
    assert error.kind == kind
    assert "10.0.0.1" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"error": {"message": "temperature: too hot"}}', "invalid_request"),
        (400, '{"error": {"message": "m", "code": "context_length_exceeded"}}', "context_overflow"),
        (401, '{"error": {"message": "Wrong key."}}', "auth"),
        (404, '{"error": {"message": "No such model."}}', "not_found"),
        (429, '{"error": {"message": "Slow down."}}', "rate_limited"),
        (429, '{"error": {"message": "m", "code": "insufficient_quota"}}', "quota"),
        (502, "<html>10.0.0.1</html>", "http_5xx"),
        (529, "", "overloaded"),
    ],
)
def test_refusals_of_the_vendor(status: int, body: str, kind: ErrorKind) -> None:
    outer = raised("InternalServerError", status_code=500)
    error = read_failure(caused(outer, refused(status, body)))
    assert (error.kind, error.status) == (kind, status)
    assert "10.0.0.1" not in str(error)


def test_the_vendors_sentence_and_hint_are_kept() -> None:
    body = '{"error": {"message": "Slow down.", "param": "x"}}'
    error = read_failure(caused(raised("RateLimitError"), refused(429, body, retry_after="7")))
    assert (error.message, error.param, error.retry_after_s) == ("Slow down.", "x", 7.0)


def test_a_finding_refines_a_refusal() -> None:
    body = '{"error": {"message": "prompt is too long"}}'
    error = read_failure(caused(raised("ContextWindowExceededError"), refused(400, body)))
    assert (error.kind, error.message) == ("context_overflow", "prompt is too long")


def test_the_secret_is_never_told() -> None:
    for status in (400, 401):
        body = f'{{"error": {{"message": "You sent {SECRET} to us."}}}}'
        error = read_failure(caused(raised("APIError"), refused(status, body)), SECRET)
        assert SECRET not in str(error) + error.message
        assert error.message.strip()


def test_parameters_are_named() -> None:
    said = "anthropic does not support parameters: ['seed'], for model=m at http://10.0.0.1"
    error = read_failure(raised("UnsupportedParamsError", said, status_code=400))
    assert error.message == (
        "The vendor cannot honour a parameter of this request. Leave out: ['seed']."
    )


def test_an_error_stated_in_a_stream() -> None:
    stated = raised("APIError", body={"message": "Slow down.", "code": "rate_limit_exceeded"})
    outer = raised("MidStreamFallbackError", status_code=500, original_exception=stated)
    error = read_failure(outer)
    assert (error.kind, error.message) == ("rate_limited", "Slow down.")


def test_a_status_alone() -> None:
    error = read_failure(raised("ServiceUnavailableError", status_code=503))
    assert (error.kind, error.status) == ("overloaded", 503)
    assert read_failure(raised("Strange")).kind == "http_5xx"


def test_causes_in_a_circle_end() -> None:
    first, second = raised("A"), raised("B")
    first.__cause__, second.__cause__ = second, first
    assert read_failure(first).kind == "http_5xx"
