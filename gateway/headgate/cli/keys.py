"""`headgate keys`: the virtual keys that teams call with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from headgate.access.keys import KeyStore, KeyStoreError, StoredKey, UnknownKeyError
from headgate.cli.output import JsonOption, fail, print_json, print_table
from headgate.config.access import Expiry
from headgate.config.data_dir import default_data_dir
from headgate.config.units import DurationS

app = typer.Typer(help="The virtual keys that teams call with.", no_args_is_help=True)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="HEADGATE_DATA_DIR", help="Where the keys are."),
]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The id that `keys list` shows.")]

_DURATION: TypeAdapter[float] = TypeAdapter(DurationS)
_EXPIRY: TypeAdapter[datetime] = TypeAdapter(Expiry)


@app.command()
def create(
    team: Annotated[str, typer.Option(help="The team that its calls are booked on.")],
    name: Annotated[str, typer.Option(help="What reports and logs call it.")] = "",
    project: Annotated[str | None, typer.Option(help="The project of its calls.")] = None,
    user: Annotated[str | None, typer.Option(help="Who holds it.")] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="The models it may use, with commas; `*` stands for any characters.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="After a time, as 90d, or with the end of a day."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It also opens /admin.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, this once: only its hash is kept.

    A running gateway knows it within a second.
    """
    if not team.strip():
        raise typer.BadParameter("Name the team.", param_hint="--team")
    key = StoredKey(
        team=team.strip(),
        name=name,
        project=project,
        user=user,
        models=_globs(models),
        admin=admin,
        expires=_when(expires, "--expires"),
    )
    with _store(data_dir) as store:
        made, secret = store.create(key)
    _show_secret(made, secret, as_json)


@app.command("list")
def list_keys(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were revoked or have expired.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Show the keys that work, without the keys themselves."""
    now = datetime.now(UTC)
    with _store(data_dir) as store:
        keys = [key for key in store.all() if everything or key.works(now)]
    if as_json:
        print_json([_record(key, now) for key in keys])
        return
    print_table(
        ["ID", "TEAM", "NAME", "PROJECT", "USER", "MODELS", "ADMIN", "CREATED", "EXPIRES", "STATE"],
        [_row(key, now) for key in keys],
    )


@app.command()
def revoke(key_id: KeyId, as_json: JsonOption = False, data_dir: DataDir = None) -> None:
    """Close a key for good; a running gateway turns it away within a second."""
    with _store(data_dir) as store:
        key = store.revoke(key_id.removeprefix("hg-"))
    if as_json:
        print_json(_record(key, datetime.now(UTC)))
    else:
        typer.echo(f"The key {key.id} of team {key.team} is revoked.")


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key still works, as 24h.")
    ] = "0s",
    as_json: JsonOption = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key like an old one, and let the old one end."""
    until = datetime.now(UTC) + _duration(grace, "--grace")
    with _store(data_dir) as store:
        made, secret = store.rotate(key_id.removeprefix("hg-"), until)
    _show_secret(made, secret, as_json)


@contextmanager
def _store(data_dir: Path | None) -> Iterator[KeyStore]:
    try:
        with closing(KeyStore(data_dir or default_data_dir(os.environ))) as store:
            yield store
    except UnknownKeyError as error:
        raise fail(
            f"There is no key {error.args[0]!r} that works; `headgate keys list` shows them."
        ) from None
    except KeyStoreError as error:
        raise fail(error) from None


def _show_secret(key: StoredKey, secret: str, as_json: bool) -> None:
    if as_json:
        print_json({**_record(key, datetime.now(UTC)), "key": secret})
        return
    typer.echo(f"The key {key.id} of team {key.team}; it is shown only now:", err=True)
    typer.echo(secret)


def _globs(models: str | None) -> tuple[str, ...] | None:
    if models is None:
        return None
    names = tuple(name.strip() for name in models.split(",") if name.strip())
    if not names:
        raise typer.BadParameter("Name a model, or leave it out.", param_hint="--models")
    return names


def _when(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = _EXPIRY.validate_python(text)
    except ValidationError:
        moment = datetime.now(UTC) + _duration(text, option)
    if moment <= datetime.now(UTC):
        raise typer.BadParameter("This moment has passed.", param_hint=option)
    return moment


def _duration(text: str, option: str) -> timedelta:
    try:
        return timedelta(seconds=_DURATION.validate_python(text))
    except (ValidationError, OverflowError):
        raise typer.BadParameter(
            "Write a time with its unit, as 24h or 90d, or a last day, as 2027-03-31.",
            param_hint=option,
        ) from None


def _state(key: StoredKey, now: datetime) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if key.works(now) else "expired"


def _row(key: StoredKey, now: datetime) -> list[Any]:
    return [
        key.id,
        key.team,
        key.name,
        key.project,
        key.user,
        "all" if key.models is None else ",".join(key.models),
        "yes" if key.admin else "",
        _minute(key.created),
        _minute(key.expires),
        _state(key, now),
    ]


def _record(key: StoredKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "team": key.team,
        "name": key.name,
        "project": key.project,
        "user": key.user,
        "models": key.models,
        "admin": key.admin,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "state": _state(key, now),
    }


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")
