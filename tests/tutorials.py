"""The packages that the tutorials build, taken out of their pages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs/sdk"
_BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^    ((?:uv|pytest|headgate) .+)$", re.MULTILINE)


def files(page: str) -> dict[str, str]:
    """The titled blocks of a page by their titles."""
    return dict(_BLOCK.findall((DOCS / page).read_text()))


def commands(page: str) -> list[str]:
    """The commands of a page, in order."""
    return _COMMAND.findall((DOCS / page).read_text())


@dataclass(frozen=True)
class Package:
    """A tutorial's folder, and the folder into which its package was installed."""

    folder: Path
    site: Path

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the page, in its folder, in an environment that has the package."""
        program, *arguments = command.split()
        entry = {
            "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
            "headgate": ["-c", "from headgate.cli.main import main; main()"],
            "python": [],
        }[program]
        return subprocess.run(
            [sys.executable, *entry, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=300,
            check=False,
            env={**os.environ, "PYTHONPATH": str(self.site), **environment},
        )


def installed(page: str, folder: Path) -> Package:
    """Write the page's files and install them as its first command does, but beside ours."""
    source, site = folder / "source", folder / "site"
    for title, text in files(page).items():
        path = source / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not here to install the package of the tutorial")
    program, *arguments = commands(page)[0].split()
    assert program == "uv"
    aside = ["--offline", "--no-deps", "--python", sys.executable, "--target", str(site)]
    subprocess.run(
        [uv, *arguments, *aside],
        cwd=source, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return Package(source, site)
