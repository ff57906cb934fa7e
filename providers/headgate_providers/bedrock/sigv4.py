"""AWS Signature Version 4, as a pure function.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import SplitResult, quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS access key; temporary ones have a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for: a service in a region."""

    region: str
    service: str


def signature_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    scope: Scope,
    at: datetime,
) -> dict[str, str]:
    """The headers that sign a request at the moment `at`; they are to be sent beside `headers`.

    All `headers` are signed, and `host` as it follows from `url`. The path must be sent just as it
    stands in `url`.
    """
    parts = urlsplit(url)
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token
    signed = _canonical_headers({**headers, **added, "host": host_of(parts)})
    names = ";".join(signed)
    canonical = "\n".join(
        (
            method,
            canonical_path(parts.path),
            canonical_query(parts.query),
            "".join(f"{name}:{value}\n" for name, value in signed.items()),
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    granted = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, stamp, granted, digest))
    key = _signing_key(credentials.secret_access_key, stamp[:8], scope)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    added["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{granted}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return added


def host_of(parts: SplitResult) -> str:
    """The `host` header that an HTTP client sends: the port only where it is not the usual one."""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    usual = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
    return host if usual else f"{host}:{parts.port}"


def canonical_path(path: str) -> str:
    """The path, encoded once more: every service but S3 signs what was encoded already."""
    return quote(path, safe="/-_.~") or "/"


def canonical_query(query: str) -> str:
    """The parameters, encoded the one right way and sorted by their encoded form."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    encoded = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _canonical_headers(headers: Mapping[str, str]) -> dict[str, str]:
    trimmed = {name.lower(): re.sub(" +", " ", value.strip()) for name, value in headers.items()}
    return dict(sorted(trimmed.items()))


def _signing_key(secret: str, date: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
