"""`headgate`: all command groups in one place.

Every command is imported when it is used, so that `--help` and small commands start quickly.
"""

from __future__ import annotations

import typer

from headgate.cli import check, keys, policy, providers, report, serve

app = typer.Typer(
    name="headgate",
    help="A multi-vendor LLM gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("check")(check.check)
app.add_typer(policy.app, name="policy")
app.add_typer(keys.app, name="keys")
app.add_typer(report.app, name="report")
app.add_typer(providers.app, name="providers")


def main() -> None:
    """The console script."""
    app()
