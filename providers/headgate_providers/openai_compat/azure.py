"""Azure OpenAI and Azure AI Foundry: one resource, three surfaces.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal
from urllib.parse import quote

from headgate_providers.catalog import VENDORS, Vendor
from headgate_providers.openai_compat.address import PATHS
from headgate_providers.openai_compat.backend import (
    OpenAICompatBackend,
    OpenAICompatOptions,
    capabilities_of,
)
from headgate_providers.sdk import Dialect, Target, Transport

DEPLOYMENTS_VERSION = "2024-10-21"
MODELS_VERSION = "2024-05-01-preview"
STREAM_OPTIONS_SINCE = "2024-09-01"
"""`stream_options` is refused by earlier versions of the deployments surface."""

_DEPLOYMENTS: frozenset[Dialect] = frozenset(
    {"openai_chat", "openai_completions", "openai_embeddings"}
)
_MODELS: frozenset[Dialect] = frozenset({"openai_chat", "openai_embeddings"})


class AzureOptions(OpenAICompatOptions):
    """Which surface of the resource to use."""

    api: Literal["v1", "deployments", "models"] | None = None
    """`v1`: `/openai/v1`, the current one. `deployments`: `/openai/deployments/MODEL`, where the
    model is the deployment's name. `models`: `/models` of Azure AI Foundry. Without it
    `deployments` if an `api_version` is given, else `v1`."""
    api_version: str | None = None
    """The `api-version` of the query, such as `2024-10-21`; `v1` needs none."""


class AzureBackend(OpenAICompatBackend):
    """Reaches deployments of Azure. A secret named `token` is sent as Entra ID's bearer token."""

    capabilities = capabilities_of(VENDORS["azure"])
    Options = AzureOptions

    def __init__(
        self, target: Target, transport: Transport, *, vendor: Vendor = VENDORS["azure"]
    ) -> None:
        """See `OpenAICompatBackend`."""
        super().__init__(target, transport, vendor=vendor)
        self._root = self._base.removesuffix("/v1").removesuffix("/openai").removesuffix("/models")

    @property
    def api(self) -> str:
        """The surface in use."""
        options: AzureOptions = self.options  # type: ignore[assignment]
        return options.api or ("deployments" if options.api_version else "v1")

    def specialised(self, vendor: Vendor) -> Vendor:
        """See `OpenAICompatBackend.specialised`: the surfaces differ in what they speak."""
        if self.api == "models":
            # Models of many makers behind one surface: the older words are understood by all.
            return replace(
                vendor,
                dialects=_MODELS,
                quirks=vendor.quirks | {"no_developer_role"},
                renames={"max_completion_tokens": "max_tokens"},
            )
        if self.api == "deployments":
            old = self._version() < STREAM_OPTIONS_SINCE
            drops = vendor.drops | ({"stream_options"} if old else set())
            return replace(vendor, dialects=_DEPLOYMENTS, drops=drops)
        return vendor

    def credentials(self) -> dict[str, str]:
        """See `OpenAICompatBackend.credentials`."""
        token = self.target.secrets.get("token")
        return {"authorization": f"Bearer {token}"} if token else super().credentials()

    def address(self, what: str) -> str | None:
        """See `OpenAICompatBackend.address`."""
        version = self._version()
        query = f"?api-version={quote(version)}" if version else ""
        path = PATHS[what]
        prefixes: Mapping[str, str] = {
            "v1": "/openai/v1",
            "models": "/openai" if what == "models" else "/models",
            "deployments": "/openai"
            if what == "models"
            else f"/openai/deployments/{quote(self.target.model, safe='')}",
        }
        return f"{self._root}{prefixes[self.api]}{path}{query}"

    def _version(self) -> str:
        options: AzureOptions = self.options  # type: ignore[assignment]
        usual = {"deployments": DEPLOYMENTS_VERSION, "models": MODELS_VERSION, "v1": ""}
        return options.api_version or usual[self.api]
