"""`headgate providers`: what is installed."""

from __future__ import annotations

import typer

from headgate.cli.output import JsonOption, print_records

app = typer.Typer(help="The backends that can be named as `provider`.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `list` a command of its own."""


@app.command("list")
def list_providers(as_json: JsonOption = False) -> None:
    """List what is installed; nothing of it is imported."""
    from headgate_providers import registry

    rows = [
        (one.name, one.source, one.distribution or "", one.url or "", one.secret_env or "")
        for one in registry.installed()
    ]
    print_records(("provider", "source", "package", "url", "secret"), rows, as_json=as_json)
