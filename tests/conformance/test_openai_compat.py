"""The vendors of the catalog keep the backend contract: every row, with all that it claims."""

from __future__ import annotations

from dataclasses import replace

from headgate_providers.catalog import GENERIC, VENDORS, Vendor
from headgate_providers.openai_compat import backend_of
from headgate_providers.openai_compat.backend import capabilities_of
from headgate_providers.sdk import Backend, Target, Transport
from headgate_providers.sdk.testing import BackendConformance, Samples
from tests.conformance.openai_samples import CHAT, NO_CHAT, RELAYED


def samples_of(vendor: Vendor) -> Samples:
    """What a vendor of this row answers: all that its row claims."""
    claims = capabilities_of(vendor)
    samples = CHAT if "chat" in claims.operations else NO_CHAT
    if "tools" not in claims.features:
        samples = replace(samples, calls=[], tool_call=None, tool_call_streamed=None)
    if "embeddings" not in claims.operations:
        samples = replace(samples, embeddings=None)
    relayed = {dialect: RELAYED[dialect] for dialect in claims.dialects}
    return replace(samples, relayed=relayed)


class RowConformance(BackendConformance):
    """The conformance of one row."""

    vendor: Vendor
    path = "/v1"

    def make(self, target: Target, transport: Transport) -> Backend:
        return backend_of(self.vendor)(target, transport, vendor=self.vendor)


def conformance_of(vendor: Vendor) -> type[RowConformance]:
    members = {
        "vendor": vendor,
        "backend": backend_of(vendor),
        "samples": samples_of(vendor),
    }
    return type(f"Test_{vendor.name}", (RowConformance,), members)


for row in (GENERIC, *VENDORS.values()):
    globals()[f"Test_{row.name}"] = conformance_of(row)
