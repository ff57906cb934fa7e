"""The simulated backend keeps the backend contract, as far as that needs no upstream."""

from __future__ import annotations

from headgate_providers.sdk.testing import NO_UPSTREAM, BackendConformance, Samples
from headgate_providers.simulated import SimulatedBackend


class TestSimulated(BackendConformance):
    backend = SimulatedBackend
    options = {"reply": "Hello there."}
    samples = Samples(
        says="Hello there.",
        text=NO_UPSTREAM,
        text_streamed=NO_UPSTREAM,
        usage=(6, 2),
        calls=[("get_weather", {"city": ""})],
        tool_call=NO_UPSTREAM,
        tool_call_streamed=NO_UPSTREAM,
        embeddings=NO_UPSTREAM,
        refusals={},
        failures={},
        relayed={},
    )
