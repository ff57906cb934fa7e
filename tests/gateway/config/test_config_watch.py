import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from headgate.config import watch
from headgate.config.configuration import Configuration
from headgate.config.load import load
from headgate.config.problems import Problem
from headgate.config.watch import Reloader, fingerprint
from tests.gateway.config.extensions_here import EXTENSIONS

TEXT = "apiVersion: headgate/v1\nkind: Gateway\nspec: {server: {port: PORT}}\n"


def put(file: Path, port: object) -> Path:
    file.write_text(TEXT.replace("PORT", str(port)))
    return file


class Swaps:
    """Records what a reloader did, and lets a test wait for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: asyncio.Queue[int | str] = asyncio.Queue()
        self.reloader = Reloader(
            self.load(),
            [path],
            load=self.load,
            swap=self.swap,
            failed=self.failed,
            interval_s=0.01,
        )

    def load(self) -> Configuration:
        return load([self.path], EXTENSIONS, {})

    async def swap(self, fresh: Configuration) -> None:
        self.done.put_nowait(fresh.gateway.server.port)

    def failed(self, problems: Sequence[Problem]) -> None:
        self.done.put_nowait(problems[0].message)

    @property
    def port(self) -> int:
        return self.reloader.current.gateway.server.port

    async def next(self) -> int | str:
        async with asyncio.timeout(10):
            return await self.done.get()


async def watching(swaps: Swaps, act: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(swaps.reloader.watch())
    try:
        await asyncio.sleep(0.05)
        await act()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_changed_file_is_put_in_force(tmp_path: Path) -> None:
    file = put(tmp_path / "a.yaml", 1)
    swaps = Swaps(file)

    async def act() -> None:
        put(file, 22)
        assert await swaps.next() == 22
        put(file, 333)
        assert await swaps.next() == 333

    await watching(swaps, act)
    assert swaps.port == 333
    assert swaps.done.empty()


async def test_a_broken_file_leaves_the_old_one_in_force_until_it_is_mended(tmp_path: Path) -> None:
    file = put(tmp_path / "a.yaml", 1)
    swaps = Swaps(file)

    async def act() -> None:
        put(file, "many")
        assert await swaps.next() == '`port` must be a whole number, not "many"'
        assert swaps.port == 1
        put(file, 22)
        assert await swaps.next() == 22

    await watching(swaps, act)
    assert swaps.port == 22


async def test_a_folder_is_seen_to_gain_and_lose_files(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml", 1)
    swaps = Swaps(tmp_path)

    async def act() -> None:
        put(tmp_path / "b.yaml", 2)
        assert "there is a Gateway document already" in str(await swaps.next())
        (tmp_path / "a.yaml").unlink()
        assert await swaps.next() == 2

    await watching(swaps, act)


async def test_the_swapped_link_of_a_config_map_is_seen(tmp_path: Path) -> None:
    for version in (1, 2):
        (tmp_path / f"..v{version}").mkdir()
        put(tmp_path / f"..v{version}" / "a.yaml", version)
        os.utime(tmp_path / f"..v{version}" / "a.yaml", (0, 0))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    swaps = Swaps(tmp_path)

    async def act() -> None:
        (tmp_path / "..new").symlink_to("..v2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        assert await swaps.next() == 2

    await watching(swaps, act)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
async def test_sighup_reloads_even_without_a_change(tmp_path: Path) -> None:
    swaps = Swaps(put(tmp_path / "a.yaml", 1))

    async def act() -> None:
        swaps.reloader.listen()
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            assert await swaps.next() == 1
        finally:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

    await watching(swaps, act)


async def test_a_file_that_is_being_written_is_left_alone_until_two_looks_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [1, 1, 2, 3, 4, 4]
    looks: list[int] = []

    def look(paths: object) -> watch.Fingerprint:
        looks.append(states[min(len(looks), len(states) - 1)])
        return {"a.yaml": (looks[-1], 0, 0)}

    monkeypatch.setattr(watch, "fingerprint", look)
    swaps = Swaps(put(tmp_path / "a.yaml", 1))
    seen_at_load: list[list[int]] = []
    original = swaps.load

    def load_and_note() -> Configuration:
        seen_at_load.append(list(looks))
        return original()

    swaps.reloader._load = load_and_note

    async def act() -> None:
        await swaps.next()

    await watching(swaps, act)
    assert seen_at_load == [states]


async def test_what_cannot_be_put_in_force_is_told_without_its_words(tmp_path: Path) -> None:
    swaps = Swaps(put(tmp_path / "a.yaml", 1))

    async def swap(fresh: Configuration) -> None:
        raise RuntimeError("horse")

    reloader = Reloader(swaps.reloader.current, [], load=swaps.load, swap=swap, failed=swaps.failed)
    old = reloader.current
    assert await reloader.reload() is False
    assert reloader.current is old
    message = str(await swaps.next())
    assert "RuntimeError in test_config_watch.py" in message
    assert "horse" not in message


async def test_reloads_do_not_overlap(tmp_path: Path) -> None:
    swaps = Swaps(put(tmp_path / "a.yaml", 1))
    running = 0

    async def swap(fresh: Configuration) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1

    reloader = Reloader(swaps.reloader.current, [], load=swaps.load, swap=swap, failed=swaps.failed)
    assert await asyncio.gather(*(reloader.reload() for _ in range(4))) == [True] * 4


def test_a_file_that_is_not_there_has_no_fingerprint(tmp_path: Path) -> None:
    file = put(tmp_path / "a.yaml", 1)
    assert set(fingerprint([tmp_path, file, tmp_path / "b.yaml"])) == {str(file)}
