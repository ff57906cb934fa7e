"""Kind `Gateway`: how the server itself runs. Everything has a default; none is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from headgate.config.base import Strict
from headgate.config.catalog import ApiVersion, Metadata, Name, TimeoutLimits
from headgate.config.units import DurationS, SizeBytes


class Limits(Strict):
    """How large a request may be."""

    body_bytes: SizeBytes = Field(default=32 * 1024**2, alias="body")
    """The body; a larger one is refused with 413 before all of it is read. 32MiB by default."""
    header_bytes: SizeBytes = Field(default=64 * 1024, alias="headers")
    """All headers together; more are refused with 431. 64KiB by default."""


class Server(Strict):
    """Where the gateway listens."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on; `0.0.0.0` is every one of the machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The port to listen on; 0 takes a free one."""
    limits: Limits = Limits()
    """How large a request may be."""
    drain_s: DurationS = Field(default=30.0, alias="drain")
    """How long running requests may take to end when the gateway is stopped; 30s by default."""


class Telemetry(Strict):
    """What the gateway says about itself. Never the content of a request."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written."""
    log_format: Literal["json", "console"] = "json"
    """`json` writes one object a line; `console` is for people."""
    metrics: bool = True
    """Whether `GET /metrics` answers."""


class PluginUse(Strict):
    """A plugin to load."""

    use: Name
    """The plugin; routes name it in their `guards`."""
    everywhere: bool = True
    """Whether it looks at all traffic, or only at that of routes that name it in `guards`."""
    options: dict[str, Any] = {}
    """Settings of the plugin, checked against its schema."""


class GatewaySpec(Strict):
    """What a gateway document holds."""

    server: Server = Server()
    """Where the gateway listens."""
    data_dir: Path | None = None
    """Where the ledger and the keys are; the environment variable `HEADGATE_DATA_DIR` wins."""
    timeouts: TimeoutLimits = TimeoutLimits()
    """Limits of an attempt where neither the route nor the deployment sets them."""
    telemetry: Telemetry = Telemetry()
    """What the gateway says about itself."""
    plugins: tuple[PluginUse, ...] = ()
    """The plugins there are: what looks at all traffic, and what routes name in `guards`."""


class Gateway(Strict):
    """How the server itself runs."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Gateway"]
    metadata: Metadata | None = None
    spec: GatewaySpec
