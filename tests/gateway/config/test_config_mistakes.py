"""One file per mistake in `mistakes/`; its first lines are the problems it must give, in order."""

from pathlib import Path

import pytest

from headgate.config.load import load
from headgate.config.problems import ConfigError
from tests.gateway.config.extensions_here import EXTENSIONS

FOLDER = Path(__file__).parent / "mistakes"
FILES = sorted(FOLDER.glob("*.yaml"))


def expected(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [f"{file.name}:{line[2:]}" for line in lines if line.startswith("# ")]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_mistake_is_told_with_its_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as caught:
        load([file.name], EXTENSIONS, {})
    assert [str(problem) for problem in caught.value.problems] == expected(file)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_no_message_repeats_a_secret(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load([file], EXTENSIONS, {})
    assert not any(word in str(caught.value) for word in ("horse", "sk-proj"))
