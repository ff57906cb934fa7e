"""A real model server for demonstrations and tests: `python -m tests.model_server --port 9001`.

Needs the dependency group `model-server`: `uv sync --group model-server --all-extras`.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading

import uvicorn

from tests.model_server.bigram import cached_model
from tests.model_server.engine import SLOT_TOKENS, start_engine
from tests.model_server.facade import Limits, tgi_app
from tests.model_server.names import NAME


def main() -> None:
    options = _options()
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    engine = start_engine(
        cached_model(),
        port=0 if options.tgi else options.port,
        name=options.name,
        key=None if options.tgi else options.key,
        embeddings=options.embeddings,
    )
    if options.tgi:
        limits = Limits(options.name, SLOT_TOKENS, options.max_concurrent_requests, options.key)
        _serve_tgi(engine.listening_address, limits, options.port)
    else:
        _say(options.name, engine.listening_address)
        threading.Event().wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--name", default=NAME, help="the model's name")
    parser.add_argument("--key", help="ask for this API key")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--tgi", action="store_true", help="speak TGI's API")
    kind.add_argument("--embeddings", action="store_true", help="embed instead of talking")
    parser.add_argument(
        "--max-concurrent-requests",
        type=int,
        default=128,
        help="with --tgi: more at once are refused as overload",
    )
    parser.add_argument("--until-stdin-ends", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _serve_tgi(engine_url: str, limits: Limits, port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        _say(limits.model, f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = tgi_app(engine_url, limits)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _say(name: str, url: str) -> None:
    print(f"Serving {name} on {url}", flush=True)


def _end_with_parent() -> None:
    """However the parent ends, its end of the pipe is closed."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
