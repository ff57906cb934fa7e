"""A backend without an upstream: deterministic answers that say they are simulated."""

from headgate_providers.simulated.backend import SimulatedBackend

__all__ = ["SimulatedBackend"]
