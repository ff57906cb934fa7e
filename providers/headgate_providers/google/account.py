"""The key of a Google Cloud service account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What its JSON file says: who it is, the RSA key in PEM form, where tokens are fetched."""

    email: str
    private_key: str = field(repr=False)
    key_id: str | None = None
    project: str | None = None
    token_url: str = TOKEN_URL

    @classmethod
    def parse(cls, secret: str) -> ServiceAccount | None:
        """Read the file's content; `None` if `secret` is something else, such as a token."""
        try:
            raw: Any = orjson.loads(secret)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(raw, dict):
            return None
        email, key = raw.get("client_email"), raw.get("private_key")
        if not isinstance(email, str) or not isinstance(key, str):
            return None
        return cls(
            email,
            key,
            raw.get("private_key_id"),
            raw.get("project_id"),
            raw.get("token_uri") or TOKEN_URL,
        )
