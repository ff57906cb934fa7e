"""Deployments, prepared for quick decisions, and the selections that policies make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from headgate.config.catalog import Deployment, Model, TimeoutLimits
from headgate.config.policy import Select
from headgate.routing.decision import FEMTO_USD
from headgate.routing.globs import globbed

_IMPLIED = {
    "chat": "completion",
    "tools": "parallel_tool_calls",
    "json_schema": "json_object",
}
MODEL_FEATURES = frozenset(
    {"tools", "parallel_tool_calls", "json_object", "json_schema", "reasoning"}
)
"""Features that are the model's doing; the others are the protocol's."""

_SELECTABLE = ("model", "deployment", "operator", "provider", "region", "jurisdiction", "tag")
_PER_TOKEN = Decimal(10) ** (-FEMTO_USD - 6)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A deployment with all that decisions ask of it. `None` in a set's place is: anything."""

    deployment: Deployment
    name: str
    clearance: int
    status: str
    able: frozenset[str] | None
    """What the model can do: operations and model features."""
    takes: frozenset[str] | None
    """The modalities of the model's input."""
    speaks: frozenset[str] | None
    """What the backend's protocol can express: operations, features, modalities."""
    languages: frozenset[str] | None
    context: int | None
    evals: Mapping[str, float]
    price_in: int | None
    """Femto-USD per token."""
    price_out: int | None
    domain: tuple[str | None, str | None]
    """What fails together: operator and region."""
    timeouts: Mapping[str, float]
    """The deployment's limits, completed by the gateway's."""
    seed: int
    """For ties."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known about deployments from outside the documents, by deployment name.

    `capabilities` are the operations and features that the backend's protocol can express (absent:
    not known, taken as everything); `prices` those of the price list, USD per
    million input and output tokens. `timeouts` are the limits of the whole gateway.
    """

    capabilities: Mapping[str, frozenset[str]]
    prices: Mapping[str, tuple[Decimal | None, Decimal | None]]
    timeouts: TimeoutLimits = field(default_factory=TimeoutLimits)


NO_SURROUNDINGS = Surroundings({}, {})


def build_site(
    deployment: Deployment,
    models: Mapping[str, Model],
    ranks: Mapping[str, int],
    around: Surroundings,
) -> Site:
    """Prepare a deployment. `ranks` are the sensitivity labels, the lowest is 0."""
    name = deployment.name
    model = models.get(deployment.model) or Model()
    own = deployment.price
    price = (own.input, own.output) if own else around.prices.get(name)
    every = "*" in model.languages
    return Site(
        deployment=deployment,
        name=name,
        clearance=ranks[deployment.clearance] if deployment.clearance is not None else 0,
        status=model.status,
        able=_with_implied(model.capabilities),
        takes=None if model.input is None else frozenset(model.input),
        speaks=around.capabilities.get(name),
        languages=None if every else frozenset(map(primary_language, model.languages)),
        context=model.context,
        evals=model.evals,
        price_in=_femto(price[0] if price else None),
        price_out=_femto(price[1] if price else None),
        domain=(deployment.operator or deployment.provider, deployment.region),
        timeouts=limits(around.timeouts) | limits(deployment.timeouts),
        seed=seed(name),
    )


def limits(timeouts: TimeoutLimits) -> dict[str, float]:
    """Those that are given, by the names of the SDK's `Timeouts`."""
    return timeouts.model_dump(exclude_none=True)


def seed(text: str) -> int:
    """64 bits that stand for a text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def primary_language(tag: str) -> str:
    """`pt` of `pt-BR`."""
    return tag.partition("-")[0].lower()


def _with_implied(capabilities: tuple[str, ...] | None) -> frozenset[str] | None:
    if capabilities is None:
        return None
    return frozenset(capabilities).union(_IMPLIED[c] for c in capabilities if c in _IMPLIED)


def _femto(per_million_usd: Decimal | None) -> int | None:
    return None if per_million_usd is None else int(per_million_usd * _PER_TOKEN)


class Fleet:
    """All deployments, with an index for every key of `select`."""

    def __init__(self, sites: Iterable[Site], models: Mapping[str, Model]) -> None:
        self.sites = tuple(sites)
        self._models = models
        self.names = tuple(site.name for site in self.sites)
        self._by_key: dict[str, dict[str, set[int]]] = {key: {} for key in _SELECTABLE}
        for position, site in enumerate(self.sites):
            for key, value in _selectable(site.deployment, models):
                self._by_key[key].setdefault(value, set()).add(position)

    def select(self, select: Select) -> list[int]:
        """Positions of the deployments that fit, in the catalog's order."""
        chosen: set[int] | None = None
        for key in select.model_fields_set:
            wanted = getattr(select, key)
            if wanted is None:
                continue
            fits = set().union(*(self._fits(key, value) for value in wanted))
            chosen = fits if chosen is None else chosen & fits
        return list(range(len(self.sites))) if chosen is None else sorted(chosen)

    def known(self, key: str) -> Iterable[str]:
        """The values by which `select: {key: …}` finds something."""
        return self._by_key[key].keys()

    def _fits(self, key: str, wanted: str) -> set[int]:
        index = self._by_key[key]
        if "*" not in wanted:
            return index.get(wanted, set())
        fits = globbed(wanted)
        return set().union(*(places for value, places in index.items() if fits(value)))

    def directly(self) -> dict[str, list[int]]:
        """Name a client may ask for → the deployments that answer to it."""
        asked: dict[str, list[int]] = {}
        for position, site in enumerate(self.sites):
            deployment = site.deployment
            for name in dict.fromkeys((*_models_of(deployment, self._models), deployment.name)):
                asked.setdefault(name, []).append(position)
        return asked


def _models_of(deployment: Deployment, models: Mapping[str, Model]) -> Iterable[str]:
    model = models.get(deployment.model)
    return (deployment.model, *(model.aliases if model else ()), *deployment.serves)


def _selectable(deployment: Deployment, models: Mapping[str, Model]) -> Iterable[tuple[str, str]]:
    yield "deployment", deployment.name
    for key in ("operator", "provider", "region", "jurisdiction"):
        value = getattr(deployment, key)
        if value is not None:
            yield key, value
    for tag in deployment.tags:
        yield "tag", tag
    for name in _models_of(deployment, models):
        yield "model", name
