"""Runs the steps of a client's script and prints what became of each, one JSON object a line.

Standard library only: it runs in every client's own environment.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import traceback
from collections.abc import Callable
from typing import Any

URL = os.environ.get("HEADGATE_URL", "http://127.0.0.1:8080")
"""The gateway's address, without `/v1`."""
KEY = os.environ.get("HEADGATE_KEY", "")

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Bern"]}},
    "required": ["city"],
    "additionalProperties": False,
}
"""Parameters of a tool, of which the simulated model makes `{"city": "Bern"}`."""


def run(*steps: Callable[[], Any]) -> None:
    """Run all of them, whatever fails; a step may be a coroutine function."""
    for step in steps:
        try:
            if inspect.iscoroutinefunction(step):
                asyncio.run(step())
            else:
                step()
            error = None
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps({"step": step.__name__, "error": error}), flush=True)


def raises(kind: type[BaseException], call: Callable[[], Any]) -> Any:
    """The exception of this kind that `call` raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")
