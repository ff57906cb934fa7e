"""The first admin key: chosen by the environment, or made at the first start and shown once."""

from __future__ import annotations

from datetime import UTC, datetime

from headgate.access.keys import KeyStore, StoredKey
from headgate.access.secrets import WeakKeyError, check_strength

VARIABLE = "HEADGATE_ADMIN_KEY"
TEAM = "admin"
CHOSEN = f"admin key of {VARIABLE}"
MADE = "first admin key"


def ensure_admin_key(store: KeyStore, chosen: str | None) -> str | None:
    """See to it that an admin key exists; gives back a fresh one, to be shown once.

    `chosen` is the value of `HEADGATE_ADMIN_KEY`: it is kept as a hash, and a key that was chosen
    so before is revoked. Without it, a key is made if there is no admin key that works.
    Raises `WeakKeyError` for a known default or a short one, and for one that was revoked.
    """
    if chosen:
        _keep(store, chosen)
        return None
    now = datetime.now(UTC)
    if any(key.admin and key.works(now) for key in store.all()):
        return None
    _, secret = store.create(StoredKey(TEAM, name=MADE, admin=True))
    return secret


def _keep(store: KeyStore, chosen: str) -> None:
    try:
        check_strength(chosen)
    except WeakKeyError as error:
        raise WeakKeyError(f"{VARIABLE} is refused. {error}") from None
    known = store.find(chosen)
    if known is not None and not (known.admin and known.works(datetime.now(UTC))):
        raise WeakKeyError(
            f"{VARIABLE} is refused: it is a key that was revoked, has expired or is no admin key."
            " Choose another one."
        )
    for key in store.all():
        if key.name == CHOSEN and key.revoked is None and (known is None or key.id != known.id):
            store.revoke(key.id)
    if known is None:
        store.create(StoredKey(TEAM, name=CHOSEN, admin=True), chosen)
