"""What is installed besides the gateway itself, as far as documents name it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from pydantic import BaseModel

from headgate_providers import registry

PLUGIN_GROUP = "headgate.plugins"
"""The entry point group of plugins."""


class Lookup(Protocol):
    """Finds the schema of an extension's options by the extension's name."""

    def names(self) -> Iterable[str]:
        """Everything there is, for suggestions. Imports nothing of it."""
        ...

    def options(self, name: str) -> type[BaseModel]:
        """The schema of its options.

        Raises `LookupError` if there is none of that name, or if it cannot be loaded: then the
        message is a sentence that says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class Extensions:
    """What documents may name as `provider` of a deployment and as `use` of a plugin."""

    providers: Lookup
    plugins: Lookup


class _Providers:
    """The providers of the registry."""

    def names(self) -> list[str]:
        """See `Lookup.names`."""
        return [provider.name for provider in registry.installed()]

    def options(self, name: str) -> type[BaseModel]:
        """See `Lookup.options`."""
        return registry.resolve(name).options


class _Plugins:
    """The plugins that installed distributions register."""

    def names(self) -> list[str]:
        """See `Lookup.names`."""
        return sorted(entry_points(group=PLUGIN_GROUP).names)

    def options(self, name: str) -> type[BaseModel]:
        """See `Lookup.options`."""
        for entry in entry_points(group=PLUGIN_GROUP, name=name):
            try:
                schema: type[BaseModel] = entry.load().Options
            except (ImportError, AttributeError) as error:
                message = f"the plugin `{name}` cannot be loaded from {entry.value}: {error}"
                raise LookupError(message) from error
            return schema
        raise LookupError(f"there is no plugin `{name}`")


def installed() -> Extensions:
    """What is installed in this environment."""
    return Extensions(_Providers(), _Plugins())
