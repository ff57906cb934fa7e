"""Documents for routing tests: from a few words, or from the examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.config.budget import Budget
from headgate.config.catalog import Catalog, CatalogSpec
from headgate.config.configuration import Configuration
from headgate.config.experiment import Experiment
from headgate.config.extensions import Extensions
from headgate.config.load import load
from headgate.config.policy import Overlay, Policy
from headgate.routing.compile import Compiled, compile_documents
from headgate.routing.facts import Caller, RequestFacts, World
from headgate.routing.sites import NO_SURROUNDINGS, Surroundings

EXAMPLES = Path(__file__).parents[3] / "policies" / "examples"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WORLD = World(now=NOW)


@dataclass(frozen=True)
class Documents:
    catalog: CatalogSpec
    policies: tuple[Policy, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    budgets: tuple[Budget, ...] = ()
    catalog_digest: str = "catalog-digest"
    policy_digest: str = "policy-digest"


def catalog(deployments: Iterable[dict[str, Any]], **spec: Any) -> CatalogSpec:
    complete = [{"provider": "openai", "model": "chat", **one} for one in deployments]
    return _document(Catalog, {"deployments": complete, **spec}).spec


def policy(*routes: dict[str, Any], name: str = "p", **more: Any) -> Policy:
    return _document(Policy, {"routes": routes, **more}, name)


def route(name: str = "r", **more: Any) -> dict[str, Any]:
    otherwise = {"reject": 503, "code": "no_capacity"}
    tiers = {} if more.get("deny") else {"tiers": [{"select": {}}]}
    return {"name": name, "match": {"model": "m"}, "otherwise": otherwise, **tiers, **more}


def overlay(name: str = "o", **spec: Any) -> Overlay:
    return _document(Overlay, spec, name)


def experiment(name: str = "e", **spec: Any) -> Experiment:
    return _document(Experiment, spec, name)


def _document(kind: type[Any], spec: dict[str, Any], name: str = "d") -> Any:
    head = {"apiVersion": "headgate/v1", "kind": kind.__name__, "metadata": {"name": name}}
    return kind.model_validate({**head, "spec": spec})


def compiled(
    deployments: Iterable[dict[str, Any]],
    *routes: dict[str, Any],
    overlays: tuple[Overlay, ...] = (),
    experiments: tuple[Experiment, ...] = (),
    surroundings: Surroundings = NO_SURROUNDINGS,
    **spec: Any,
) -> Compiled:
    policies = (policy(*routes),) if routes else ()
    documents = Documents(catalog(deployments, **spec), policies, overlays, experiments)
    return compile_documents(documents, surroundings)


def facts(model: str = "m", team: str | None = None, **more: Any) -> RequestFacts:
    return RequestFacts(model, caller=Caller(team=team), **more)


class _AnyOptions(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Installed:
    """What the examples name."""

    def names(self) -> list[str]:
        return ["tgi", "vllm", "openai", "anthropic", "secrets"]

    def options(self, name: str) -> type[BaseModel]:
        return _AnyOptions


def loaded(*paths: Path) -> Configuration:
    """The configuration in files whose providers and plugins are taken to be installed."""
    return load(paths, Extensions(_Installed(), _Installed()), offline=True)
