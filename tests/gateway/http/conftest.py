"""One gateway in front of one scripted upstream, for all tests that need nothing of their own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.http.lanes import UPSTREAM_KEY, Lanes, TakeLane, configuration
from tests.gateway_process import GatewayProcess, running_gateway
from tests.scripted_upstream import ScriptedUpstream, scripted_upstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream() as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    environ = {"UPSTREAM_KEY": UPSTREAM_KEY}
    with running_gateway(configuration(upstream.url), folder, environ) as process:
        yield process


@pytest.fixture(scope="session")
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """Calls with the admin key."""
    with gateway.client() as made:
        yield made


@pytest.fixture(scope="session")
def lanes(upstream: ScriptedUpstream) -> Lanes:
    return Lanes(upstream)


@pytest.fixture
def take(lanes: Lanes) -> TakeLane:
    """`take("chat")` gives a lane that no other test uses."""
    return lanes.take
