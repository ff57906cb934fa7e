"""A documented command is a tested command; a documented configuration loads."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.config.extensions import installed
from headgate.config.load import load
from headgate.http.routes import DIALECTS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
POLICIES = (ROOT / "docs/policies.md").read_text()
API = (ROOT / "docs/api.md").read_text()


def headgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from headgate.cli.main import main; main()", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip


def blocks(text: str) -> list[str]:
    """Indented commands, with continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.startswith("    headgate ")]


@pytest.mark.parametrize("command", blocks(POLICIES))
def test_commands_of_the_policy_page(command: str, tmp_path: Path) -> None:
    arguments = shlex.split(command)[1:]
    if "--write" in arguments:
        arguments[-1] = str(tmp_path)
    done = headgate(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def commands_of_the_readme() -> list[list[str]]:
    found: list[list[str]] = []
    for row in re.findall(r"^\| `headgate ([^`]+)`", README, re.MULTILINE):
        words = row.replace("\\|", "|").split()
        for last in words[1].split("|") if len(words) > 1 else [""]:
            group = [words[0], last] if re.fullmatch(r"[a-z]+", last) else [words[0]]
            found.append(group)
    return found


@pytest.mark.parametrize("command", commands_of_the_readme(), ids=" ".join)
def test_commands_of_the_readme_exist(command: list[str]) -> None:
    done = headgate(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "my.yaml"
    path.write_text(text)
    configuration = load([path], installed(), offline=True)
    assert [d.name for d in configuration.catalog.deployments] == ["own", "openai", "claude"]


@pytest.mark.parametrize("target", re.findall(r"^    make ([a-z]+)", README, re.MULTILINE))
def test_make_targets_of_the_readme_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/policies.md"])
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if not link.startswith("http"):
            assert (folder / link).exists(), link


def test_every_endpoint_is_documented() -> None:
    for path in DIALECTS:
        assert f"POST {path}`" in API


def test_every_error_code_is_documented() -> None:
    documented = set(
        re.findall(r"^\| \d+ \| `([a-z_]+)`", (ROOT / "docs/errors.md").read_text(), re.M)
    )
    source = "\n".join(path.read_text() for path in (ROOT / "gateway/headgate").rglob("*.py"))
    raised = set(re.findall(r'\(\s*\d{3},\s*"([a-z_]+)"', source))
    assert raised - {"invalid_request"} <= documented
    assert all(f'"{code}"' in source or f'"code":"{code}"' in source for code in documented)
