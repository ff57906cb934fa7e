"""`headgate serve`: run the gateway."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from headgate.cli.output import fail, print_problem


def serve(
    config: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file or folder of documents; may be repeated.", envvar="HEADGATE_CONFIG"
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="The number of processes.")] = 1,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the ledger and the keys are.", envvar="HEADGATE_DATA_DIR"),
    ] = None,
) -> None:
    """Run the gateway until it is stopped; SIGHUP or a changed file reloads."""
    from headgate.app import StartError, new_gateway, tell_workers, worker
    from headgate.config.problems import ConfigError
    from headgate.http.server import run_server

    paths = config or []
    try:
        gateway = new_gateway(paths, data_dir)
    except ConfigError as error:
        for problem in error.problems:
            print_problem(problem)
        raise fail() from None
    except StartError as error:
        raise fail(error) from None
    settings = gateway.configuration.gateway.server
    host, port = host or settings.host, settings.port if port is None else port
    typer.echo(_welcome(host, port, gateway.new_admin_key, paths), err=True)
    if workers > 1:
        tell_workers(paths, gateway.data_dir)
        gateway.abandon()
    run_server(
        gateway.app if workers == 1 else f"{worker.__module__}:{worker.__name__}",
        host=host,
        port=port,
        head_bytes_max=settings.limits.header_bytes,
        drain_s=settings.drain_s,
        workers=workers,
    )


def _welcome(host: str, port: int, new_key: str | None, paths: Sequence[Path]) -> str:
    base = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/v1"  # noqa: S104
    key = new_key or "$HEADGATE_KEY"
    lines = [f"Headgate answers on {base}"]
    if not paths:
        lines.append("No configuration was given: the built-in one is in force (see README).")
    if new_key:
        lines.append(f"\nThe first admin key, shown only now:\n\n    {new_key}")
    else:
        lines.append("\nSet HEADGATE_KEY to a key (`headgate keys create` makes one), then try:")
    lines.append(
        f"""
    curl {base}/chat/completions -H 'authorization: Bearer {key}' \\
      -H 'content-type: application/json' \\
      -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}'

    from openai import OpenAI
    client = OpenAI(base_url="{base}", api_key="{os.path.expandvars(key) if new_key else "…"}")
    print(client.responses.create(model="gpt-4o-mini", input="Hello").output_text)
"""
    )
    return "\n".join(lines)
