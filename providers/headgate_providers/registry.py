"""Which backend serves a provider: a row of the catalog, or an installed entry point.

`resolve` imports a backend when it is first asked for, so that a vendor's library costs nothing
where no deployment uses it. Built-in backends come through the same door as outside ones: entry
points of the group `headgate.backends`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from pydantic import BaseModel

from headgate_providers.catalog import VENDORS, Vendor
from headgate_providers.sdk import Backend, Capabilities, Target, Transport

GROUP = "headgate.backends"
"""The entry point group of backends."""


class ProviderError(LookupError):
    """A provider cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class BackendFactory:
    """Makes the backends of one provider, and tells configuration what it must know of it.

    `options` is the schema of a deployment's options. `url` is the usual base address (`None`:
    the deployment must give one, or needs none), `secret_env` the customary variable of its key,
    `prices` its name in price lists.
    """

    name: str
    make: Callable[[Target, Transport], Backend]
    options: type[BaseModel]
    capabilities: Capabilities
    url: str | None = None
    secret_env: str | None = None
    prices: str | None = None

    def __call__(self, target: Target, transport: Transport) -> Backend:
        """A backend for one deployment; raises `ValueError` if the deployment lacks something."""
        return self.make(target, transport)


@dataclass(frozen=True, slots=True)
class Installed:
    """A provider that can be named; nothing of it has been imported.

    `source` tells where it comes from: a row of the `catalog`, or the `distribution` that
    registers it.
    """

    name: str
    source: Literal["catalog", "entry point"]
    distribution: str | None = None
    url: str | None = None
    secret_env: str | None = None


def resolve(provider: str) -> BackendFactory:
    """The factory of a provider's backends.

    Raises `ProviderError` for an unknown name, a name claimed twice, a missing optional dependency
    or an entry point that leads to no backend.
    """
    if provider in VENDORS:
        return _of_row(VENDORS[provider])
    found = tuple(entry_points(group=GROUP, name=provider))
    if not found:
        raise ProviderError(_unknown(provider))
    owners = sorted({_distribution(entry) or "?" for entry in found})
    if len(owners) > 1:
        raise ProviderError(
            f"Provider {provider!r} is registered by {' and '.join(owners)}: uninstall all but one."
        )
    return _of_entry(found[0])


def installed() -> list[Installed]:
    """Every provider that can be named, sorted; a row of the catalog hides an entry point."""
    found = {
        entry.name: Installed(entry.name, "entry point", _distribution(entry))
        for entry in entry_points(group=GROUP)
    }
    found |= {
        row.name: Installed(row.name, "catalog", None, row.url, row.secret_env)
        for row in VENDORS.values()
    }
    return [found[name] for name in sorted(found)]


def _of_row(row: Vendor) -> BackendFactory:
    from headgate_providers.openai_compat import backend_of
    from headgate_providers.openai_compat.backend import capabilities_of

    backend = backend_of(row)
    return BackendFactory(
        row.name,
        partial(backend, vendor=row),
        backend.Options,
        capabilities_of(row),
        row.url,
        row.secret_env,
        row.prices,
    )


def _of_entry(entry: EntryPoint) -> BackendFactory:
    try:
        backend = entry.load()
    except ModuleNotFoundError as error:
        raise ProviderError(_missing(entry, error.name or "?")) from error
    except (ImportError, AttributeError) as error:
        raise ProviderError(
            f"Provider {entry.name!r} cannot be loaded from {entry.value}: {error}."
        ) from error
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise ProviderError(
            f"Provider {entry.name!r} is registered as {entry.value}, which is no subclass of "
            "headgate_providers.sdk.Backend."
        )
    return BackendFactory(
        entry.name,
        backend,
        backend.Options,
        backend.capabilities,
        getattr(backend, "default_url", None),
        getattr(backend, "secret_env", None),
        getattr(backend, "prices", None),
    )


def _unknown(provider: str) -> str:
    names = [row.name for row in installed()]
    close = get_close_matches(provider.lower(), names, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no provider {provider!r}.{hint} Installed: {', '.join(names)}."


def _missing(entry: EntryPoint, module: str) -> str:
    """Name the extra that brings the missing package, as the distribution's metadata tells it."""
    package = module.partition(".")[0]
    if package == entry.module.partition(".")[0]:
        return f"Provider {entry.name!r} is registered as {entry.value}, which does not exist."
    extra = _extra_with(entry, package)
    distribution = _distribution(entry)
    what = f"{distribution}[{extra}]" if distribution and extra else package
    return f"Provider {entry.name!r} needs the package {package!r}: install {what}."


def _extra_with(entry: EntryPoint, package: str) -> str | None:
    requirements = (entry.dist.requires or []) if entry.dist else []
    for requirement in requirements:
        named = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        if named and extra and _normal(named.group()) == _normal(package):
            return extra.group(1)
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(entry: EntryPoint) -> str | None:
    return entry.dist.name if entry.dist else None
