"""Finds credentials in prompts and replies, and redacts or blocks them."""

from headgate_plugins.secrets.plugin import SecretsPlugin

plugin = SecretsPlugin

__all__ = ["SecretsPlugin", "plugin"]
