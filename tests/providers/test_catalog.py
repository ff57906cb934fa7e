"""The rows of the catalog: complete, consistent, and true to the names people know."""

from __future__ import annotations

import re
from typing import get_args
from urllib.parse import urlsplit

import pytest

from headgate_providers.catalog import GENERIC, QUIRKS, VENDORS, Quirk, Vendor
from headgate_providers.openai_compat.address import PATHS
from headgate_providers.openai_compat.backend import capabilities_of
from headgate_providers.sdk import FEATURES

PROMISED = {
    "openai", "azure", "groq", "mistral", "deepseek", "xai", "together", "fireworks", "openrouter",
    "perplexity", "huggingface", "vllm", "sglang", "llamacpp", "ollama", "lmstudio", "alibaba",
    "moonshot", "gpustack", "ollama_cloud", "bedrock_mantle", "voyage",
}  # fmt: skip

rows = pytest.mark.parametrize("row", [*VENDORS.values(), GENERIC], ids=lambda row: row.name)


def test_everyone_promised_is_there() -> None:
    assert VENDORS.keys() >= PROMISED


def test_every_quirk_is_explained_with_a_source_and_in_use() -> None:
    assert QUIRKS.keys() == set(get_args(Quirk))
    assert all("https://" in reason for reason in QUIRKS.values())
    assert set().union(*(row.quirks for row in VENDORS.values())) == QUIRKS.keys()


@rows
def test_names_and_addresses(row: Vendor) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)
    if row.secret_env is not None:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", row.secret_env)
    if row.url is not None:
        address = urlsplit(row.url)
        assert not row.url.endswith("/")
        assert address.scheme == ("http" if address.hostname == "127.0.0.1" else "https")
        assert row.secret_env or address.hostname == "127.0.0.1"
        assert row.path in ("/v1", address.path)
    assert row.path == "" or row.path.startswith("/")


@rows
def test_claims_are_in_the_vocabulary_and_consistent(row: Vendor) -> None:
    assert row.features <= FEATURES
    assert row.paths.keys() <= PATHS.keys()
    assert capabilities_of(row).operations
    assert ("document" in row.features) == (row.documents is not None)
    assert "tools" in row.features or "parallel_tool_calls" not in row.features
    if "counts_tokens" in row.quirks:
        assert "anthropic_messages" in row.dialects
    if "echo_reasoning" in row.quirks:
        assert row.reasoning_history == "reasoning_content"


@rows
def test_nothing_a_vendor_refuses_is_also_claimed(row: Vendor) -> None:
    gone = row.drops | set(row.renames)
    assert not row.features & row.drops
    assert "messages" not in gone
    assert "model" not in gone


def test_variables_belong_to_one_vendor_each() -> None:
    variables = [row.secret_env for row in VENDORS.values() if row.secret_env]
    assert len(variables) == len(set(variables))
