"""Secret references: read where they point to, kept out of everything that is shown.

A document says `env:NAME` or `file:/path` (`catalog.SecretReference`); the value is read when the
configuration is loaded and lives in `Secrets` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE_BYTES_MAX = 64 * 1024

_CREDENTIAL = re.compile(
    r"\b(?:"
    r"sk-[A-Za-z0-9_-]{20,}"
    r"|gsk_[A-Za-z0-9]{20,}"
    r"|xai-[A-Za-z0-9]{20,}"
    r"|hf_[A-Za-z0-9]{20,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
    r")"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/@\s:]*:[^/@\s]+@"
)


class SecretMissing(Exception):
    """A reference that points to nothing usable; the message is a sentence without the value."""


class Secrets(Mapping[str, str]):
    """The credentials of one deployment by name. Never shows them."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def __reduce__(self) -> tuple[type, tuple[()]]:
        raise TypeError("secrets are not written anywhere")


def resolve(reference: str, environ: Mapping[str, str]) -> str:
    """The value a reference points to, without space around it. Raises `SecretMissing`."""
    scheme, _, place = reference.partition(":")
    value = _from_environment(place, environ) if scheme == "env" else _from_file(Path(place))
    if not value.isprintable() and "-----BEGIN" not in value and not value.startswith("{"):
        raise SecretMissing(f"{_words(scheme, place)} holds more than one line; it must be a key")
    return value


def _words(scheme: str, place: str) -> str:
    return f"the environment variable {place}" if scheme == "env" else f"the file {place}"


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "").strip()
    if not value:
        state = "is empty" if name in environ else "is not set"
        raise SecretMissing(f"{_words('env', name)} {state}")
    return value


def _from_file(path: Path) -> str:
    words = _words("file", str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise SecretMissing(f"{words} does not exist") from None
    except OSError as error:
        raise SecretMissing(f"{words} cannot be read ({error.strerror})") from None
    if len(raw) > FILE_BYTES_MAX:
        raise SecretMissing(f"{words} is larger than {FILE_BYTES_MAX // 1024} KiB")
    try:
        value = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise SecretMissing(f"{words} is not text") from None
    if not value:
        raise SecretMissing(f"{words} is empty")
    return value


def looks_like_credential(text: str) -> bool:
    """Whether a text in a document is a vendor's key, a private key or a URL with a password."""
    return _CREDENTIAL.search(text) is not None
