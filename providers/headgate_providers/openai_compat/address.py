"""Where a call goes: the base address of a deployment and the places below it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from headgate_providers.catalog import Vendor

PATHS: Mapping[str, str] = {
    "openai_chat": "/chat/completions",
    "openai_completions": "/completions",
    "openai_embeddings": "/embeddings",
    "openai_responses": "/responses",
    "anthropic_messages": "/messages",
    "models": "/models",
}
"""The places below the base address, by dialect. https://platform.openai.com/docs/api-reference"""


def base_address(vendor: Vendor, url: str | None) -> str:
    """The deployment's own address or the vendor's usual one, without a slash at its end.

    People write `http://host:8000` for a model server whose API is at `/v1`: an address without a
    path gets the vendor's. Raises `ValueError` where there is no address.
    """
    given = url or vendor.url
    if given is None:
        raise ValueError(
            f"Provider {vendor.name!r} has no usual address: set the deployment's url."
        )
    given = given.rstrip("/")
    return given if urlsplit(given).path else given + vendor.path


def place(vendor: Vendor, what: str) -> str:
    """The path of a dialect, or of `models`, at this vendor; empty if there is none."""
    return vendor.paths.get(what, PATHS[what])
