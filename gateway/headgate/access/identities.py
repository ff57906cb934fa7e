"""From a presented key to the caller: a lookup in memory, kept current from file and documents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import structlog

from headgate.access.keys import KeyStore, KeyStoreError, StoredKey
from headgate.access.secrets import digest, is_known_default
from headgate.config.access import AccessSpec, Key, Team

log = structlog.get_logger(__name__)

JOIN_S = 1.0
POLL_S = 0.5
"""How often the file is asked whether another process changed it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, by his key, which reports and logs call `name`.

    `models` and `team_models` are globs, both of which must allow a model; `None` allows all.
    `label` is the team's sensitivity label, `metadata` the team's facts for policies.
    """

    key_id: str
    team: str
    name: str = ""
    project: str | None = None
    user: str | None = None
    admin: bool = False
    models: tuple[str, ...] | None = None
    team_models: tuple[str, ...] | None = None
    label: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expires: datetime | None = None

    @property
    def region(self) -> str | None:
        """The team's region, where its metadata has one."""
        return self.metadata.get("region")

    @property
    def expired(self) -> bool:
        """Whether the key has reached its end."""
        return self.expires is not None and datetime.now(UTC) >= self.expires

    def may_use(self, model: str) -> bool:
        """Whether key and team allow a model name."""
        return _allows(self.models, model) and _allows(self.team_models, model)


def _allows(globs: tuple[str, ...] | None, model: str) -> bool:
    return globs is None or any(fnmatchcase(model, glob) for glob in globs)


class Directory:
    """All identities by the hash of their key. Lookups are safe from any thread.

    The access documents come with `configure`; keys in the file are taken over when `watch` sees
    that this or another process changed them. A key that is revoked in the file is closed,
    whatever a document says.
    """

    def __init__(self, data_dir: Path, access: AccessSpec | None = None) -> None:
        """Load all keys. Raises `KeyStoreError`."""
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._stored: dict[bytes, StoredKey] = {}
        self._mark = 0
        self._identities: dict[bytes, Identity] = {}
        self.configure(access or AccessSpec())
        with closing(KeyStore(data_dir)) as store:
            self.refresh(store)

    def lookup(self, secret: str | None) -> Identity | None:
        """Whose key this is; `None` for no key, an unknown, an expired and a revoked one alike.

        The same work whatever is presented: one hash of bounded length and one lookup.
        """
        identity = self._identities.get(digest(secret or ""))
        if identity is None or identity.expired:
            return None
        return identity

    def configure(self, access: AccessSpec) -> None:
        """Take over the teams and keys of the access documents. The work grows with all keys.

        A key that everybody knows (`changeme`) is refused and logged.
        """
        teams = {team.name: team for team in access.teams}
        with self._lock:
            identities = {}
            for key in access.keys:
                hashed = bytes.fromhex(key.hash.removeprefix("sha256:"))
                if is_known_default(hashed):
                    log.error("access.known_default_refused", key=key.name)
                else:
                    identities[hashed] = _documented(key, teams)
            for hashed, stored in self._stored.items():
                _take_over(identities, hashed, stored, teams)
            self._access = access
            self._identities = identities

    def refresh(self, store: KeyStore) -> None:
        """Take over what changed in the file. Raises `KeyStoreError`."""
        with self._lock:
            self._mark, changed = store.changes(self._mark)
            teams = {team.name: team for team in self._access.teams} if changed else {}
            for hashed, stored in changed:
                self._stored[hashed] = stored
                _take_over(self._identities, hashed, stored, teams)

    async def watch(self) -> None:
        """Keep up with the file until cancelled: a change shows within a second."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self._watch, args=(stop,), name="headgate-keys", daemon=True
        )
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            stop.set()
            thread.join(JOIN_S)

    def _watch(self, stop: threading.Event) -> None:
        """The thread of `watch`: a disk that hangs must not hold up the event loop."""
        failing = False
        while not stop.is_set():
            try:
                with closing(KeyStore(self._data_dir)) as store:
                    self._follow(store, stop)
            except KeyStoreError as error:
                if not failing:
                    log.error("access.keys_unreadable", error=str(error))
                failing = True
                stop.wait(POLL_S)

    def _follow(self, store: KeyStore, stop: threading.Event) -> None:
        seen = None
        while True:
            version = store.data_version()
            if version != seen:
                self.refresh(store)
                seen = version
            if stop.wait(POLL_S):
                return

    def __len__(self) -> int:
        return len(self._identities)


def _take_over(
    identities: dict[bytes, Identity],
    hashed: bytes,
    stored: StoredKey,
    teams: Mapping[str, Team],
) -> None:
    if stored.revoked is None:
        identities[hashed] = _identity(stored, teams.get(stored.team))
    else:
        identities.pop(hashed, None)


def _identity(key: StoredKey, team: Team | None) -> Identity:
    return Identity(
        key_id=key.id,
        team=key.team,
        name=key.name,
        project=key.project,
        user=key.user,
        admin=key.admin,
        models=key.models,
        team_models=team.models if team else None,
        label=team.label if team else None,
        metadata=team.metadata if team else {},
        expires=key.expires,
    )


def _documented(key: Key, teams: Mapping[str, Team]) -> Identity:
    """A key of a document; its id is the beginning of its hash, which tells nothing about it."""
    stored = StoredKey(
        id=f"doc-{key.hash.removeprefix('sha256:')[:12]}",
        team=key.team,
        name=key.name,
        project=key.project,
        user=key.user,
        models=key.models,
        admin=key.admin,
        expires=key.expires,
    )
    return _identity(stored, teams.get(key.team))
