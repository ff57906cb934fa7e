"""Backends for everything that speaks a dialect of OpenAI's; the vendors are rows of `catalog`."""

from headgate_providers.catalog import Vendor
from headgate_providers.openai_compat.azure import AzureBackend
from headgate_providers.openai_compat.backend import OpenAICompatBackend

__all__ = ["AzureBackend", "OpenAICompatBackend", "backend_of"]


def backend_of(vendor: Vendor) -> type[OpenAICompatBackend]:
    """The class that reaches a vendor; only Azure's addresses need one of their own."""
    return AzureBackend if vendor.name == "azure" else OpenAICompatBackend
