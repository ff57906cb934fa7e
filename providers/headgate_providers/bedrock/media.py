"""Pictures, sounds, films and files as blocks of Converse.

Converse takes bytes or an address in S3, and fetches nothing from the web.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from headgate_providers.sdk import Audio, BackendError, Document, Image

IMAGE_FORMATS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
VIDEO_FORMATS: Mapping[str, str] = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
DOCUMENT_FORMATS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
AUDIO_FORMATS = frozenset(
    {
        *("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a"),
        *("mpeg", "mpga", "pcm", "webm"),
    }
)

_SUFFIXES = {
    **{suffix: suffix for suffix in ("mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv")},
    "3gp": "three_gp",
    **{suffix: suffix for suffix in DOCUMENT_FORMATS.values()},
    **{suffix: suffix for suffix in ("png", "jpeg", "gif", "webp")},
    "jpg": "jpeg",
}
"""What an address or a file name tells, where no media type was given."""


def image_block(image: Image) -> dict[str, Any]:
    """Raises `BackendError` kind `unsupported` for an address on the web or another format."""
    kind = _format(IMAGE_FORMATS, image.media_type, image.url)
    if kind not in IMAGE_FORMATS.values():
        raise _refuse(f"The picture must be one of {_list(IMAGE_FORMATS.values())}.")
    return {"image": {"format": kind, "source": _source(image.data, image.url)}}


def audio_block(audio: Audio) -> dict[str, Any]:
    """Raises `BackendError` kind `unsupported` for a format that Converse does not take."""
    if audio.format not in AUDIO_FORMATS:
        raise _refuse(f"The sound must be one of {_list(AUDIO_FORMATS)}.")
    return {"audio": {"format": audio.format, "source": {"bytes": audio.data}}}


class Documents:
    """Makes the file blocks of one request: each needs a name of its own."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def block(self, document: Document) -> dict[str, Any]:
        """A `document` or `video` block; raises `BackendError` kind `unsupported`."""
        if document.file_id is not None:
            raise _refuse("Bedrock keeps no uploaded files; send the file itself as data.")
        media_type = (document.media_type or "").partition(";")[0].strip().lower()
        hint = document.url or document.name
        if document.text is not None:
            return self._document(document, "txt", {"text": document.text})
        source = _source(document.data, document.url)
        if media_type.startswith("video/") or _suffix(hint) in VIDEO_FORMATS.values():
            kind = _format(VIDEO_FORMATS, media_type, hint)
            if kind is None:
                raise _refuse(f"The film must be one of {_list(VIDEO_FORMATS.values())}.")
            return {"video": {"format": kind, "source": source}}
        kind = _format(DOCUMENT_FORMATS, media_type, hint)
        if kind is None and media_type.startswith("text/"):
            kind = "txt"
        if kind is None or kind not in DOCUMENT_FORMATS.values():
            raise _refuse(f"The file must be one of {_list(DOCUMENT_FORMATS.values())}.")
        if document.citations and kind == "txt" and document.data is not None:
            source = {"text": _text(document.data)}
        return self._document(document, kind, source)

    def _document(self, document: Document, kind: str, source: Mapping[str, Any]) -> dict[str, Any]:
        block: dict[str, Any] = {
            "format": kind,
            "name": self._name(document.name),
            "source": source,
        }
        if document.citations:
            block["citations"] = {"enabled": True}
        return {"document": block}

    def _name(self, given: str | None) -> str:
        """Letters, digits, single spaces, hyphens and brackets are allowed, no dots."""
        stem = re.sub(r"\.\w{1,5}$", "", given or "")
        base = re.sub(r"\s+", " ", re.sub(r"[^0-9A-Za-z\s()\[\]-]", "-", stem)).strip()[:190]
        base = base or "document"
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}-{count}"
        self._names.add(name)
        return name


def _source(data: str | None, url: str | None) -> dict[str, Any]:
    if data is not None:
        return {"bytes": data}
    if url is not None and url.startswith("s3://"):
        return {"s3Location": {"uri": url}}
    raise _refuse("Bedrock fetches nothing from the web; send the file as data or in s3://.")


def _format(formats: Mapping[str, str], media_type: str | None, hint: str | None) -> str | None:
    return formats.get((media_type or "").lower()) or _suffix(hint)


def _suffix(hint: str | None) -> str | None:
    return _SUFFIXES.get((hint or "").rpartition(".")[2].lower())


def _text(data: str) -> str:
    """Only plain text can be cited by character, so it goes as text."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BackendError("invalid_request", "The text file is not UTF-8 in base64.") from error


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


def _refuse(message: str) -> BackendError:
    return BackendError("unsupported", message, param="messages")
