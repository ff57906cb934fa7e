"""Which deployments and jurisdictions each route can ever reach, by label. Static: over-stated."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.routing.compile import Compiled, CompiledRoute
from headgate.routing.sites import Site

OWN = "self"
"""The operator that is you."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What content of one label can reach over one route."""

    route: str
    label: str
    deployments: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    own_only: bool

    def __str__(self) -> str:
        if not self.deployments:
            return "-"
        return ", ".join(self.jurisdictions) + (" (own only)" if self.own_only else "")


def reach(compiled: Compiled) -> list[Reach]:
    """A row for each route and label, in their orders."""
    return [
        _reach(compiled, route, label, rank)
        for route in compiled.routes
        for label, rank in compiled.ranks.items()
    ]


def _reach(compiled: Compiled, route: CompiledRoute, label: str, rank: int) -> Reach:
    taken = all(label in allowed for key, allowed in route.matcher.allowed if key == "label")
    sites: dict[str, Site] = {}
    for terms in route.terms.values() if taken else ():
        for entry in terms.entries:
            if entry.site.clearance >= rank:
                sites[entry.site.name] = entry.site
    deployments = [site.deployment for site in sites.values()]
    return Reach(
        route.name,
        label,
        tuple(sorted(sites)),
        tuple(sorted({deployment.jurisdiction or "unknown" for deployment in deployments})),
        bool(deployments) and all(deployment.operator == OWN for deployment in deployments),
    )
