"""The text of a virtual key: making one, judging one that somebody chose, and its hash.

A key is `hg-` + a public id of 8 characters + `-` + 43 random characters (256 bits). The id may be
shown; the whole text is shown once and kept nowhere. What is kept is its SHA-256: a secret with
256 random bits needs no slow hash, and the lookup must be quick.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

PREFIX = "hg-"
ID_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 8
SECRET_BYTES = 32
LENGTH_MIN = 16
LENGTH_MAX = 512
"""Longer texts are never a key; what is presented is read no further."""

KNOWN_DEFAULTS = frozenset(
    {
        "admin",
        "administrator",
        "api-key",
        "api_key",
        "changeme",
        "change-me",
        "default",
        "headgate",
        "letmein",
        "master-key",
        "my-secret-key",
        "password",
        "secret",
        "sk-1234",
        "sk-12345678",
        "sk-1234567890abcdef",
        "test",
        "your-api-key",
        "your-secret-key",
    }
)
_DISTINCT_MIN = 8


class WeakKeyError(ValueError):
    """A key that must not be used; the message says why and what to do."""


def new_id() -> str:
    """A public id of a key."""
    return "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))


def new_secret(key_id: str) -> str:
    """A fresh key that carries its public id."""
    return f"{PREFIX}{key_id}-{secrets.token_urlsafe(SECRET_BYTES)}"


def digest(secret: str) -> bytes:
    """The SHA-256 of a presented key; the work does not grow beyond `LENGTH_MAX`."""
    return sha256(secret[: LENGTH_MAX + 1].encode("utf-8", "surrogatepass")).digest()


def check_strength(secret: str) -> None:
    """Refuse a key that can be guessed. Raises `WeakKeyError`."""
    how = "Choose a random one, such as from `openssl rand -hex 32`, or leave it out to get one."
    if secret.strip().lower().removeprefix("bearer ") in KNOWN_DEFAULTS:
        raise WeakKeyError(f"This key is a well-known default. {how}")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise WeakKeyError(f"A key is made of visible ASCII characters without spaces. {how}")
    if len(secret) < LENGTH_MIN:
        raise WeakKeyError(f"This key is too short: {LENGTH_MIN} characters at least. {how}")
    if len(secret) > LENGTH_MAX:
        raise WeakKeyError(f"This key is too long: {LENGTH_MAX} characters at most. {how}")
    if len(set(secret)) < _DISTINCT_MIN:
        raise WeakKeyError(f"This key is easily guessed: it repeats few characters. {how}")


def is_known_default(hashed: bytes) -> bool:
    """Whether a hash is that of a secret which everybody knows."""
    return hashed in _KNOWN_DIGESTS


_KNOWN_DIGESTS = frozenset(digest(secret) for secret in KNOWN_DEFAULTS)
