"""The control plane of a TGI server (`/health`, `/info`) through huggingface_hub's client.

Needs the extra `tgi`; imported at first use only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from aiocache import SimpleMemoryCache
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from headgate_providers.sdk import BackendError
from headgate_providers.tgi.errors import read_error

INFO_TTL_S = 60
"""What a server says of itself changes only when it is restarted."""
ATTEMPTS = 3
TIMEOUT_S = 5.0
"""For one attempt."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a TGI server says of itself. Limits are in tokens, `None` where it does not tell."""

    model_id: str
    max_input_tokens: int | None = None
    max_total_tokens: int | None = None
    version: str | None = None


class ControlPlane:
    """Asks one server; answers are kept, passing failures are tried again."""

    def __init__(self, url: str, token: str | None) -> None:
        # `/info` and `/health` are reached only with the address as the model of this provider.
        self._client = AsyncInferenceClient(model=url, provider="hf-inference", token=token)
        if token is None:
            # Else the client would send the Hugging Face token saved on this machine.
            self._client.token = False  # type: ignore[assignment]
        self._cache = SimpleMemoryCache()

    async def info(self) -> ServerInfo:
        """What is served; at most a minute old. Raises `BackendError`."""
        known = await self._cache.get("info")
        if known is None:
            known = _server_info(await _retried(self._client.get_endpoint_info))
            await self._cache.set("info", known, ttl=INFO_TTL_S)
        assert isinstance(known, ServerInfo)
        return known

    async def check(self) -> None:
        """Ask whether the server is well, now. Raises `BackendError`."""
        if await _retried(self._client.health_check):
            return
        # The client does not tell why not. What keeps it from `/info` too is the better reason.
        await _retried(self._client.get_endpoint_info)
        raise BackendError("overloaded", "The model server says that it is not healthy.")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]
        await self._cache.clear()


async def _retried(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    attempts = AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        retry=retry_if_exception(_passes),
        reraise=True,
    )
    return await attempts(_translated, ask)


def _passes(error: BaseException) -> bool:
    return isinstance(error, BackendError) and error.fault == "vendor"


async def _translated(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """One attempt, with the client's failures in our vocabulary."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await ask()
    except HfHubHTTPError as error:
        response = error.response
        raise read_error(response.status_code, response.headers, response.content) from error
    except OfflineModeIsEnabled as error:
        message = "huggingface_hub is offline: unset HF_HUB_OFFLINE where the gateway runs."
        raise BackendError("unsupported", message) from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise BackendError("timeout", "The upstream took too long to answer.") from error
    except httpx.ConnectError as error:
        raise BackendError("connect", "The upstream could not be reached.") from error
    except httpx.TransportError as error:
        raise BackendError("reset", "The upstream broke the connection.") from error
    except ValueError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error


def _server_info(raw: Any) -> ServerInfo:
    """Older servers call the limit of the input `max_input_length`."""
    if not isinstance(raw, dict) or not isinstance(raw.get("model_id"), str):
        raise BackendError("malformed", "The upstream does not say which model it serves.")

    def count(*names: str) -> int | None:
        return next((raw[name] for name in names if isinstance(raw.get(name), int)), None)

    version = raw.get("version")
    return ServerInfo(
        raw["model_id"],
        count("max_input_tokens", "max_input_length"),
        count("max_total_tokens"),
        version if isinstance(version, str) else None,
    )
