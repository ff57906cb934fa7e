"""The registry: the catalog first, then entry points; lazily, and with helpful errors."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from headgate_providers import registry
from headgate_providers.catalog import VENDORS
from headgate_providers.openai_compat import AzureBackend, OpenAICompatBackend
from headgate_providers.openai_compat.azure import AzureOptions
from headgate_providers.registry import GROUP, ProviderError, installed, resolve
from headgate_providers.sdk import AiohttpTransport, Target
from headgate_providers.simulated import SimulatedBackend


class Distribution:
    def __init__(self, name: str, requires: list[str] | None = None) -> None:
        self.name = name
        self.requires = requires


def entry(name: str, value: str, distribution: Distribution | None = None) -> EntryPoint:
    point = EntryPoint(name, value, GROUP)
    vars(point).update(dist=distribution)
    return point


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The installed entry points, for the test to fill."""
    there: list[EntryPoint] = []

    def entry_points(group: str, **wanted: Any) -> list[EntryPoint]:
        assert group == GROUP
        return [point for point in there if point.name == wanted.get("name", point.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return there


# The catalog ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_every_row_makes_backends(name: str) -> None:
    factory = resolve(name)
    backend = factory(Target("d", "m", "http://127.0.0.1:9"), AiohttpTransport())
    assert isinstance(backend, OpenAICompatBackend)
    assert backend.vendor.name == factory.name == name
    assert backend.capabilities == factory.capabilities
    assert factory.url == VENDORS[name].url
    assert factory.secret_env == VENDORS[name].secret_env


def test_azure_has_options_of_its_own() -> None:
    factory = resolve("azure")
    assert factory.options is AzureOptions
    target = Target("d", "m", "https://r.openai.azure.com", options={"api": "models"})
    assert isinstance(factory(target, AiohttpTransport()), AzureBackend)


def test_a_missing_address_is_said_when_the_backend_is_made() -> None:
    with pytest.raises(ValueError, match="set the deployment's url"):
        resolve("vllm")(Target("d", "m"), AiohttpTransport())


# Entry points -----------------------------------------------------------------------------------


def test_an_entry_point_is_loaded(points: list[EntryPoint]) -> None:
    points.append(entry("mine", "headgate_providers.simulated:SimulatedBackend"))
    factory = resolve("mine")
    assert isinstance(factory(Target("d", "m"), AiohttpTransport()), SimulatedBackend)
    assert factory.options is SimulatedBackend.Options
    assert factory.capabilities == SimulatedBackend.capabilities
    assert (factory.url, factory.secret_env) == (None, None)


def test_the_generic_backend_is_behind_an_entry_point(points: list[EntryPoint]) -> None:
    points.append(entry("openai_compat", "headgate_providers.openai_compat:OpenAICompatBackend"))
    factory = resolve("openai_compat")
    assert factory(Target("d", "m", "http://127.0.0.1:9"), AiohttpTransport())
    assert factory.capabilities.dialects


def test_a_row_comes_before_an_entry_point(points: list[EntryPoint]) -> None:
    points.append(entry("openai", "nowhere:Nothing"))
    assert resolve("openai").url == VENDORS["openai"].url
    assert [row.source for row in installed() if row.name == "openai"] == ["catalog"]


def test_an_unknown_name(points: list[EntryPoint]) -> None:
    points.append(entry("acme", "acme:Backend"))
    with pytest.raises(ProviderError) as refused:
        resolve("Mistrall")
    message = str(refused.value)
    assert "There is no provider 'Mistrall'. Did you mean 'mistral'?" in message
    assert "acme" in message
    with pytest.raises(ProviderError) as refused:
        resolve("zzzzzz")
    assert "Did you mean" not in str(refused.value)


def test_a_name_claimed_twice(points: list[EntryPoint]) -> None:
    points.append(entry("acme", "a:B", Distribution("one")))
    points.append(entry("acme", "c:D", Distribution("two")))
    with pytest.raises(ProviderError, match="registered by one and two"):
        resolve("acme")


MISSING = "headgate_providers_test_absent"


@pytest.mark.parametrize(
    ("requires", "advice"),
    [
        (["aiohttp>=3", f"{MISSING.replace('_', '-')}>=1; extra == 'fast'"], "install acme[fast]."),
        ([f"{MISSING}>=1"], f"install {MISSING}."),
        (None, f"install {MISSING}."),
    ],
)
def test_a_missing_package(
    points: list[EntryPoint], tmp_path: Any, monkeypatch: Any, requires: Any, advice: str
) -> None:
    (tmp_path / "acme_backend.py").write_text(f"import {MISSING}.sub\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    points.append(entry("acme", "acme_backend:Backend", Distribution("acme", requires)))
    with pytest.raises(ProviderError) as refused:
        resolve("acme")
    assert str(refused.value) == (f"Provider 'acme' needs the package {MISSING!r}: {advice}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("headgate_providers_absent:X", "which does not exist"),
        ("headgate_providers.absent:X", "which does not exist"),
        ("headgate_providers.simulated:Absent", "cannot be loaded"),
        ("headgate_providers.simulated.answer:chat_events", "no subclass"),
        ("builtins:dict", "no subclass"),
    ],
)
def test_an_entry_point_that_leads_nowhere(
    points: list[EntryPoint], value: str, words: str
) -> None:
    points.append(entry("acme", value))
    with pytest.raises(ProviderError, match=words):
        resolve("acme")


def test_what_is_installed(points: list[EntryPoint]) -> None:
    points.append(entry("acme", "nowhere:Nothing", Distribution("acme-backend")))
    rows = installed()
    assert [row.name for row in rows] == sorted({*VENDORS, "acme"})
    acme = next(row for row in rows if row.name == "acme")
    assert (acme.source, acme.distribution) == ("entry point", "acme-backend")
    groq = next(row for row in rows if row.name == "groq")
    assert (groq.source, groq.secret_env) == ("catalog", "GROQ_API_KEY")


def test_resolving_imports_one_backend_only() -> None:
    code = (
        "import sys; from headgate_providers.registry import resolve, installed; installed();"
        "assert 'headgate_providers.openai_compat' not in sys.modules; resolve('groq');"
        "names = {name.split('.')[1] for name in sys.modules if 'headgate_providers.' in name};"
        "assert names == {'sdk', 'catalog', 'registry', 'openai_compat'}, names;"
        "assert not {'litellm', 'huggingface_hub', 'starlette'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
