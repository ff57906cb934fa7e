"""Anthropic's Messages API, and servers that imitate it."""

from headgate_providers.anthropic.backend import AnthropicBackend

__all__ = ["AnthropicBackend"]
