"""Lanes through the shared gateway: a model name, and the scripts of the deployments behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.scripted_upstream import Received, Scripted, ScriptedUpstream

UPSTREAM_KEY = "upstream-credential-canary-5f1d"
LANES = {"chat": 40, "plain": 24, "claude": 24, "pair": 60, "claude-pair": 8, "hasty": 4}
"""How many deployments of each kind there are: a test takes its own, so that no failure of one
test rests a deployment of another."""

_PROVIDERS = {
    "chat": "vllm",
    "plain": "openai_compat",
    "claude": "anthropic",
    "pair": "openai_compat",
    "claude-pair": "anthropic",
    "hasty": "openai_compat",
}
PAIRED = ("pair", "claude-pair", "hasty")
"""Two deployments, tried in order; of `hasty` the first has little time."""
_HASTY = ", timeouts: {first_token: 300ms, idle: 300ms, total: 2s}"


@dataclass(frozen=True)
class Lane:
    """A model name and the scripts of the deployments behind it, in the order they are tried."""

    model: str
    scripts: tuple[str, ...]
    upstream: ScriptedUpstream

    def answers(self, *replies: Scripted) -> Lane:
        """Script the first deployment."""
        self.upstream.script(self.scripts[0], *replies)
        return self

    def then_answers(self, *replies: Scripted) -> Lane:
        """Script the second deployment."""
        self.upstream.script(self.scripts[1], *replies)
        return self

    @property
    def received(self) -> list[Received]:
        """What arrived at the first deployment."""
        return self.upstream.requests(self.scripts[0])

    @property
    def received_second(self) -> list[Received]:
        """What arrived at the second deployment."""
        return self.upstream.requests(self.scripts[1])


TakeLane = Callable[[str], Lane]
"""Gives a lane of a family."""


@dataclass(frozen=True)
class Lanes:
    """Gives each lane once."""

    upstream: ScriptedUpstream
    _taken: Counter[str] = field(default_factory=Counter)

    def take(self, family: str) -> Lane:
        """A lane that no other test uses."""
        number = self._taken[family]
        assert number < LANES[family], f"more {family} lanes are needed"
        self._taken[family] += 1
        name = f"{family}-{number}"
        scripts = (f"{name}-a", f"{name}-b") if family in PAIRED else (name,)
        return Lane(name, scripts, self.upstream)


def deployment(name: str, provider: str, url: str, more: str = "") -> str:
    suffix = "" if provider == "anthropic" else "/v1"
    return (
        f"    - {{name: {name}, provider: {provider}, model: {name}, upstream_model: up-model, "
        f"url: {url}/{name}{suffix}, secret: env:UPSTREAM_KEY, price: {{in: 1, out: 2}}{more}}}\n"
    )


def route(name: str) -> str:
    tiers = f"[{{select: {{deployment: {name}-a}}}}, {{select: {{deployment: {name}-b}}}}]"
    return (
        f"    - {{name: {name}, match: {{model: {name}}}, tiers: {tiers}, "
        "otherwise: {reject: 503, code: no_capacity}}\n"
    )


def configuration(url: str) -> str:
    """The document: a simulated model, and the lanes."""
    catalog, routes = "", ""
    for family, count in LANES.items():
        for number in range(count):
            name = f"{family}-{number}"
            if family in PAIRED:
                more = _HASTY if family == "hasty" else ""
                catalog += deployment(f"{name}-a", _PROVIDERS[family], url, more)
                catalog += deployment(f"{name}-b", "openai_compat", url)
                routes += route(name)
            else:
                catalog += deployment(name, _PROVIDERS[family], url)
    return f"""\
apiVersion: headgate/v1
kind: Gateway
spec:
  server: {{limits: {{body: 20MiB, headers: 16KiB}}}}
---
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: sim, provider: simulated, model: sim, price: {{in: 1, out: 2}}}}
    - {{name: unpriced, provider: simulated, model: unpriced}}
{catalog}---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
{routes}"""
