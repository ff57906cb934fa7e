"""The long tail of vendors, through litellm's SDK; imported when a deployment first needs it."""

from headgate_providers.litellm_bridge.backend import LitellmBackend

__all__ = ["LitellmBackend"]
