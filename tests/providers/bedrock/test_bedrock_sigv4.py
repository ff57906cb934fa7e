"""AWS's published test suite for Signature Version 4, and requests as Bedrock gets them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from headgate_providers.bedrock.sigv4 import (
    Credentials,
    Scope,
    canonical_path,
    canonical_query,
    host_of,
    signature_headers,
)

AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SUITE_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model"


@pytest.mark.parametrize(
    ("method", "query", "token", "signature"),
    [
        pytest.param(
            "GET",
            "",
            None,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            "GET",
            "?Param2=value2&Param1=value1",
            None,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            "POST",
            "",
            None,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            "POST",
            "",
            SUITE_TOKEN,
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            id="post-sts-header-before",
        ),
    ],
)
def test_published_suite(method: str, query: str, token: str | None, signature: str) -> None:
    headers = signature_headers(
        method,
        f"https://example.amazonaws.com/{query}",
        {},
        b"",
        Credentials(*KEY, token),
        Scope("us-east-1", "service"),
        AT,
    )
    names = "host;x-amz-date" + (";x-amz-security-token" if token else "")
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert headers.get("x-amz-security-token") == token


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        (
            "us.anthropic.claude-haiku-4-5-20251001-v1:0/converse",
            "378f82c518bdebf34deb02229b1f8b3f68c385ca5e3aeb88f29f1bb156a09575",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2Fus.anthropic.claude-sonnet-"
            "4-5-20250929-v1:0/converse-stream",
            "8ff3590c391c0df0fad325df282f6913a96c82a679b5f2e0626c7a7ee90953ed",
        ),
    ],
)
def test_bedrock_requests_as_botocore_signs_them(path: str, signature: str) -> None:
    headers = signature_headers(
        "POST",
        f"{BEDROCK}/{path}",
        {"content-type": "application/json"},
        b'{"messages":[]}',
        Credentials(*KEY, "session/token+=="),
        Scope("us-east-1", "bedrock"),
        AT,
    )
    assert headers["authorization"].endswith(
        f"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/model/nova:0/invoke", "/model/nova%3A0/invoke"),
        ("/model/arn%3Aaws%2Fx", "/model/arn%253Aaws%252Fx"),
        ("/ü/-_.~", "/%C3%BC/-_.~"),
    ],
)
def test_the_path_is_encoded_once_more(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical


def test_query_is_sorted_and_encoded_once() -> None:
    assert canonical_query("b=2&a=%2F&a=+&c&") == "a=%2B&a=%2F&b=2&c="


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com:443/", "example.com"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
        ("http://[::1]:80/", "[::1]"),
    ],
)
def test_host_as_an_http_client_sends_it(url: str, host: str) -> None:
    assert host_of(urlsplit(url)) == host


def test_secrets_are_not_shown() -> None:
    assert "wJalr" not in repr(Credentials(*KEY, "token")) and "token'" not in repr(
        Credentials(*KEY, "token")
    )
