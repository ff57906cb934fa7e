"""Error replies: the table, the retry hint in the body, and what must not be shown."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from headgate_providers.google.refusal import refusal
from headgate_providers.sdk import BackendError
from tests.recordings import load, needs_recordings


def refused(status: int, message: str, *details: Any, word: str = "") -> BackendError:
    error = {"code": status, "message": message, "status": word, "details": list(details)}
    return refusal(status, {}, orjson.dumps({"error": error}))


@needs_recordings
@pytest.mark.parametrize(
    ("vendor", "name", "kind", "code", "retry_after_s"),
    [
        (
            "gemini",
            "error-handling-with-gemini-2-5-flash-raises-appropriate-auth-error-0",
            "auth",
            "API_KEY_INVALID",
            None,
        ),
        (
            "gemini",
            "error-real-gemini-2-5-flash-handles-context-length-exceeded-errors-0",
            "rate_limited",
            "RESOURCE_EXHAUSTED",
            48.0,
        ),
        ("gemini", "vercel-google-429-retry-info", "rate_limited", "RESOURCE_EXHAUSTED", 34.4),
        (
            "vertex",
            "error-real-gemini-2-5-flash-handles-context-length-exceeded-errors-1",
            "context_overflow",
            "INVALID_ARGUMENT",
            None,
        ),
        (
            "vertex",
            "otel-generate-content-invalid-role-0",
            "invalid_request",
            "INVALID_ARGUMENT",
            None,
        ),
        (
            "vertex",
            "otel-generate-content-invalid-temperature-0",
            "invalid_request",
            "INVALID_ARGUMENT",
            None,
        ),
        ("vertex", "otel-generate-content-missing-model-0", "not_found", "NOT_FOUND", None),
    ],
)
def test_recorded_errors(
    vendor: str, name: str, kind: str, code: str, retry_after_s: float | None
) -> None:
    recording = load(vendor, name)
    error = refusal(recording.status, recording.headers, recording.reply)
    assert (error.kind, error.code, error.status) == (kind, code, recording.status)
    assert error.retry_after_s == retry_after_s
    assert "example-project" not in error.message


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "API key expired. Please renew the API key.", "auth"),
        (400, "User location is not supported for the API use.", "auth"),
        (400, "Request payload size exceeds the limit: 20971520 bytes.", "too_large"),
        (400, "Invalid value", "invalid_request"),
        (401, "Request had invalid authentication credentials.", "auth"),
        (403, "Permission denied", "auth"),
        (404, "models/x is not found for API version v1beta", "not_found"),
        (429, "Resource exhausted. Please try again later.", "rate_limited"),
        (429, "Your prepayment credits are depleted.", "quota"),
        (499, "The operation was cancelled.", "timeout"),
        (500, "An internal error has occurred.", "http_5xx"),
        (503, "The model is overloaded. Please try again later.", "overloaded"),
        (504, "Deadline expired before operation could complete.", "timeout"),
    ],
)
def test_table(status: int, message: str, kind: str) -> None:
    error = refused(status, message)
    assert (error.kind, error.message) == (kind, message)


def test_daily_quota_is_not_a_rate_limit() -> None:
    violations = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
    error = refused(429, "Quota", {"violations": violations}, word="RESOURCE_EXHAUSTED")
    assert (error.kind, error.code) == ("quota", "RESOURCE_EXHAUSTED")


def test_delay_in_the_sentence_is_read() -> None:
    assert refused(429, "Please retry in 1.5s.").retry_after_s == 1.5
    assert refused(429, "Please retry in 250ms.").retry_after_s == 0.25
    assert refused(429, "Please retry in 1.2.3s.").retry_after_s is None


def test_header_is_used_without_a_delay_in_the_body() -> None:
    assert refusal(503, {"retry-after": "3"}, b"").retry_after_s == 3


def test_errors_wrapped_in_a_list() -> None:
    error = {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}
    made = refusal(503, {}, orjson.dumps([{"error": error}]))
    assert (made.kind, made.message, made.code) == ("overloaded", "Overloaded", "UNAVAILABLE")


@pytest.mark.parametrize(
    "body", [b"<html>a host</html>", b"[]", b"3", b'{"error": {"details": 3}}']
)
def test_other_bodies_give_a_sentence_of_our_own(body: bytes) -> None:
    error = refusal(502, {}, body)
    assert (error.kind, error.message) == ("http_5xx", "The upstream answered with status 502.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Publisher Model `projects/acme/locations/eu` not found", "`projects/…/locations/eu`"),
        ("API has not been used in project 123456 before", "in project … before"),
        ("consumer 'project_number:123456'", "'project_number:…'"),
        ("API key AIzaSyA1234567890abcdefghij is blocked", "key … is blocked"),
        ("Check the project settings", "Check the project settings"),
    ],
)
def test_projects_and_keys_are_not_shown(said: str, shown: str) -> None:
    assert shown in refused(403, said).message
