"""The documents that routing is compiled from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from headgate.config.budget import Budget
from headgate.config.catalog import CatalogSpec
from headgate.config.experiment import Experiment
from headgate.config.policy import Overlay, Policy, Route


class Documents(Protocol):
    """The part of a `Configuration` that routing reads. Names in it are unique and lead somewhere.

    The digests identify what the documents say in decision records.
    """

    @property
    def catalog(self) -> CatalogSpec:
        """All catalogs as one."""
        ...

    @property
    def policies(self) -> tuple[Policy, ...]:
        """In the order their routes are asked."""
        ...

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """What teams tighten."""
        ...

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """At most one per route."""
        ...

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What expressions can ask about."""
        ...

    @property
    def catalog_digest(self) -> str:
        """Of all catalogs."""
        ...

    @property
    def policy_digest(self) -> str:
        """Of policies, overlays and experiments."""
        ...


Place = tuple[str | int, ...]
"""The path of keys and indices to something in a document."""


def placed_routes(documents: Documents) -> Iterator[tuple[Policy, Place, Route]]:
    """Every route with its policy and its place in it, in the order they are asked."""
    for policy in documents.policies:
        for index, route in enumerate(policy.spec.routes):
            yield policy, ("spec", "routes", index), route
