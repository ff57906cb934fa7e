"""The composition root: the only module that knows concrete classes and puts them together.

`Gateway` has the lifetime of the process; an `Engine` has that of one configuration.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from importlib.metadata import entry_points
from pathlib import Path

import orjson
from starlette.applications import Starlette

from headgate.access.first_key import VARIABLE as ADMIN_KEY
from headgate.access.first_key import ensure_admin_key
from headgate.access.identities import Directory
from headgate.access.keys import KeyStore, KeyStoreError
from headgate.access.secrets import WeakKeyError
from headgate.config.catalog import Catalog, Deployment
from headgate.config.configuration import Configuration
from headgate.config.data_dir import VARIABLE as DATA_DIR
from headgate.config.data_dir import default_data_dir
from headgate.config.extensions import PLUGIN_GROUP, installed
from headgate.config.load import load
from headgate.config.problems import ConfigError, Problem
from headgate.config.watch import Reloader
from headgate.http.body import BodyLimits
from headgate.http.routes import Edge, Endpoints, new_app
from headgate.ledger.price_book import PriceBook
from headgate.ledger.store import LedgerError, SqliteLedger
from headgate.pipeline.engine import Engine
from headgate.pipeline.stages.admit import Admit
from headgate.pipeline.stages.dispatch import Dispatch
from headgate.pipeline.stages.guard import Guard
from headgate.pipeline.stages.route import Route
from headgate.pipeline.stages.settle import Settle
from headgate.pipeline.surroundings import CurrentPrices, compiled
from headgate.routing.health import Health
from headgate.telemetry.exporters import ExporterMissing, recorders
from headgate.telemetry.logging import ForwardingHandler, flush, new_logger
from headgate.telemetry.metrics import Metrics
from headgate_plugins.sdk import Plugin
from headgate_providers import registry
from headgate_providers.sdk import AiohttpTransport, Backend, Target, Timeouts, Transport


class StartError(Exception):
    """The gateway cannot start; the message says what to do."""


class Gateway:
    """Everything that lives as long as the process. `new_admin_key` is to be shown once."""

    def __init__(
        self,
        configuration: Configuration,
        paths: Sequence[Path],
        data_dir: Path,
        environ: Mapping[str, str],
    ) -> None:
        """Open the ledger and the keys; raises `StartError`."""
        telemetry = configuration.gateway.telemetry
        self.configuration = configuration
        self.logger = new_logger(telemetry.log_level, telemetry.log_format)
        logging.getLogger("uvicorn").addHandler(ForwardingHandler(self.logger))
        self.data_dir = data_dir
        self._paths = tuple(paths)
        self._environ = environ
        self._metrics = Metrics()
        self._health = Health()
        self._prices = PriceBook()
        self._transport = AiohttpTransport()
        self._opened: list[Engine] = []
        self._stopping = False
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._ledger = SqliteLedger(data_dir)
            with closing(KeyStore(data_dir)) as store:
                self.new_admin_key = ensure_admin_key(store, environ.get(ADMIN_KEY))
            self._directory = Directory(data_dir, configuration.access)
            self._recorders = recorders(environ)
        except (OSError, LedgerError, KeyStoreError, WeakKeyError, ExporterMissing) as error:
            raise StartError(str(error)) from error
        self._engine = self._prepare(configuration)
        self.app = self._new_app()

    def abandon(self) -> None:
        """Close what was opened, for a process that only watches over others that serve."""
        self._ledger.close()
        for recorder in self._recorders:
            recorder.close()

    def _new_app(self) -> Edge:
        server = self.configuration.gateway.server
        return new_app(
            Endpoints(
                engine=lambda: self._engine,
                limits=BodyLimits(server.limits.body_bytes),
                metrics=self._metrics if self.configuration.gateway.telemetry.metrics else None,
                unready=self._unready,
                find_decision=self._find_decision,
                logger=self.logger,
            ),
            self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self._take_over(self.configuration, self._engine)
        reloader = Reloader(
            self.configuration,
            self._paths,
            load=lambda: load(self._paths, installed(), self._environ),
            swap=self._reload,
            failed=self._refused,
        )
        reloader.listen()
        tasks = [
            asyncio.create_task(reloader.watch()),
            asyncio.create_task(self._directory.watch()),
        ]
        try:
            yield
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._close()

    async def _close(self) -> None:
        """Close in reverse order of opening; the ledger writes what it holds."""
        for engine in reversed(self._opened):
            for plugin in reversed(list(engine.guard.plugins.values())):
                await plugin.close()
        await self._transport.aclose()
        for recorder in self._recorders:
            await asyncio.to_thread(recorder.close)
        await asyncio.to_thread(self._ledger.close)
        flush(self.logger)

    def _prepare(self, configuration: Configuration) -> Engine:
        """An engine for a configuration; raises `ConfigError`. Opens nothing."""
        fleet = _fleet(configuration, self._transport)
        policy = compiled(configuration, self._prices, fleet)
        plugins = _plugins(configuration)
        deployments = {d.name: d for d in configuration.catalog.deployments}
        settle = Settle(
            self._ledger,
            CurrentPrices(configuration, self._prices),
            deployments,
            self._metrics,
            self._recorders,
            self.logger,
        )
        everywhere = [use.use for use in configuration.gateway.plugins if use.everywhere]
        return Engine(
            admit=Admit(self._directory),
            route=Route(policy, self._health, self._metrics),
            guard=Guard(plugins, everywhere, self._metrics),
            dispatch=Dispatch(fleet, self._health, self._metrics, settle.cost_usd),
            settle=settle,
        )

    async def _take_over(self, configuration: Configuration, engine: Engine) -> None:
        """Put a configuration in force; requests under way keep the one they began with."""
        for plugin in engine.guard.plugins.values():
            await plugin.open()
        self._directory.configure(configuration.access)
        self._engine = engine
        self._opened.append(engine)
        self.configuration = configuration
        self._metrics.policy_taken_over(configuration.policy_digest)
        self.logger.info(
            "configuration in force",
            policy=configuration.policy_digest[:12],
            catalog=configuration.catalog_digest[:12],
            deployments=len(configuration.catalog.deployments),
        )

    async def _reload(self, configuration: Configuration) -> None:
        await self._take_over(configuration, self._prepare(configuration))

    def _refused(self, problems: Sequence[Problem]) -> None:
        self._metrics.policy_refused()
        for problem in problems:
            self.logger.error("configuration refused, the old one stays", problem=str(problem))

    def _unready(self) -> str | None:
        if self._stopping:
            return "stopping"
        status = self._ledger.status()
        return None if status.healthy else f"the ledger cannot be written: {status.error}"

    async def _find_decision(self, decision_id: str) -> tuple[str, bytes] | None:
        record = await self._ledger.decision(decision_id)
        return None if record is None else (orjson.loads(record)["team"], record)


def _plugins(configuration: Configuration) -> dict[str, Plugin]:
    """The plugins by name, in the order in which the gateway's document names them."""
    plugins: dict[str, Plugin] = {}
    for use in configuration.gateway.plugins:
        (entry,) = entry_points(group=PLUGIN_GROUP, name=use.use)
        kind: type[Plugin] = entry.load()
        plugins[use.use] = kind(kind.Options.model_validate(use.options))
    return plugins


