"""Property tests have no time limit per example: machines are noisy, and time is not asserted."""

from hypothesis import HealthCheck, settings

settings.register_profile("headgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headgate")
