"""Reload on SIGHUP and on a changed file; a broken file leaves the old configuration in force."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from headgate.config.configuration import Configuration
from headgate.config.files import documents_in
from headgate.config.problems import ConfigError, Problem

Fingerprint = dict[str, tuple[int, int, int]]
"""Time of change in nanoseconds, size and inode of each file by its path."""


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """The state of files and of the documents in folders.

    Symbolic links are followed, so that a Kubernetes ConfigMap, whose files hang on one link that
    is swapped, is seen to change.
    """
    found: Fingerprint = {}
    for path in _files(paths):
        try:
            stat = path.stat()
        except OSError:
            continue
        found[str(path)] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        try:
            yield from documents_in(path) if path.is_dir() else (path,)
        except OSError:
            continue


class Reloader:
    """Holds the configuration in force and replaces it when its files change.

    `load` builds a configuration (in a thread: it reads files) or raises `ConfigError`; `swap`
    puts it in force, and if it raises, the old one stays; `failed` is told the problems.
    """

    def __init__(
        self,
        current: Configuration,
        paths: Sequence[Path],
        *,
        load: Callable[[], Configuration],
        swap: Callable[[Configuration], Awaitable[None]],
        failed: Callable[[Sequence[Problem]], None],
        interval_s: float = 1.0,
    ) -> None:
        self.current = current
        self._paths = tuple(paths)
        self._files = current.files
        self._load = load
        self._swap = swap
        self._failed = failed
        self._interval_s = interval_s
        self._asked = asyncio.Event()
        self._lock = asyncio.Lock()

    def request(self) -> None:
        """Ask for a reload even if no file changed; for the signal handler."""
        self._asked.set()

    async def reload(self) -> bool:
        """Load and swap now; whether a new configuration is in force. Never raises."""
        async with self._lock:
            try:
                fresh = await asyncio.to_thread(self._load)
                self._files = fresh.files
                await self._swap(fresh)
            except ConfigError as error:
                self._files = error.files or self._files
                self._failed(error.problems)
                return False
            except Exception as error:
                message = f"the new configuration could not be put in force: {_where(error)}"
                self._failed([Problem(message, "configuration")])
                return False
            self.current = fresh
            return True

    async def watch(self) -> None:
        """Reload on request and on change until cancelled.

        A change counts when two looks in a row see the same, so that a file which is being written
        is not read half.
        """
        loaded = last = await self._look()
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), self._interval_s)
            except TimeoutError:
                pass
            seen = await self._look()
            if self._asked.is_set() or (seen != loaded and seen == last):
                self._asked.clear()
                await self.reload()
                # What changed while it was read differs from what was seen before: next time.
                loaded = await self._look() | seen
            last = seen

    async def _look(self) -> Fingerprint:
        return await asyncio.to_thread(fingerprint, (*self._paths, *self._files))

    def listen(self) -> None:
        """Reload on SIGHUP, where the system has it. Call inside the running loop."""
        if os.name == "posix":
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.request)


def _where(error: Exception) -> str:
    """An unforeseen error by type and place; its message might quote a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"