def _fleet(configuration: Configuration, transport: Transport) -> dict[str, Backend]:
    defaults = configuration.gateway.timeouts.model_dump(exclude_none=True)
    fleet: dict[str, Backend] = {}
    for deployment in configuration.catalog.deployments:
        own = deployment.timeouts.model_dump(exclude_none=True)
        target = Target(
            name=deployment.name,
            model=deployment.model_name,
            url=deployment.url,
            secrets=configuration.secrets.get(deployment.name, {}),
            region=deployment.region,
            timeouts=Timeouts(**{**defaults, **own}),
            options=deployment.options,
        )
        try:
            fleet[deployment.name] = registry.resolve(deployment.provider)(target, transport)
        except (LookupError, ValueError) as error:
            raise _unusable(configuration, deployment, str(error)) from error
    return fleet


def _unusable(configuration: Configuration, deployment: Deployment, reason: str) -> ConfigError:
    """A deployment that its provider refuses, with the line where it stands."""
    for document in configuration.documents:
        if isinstance(document.content, Catalog):
            listed = [d.name for d in document.content.spec.deployments]
            if deployment.name in listed:
                place = ("spec", "deployments", listed.index(deployment.name))
                problem = configuration.problem(document.content, place, reason)
                return ConfigError([problem], configuration.files)
    return ConfigError([Problem(reason, deployment.name)], configuration.files)


def new_gateway(
    paths: Sequence[Path], data_dir: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Gateway:
    """A gateway for the configuration in these paths; raises `ConfigError` or `StartError`.

    `data_dir` comes before the configuration's, which comes before the platform's usual folder.
    """
    configuration = load(paths, installed(), environ)
    folder = data_dir or configuration.gateway.data_dir or default_data_dir(environ)
    return Gateway(configuration, paths, folder, environ)


_WORKER_PATHS = "HEADGATE_WORKER_PATHS"


def tell_workers(paths: Sequence[Path], data_dir: Path) -> None:
    """Leave in the environment what `worker` needs."""
    os.environ[_WORKER_PATHS] = os.pathsep.join(str(path) for path in paths)
    os.environ[DATA_DIR] = str(data_dir)


def worker() -> Edge:
    """The application of one of several processes."""
    paths = [Path(path) for path in os.environ[_WORKER_PATHS].split(os.pathsep) if path]
    return new_gateway(paths).app
