"""litellm itself: imported once, late and quietly.

The import takes seconds and 200 MB, and left to itself would fetch a price list, read a `.env` file
and print advice. Everything of that kind is off before it begins.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

ENVIRONMENT: Mapping[str, str] = {
    "LITELLM_OFFLINE_MODE": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env file of the working directory
    "LITELLM_LOG": "CRITICAL",
}
"""https://docs.litellm.ai/docs/proxy/config_settings#environment-variables---reference"""

SETTINGS: Mapping[str, Any] = {
    "drop_params": False,
    "modify_params": False,
    "num_retries": 0,
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
}
"""What it would lose, change, try again or print."""

CALLBACKS = ("callbacks", "input_callback", "success_callback", "failure_callback")
LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
"""They would log prompts, addresses and keys."""

NOISE = "Items? .* on TypedDict class .* using the `ReadOnly` qualifier"
"""A warning of pydantic about litellm's own types, which come into being call by call."""


class Library:
    """The imported package, and how many backends use the connections it keeps."""

    def __init__(self) -> None:
        self._users: set[int] = set()

    async def load(self, user: object) -> Any:
        """The package for a backend that will `release` it; raises `ModuleNotFoundError`.

        The import runs in a thread, so that the event loop goes on.
        """
        self._users.add(id(user))
        return await asyncio.to_thread(imported)

    async def release(self, user: object) -> None:
        """Forget a backend; the last one closes all connections, which are shared between them."""
        if id(user) not in self._users:
            return
        self._users.discard(id(user))
        if not self._users:
            litellm = imported()
            await litellm.close_litellm_async_clients()
            litellm.in_memory_llm_clients_cache.flush_cache()


@cache
def library() -> Library:
    """The one of this process."""
    return Library()


def installed() -> bool:
    """Whether the package is there; does not import it."""
    return find_spec("litellm") is not None


@cache
def imported() -> Any:
    """Import and silence the package; raises `ModuleNotFoundError`."""
    os.environ.update(ENVIRONMENT)
    warnings.filterwarnings("ignore", NOISE, UserWarning)
    litellm = import_module("litellm")
    for name, value in SETTINGS.items():
        setattr(litellm, name, value)
    for name in CALLBACKS:
        setattr(litellm, name, [])
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return litellm
