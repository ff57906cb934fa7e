"""Reading a stream in step with the upstream that sends it."""

from __future__ import annotations

import threading
from typing import Any

import httpx


def read_after_first_text(
    client: httpx.Client, path: str, body: dict[str, Any], first: str, go_on: threading.Event
) -> tuple[str, str]:
    """The decision's id and all of a stream; `go_on` is set once `first` has come."""
    text = ""
    with client.stream("POST", path, json=body) as reply:
        for piece in reply.iter_text():
            text += piece
            if first in text:
                go_on.set()
        return reply.headers["x-headgate-decision"], text
