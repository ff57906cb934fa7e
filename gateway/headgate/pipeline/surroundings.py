"""What routing knows of deployments besides the documents: protocols and list prices."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal

from headgate.config.catalog import Deployment
from headgate.config.configuration import Configuration
from headgate.config.problems import ConfigError
from headgate.ledger.price_book import PriceBook, override
from headgate.ledger.prices import Price
from headgate.routing.compile import Compiled, compile_documents
from headgate.routing.findings import PolicyError
from headgate.routing.sites import Surroundings
from headgate_providers import registry
from headgate_providers.registry import ProviderError
from headgate_providers.sdk import Backend, Capabilities

NO_FLEET: Mapping[str, Backend] = {}


def compiled(
    configuration: Configuration, prices: PriceBook, fleet: Mapping[str, Backend]
) -> Compiled:
    """The policy, ready to decide; raises `ConfigError` with file and line of what is wrong."""
    try:
        return compile_documents(configuration, surroundings(configuration, prices, fleet))
    except PolicyError as error:
        problems = [
            configuration.problem(finding.document, finding.place, finding.message)
            for finding in error.findings
        ]
        raise ConfigError(problems, configuration.files) from error


def surroundings(
    configuration: Configuration, prices: PriceBook, fleet: Mapping[str, Backend] = NO_FLEET
) -> Surroundings:
    """Of every deployment in the fleet, or else of every one whose provider is installed."""
    capabilities: dict[str, frozenset[str]] = {}
    listed: dict[str, tuple[Decimal | None, Decimal | None]] = {}
    for deployment in configuration.catalog.deployments:
        backend = fleet.get(deployment.name)
        known = backend.capabilities if backend else _capabilities(deployment.provider)
        if known is not None:
            capabilities[deployment.name] = frozenset[str](known.operations | known.features)
        price = price_of(deployment, prices)
        if price is not None:
            listed[deployment.name] = (price.rates.input, price.rates.output)
    return Surroundings(capabilities, listed, configuration.gateway.timeouts)


class CurrentPrices:
    """The prices of a configuration's deployments, looked up at most once a minute each."""

    def __init__(self, configuration: Configuration, prices: PriceBook) -> None:
        self._deployments = {d.name: d for d in configuration.catalog.deployments}
        self._prices = prices
        self._known: dict[str, Price | None] = {}
        self._minute = 0

    def __call__(self, deployment: str) -> Price | None:
        """The price in force now; `None` if it is unknown."""
        minute = int(time.time()) // 60
        if minute != self._minute:
            self._minute = minute
            self._known.clear()
        if deployment not in self._known:
            self._known[deployment] = price_of(self._deployments[deployment], self._prices)
        return self._known[deployment]


def price_of(deployment: Deployment, prices: PriceBook) -> Price | None:
    """The deployment's own price, else the list price in force now; `None` if neither is known."""
    if deployment.price is not None:
        return override(deployment.price)
    try:
        seller = registry.resolve(deployment.provider).prices or deployment.provider
    except ProviderError:
        seller = deployment.provider
    return prices.price(seller, deployment.model_name)


def _capabilities(provider: str) -> Capabilities | None:
    try:
        return registry.resolve(provider).capabilities
    except ProviderError:
        return None
