from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import BaseModel

from headgate.config import extensions
from headgate.config.extensions import installed


class Options(BaseModel):
    action: str


class Plugin:
    Options = Options


@pytest.fixture(autouse=True)
def _entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    group = extensions.PLUGIN_GROUP
    found = EntryPoints(
        [
            EntryPoint("good", f"{__name__}:Plugin", group),
            EntryPoint("absent", "headgate_no_such_module:plugin", group),
            EntryPoint("bare", "pathlib:Path", group),
        ]
    )
    monkeypatch.setattr(extensions, "entry_points", found.select)


def test_the_schema_of_a_plugin_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda entry: Plugin)
    assert installed().plugins.options("good") is Options
    assert list(installed().plugins.names()) == ["absent", "bare", "good"]


@pytest.mark.parametrize("name", ["absent", "bare"])
def test_a_plugin_that_cannot_be_loaded_says_where_it_should_be(name: str) -> None:
    with pytest.raises(LookupError, match=f"the plugin `{name}` cannot be loaded from "):
        installed().plugins.options(name)


def test_what_is_not_installed_is_not_found() -> None:
    with pytest.raises(LookupError):
        installed().plugins.options("unknown")
    with pytest.raises(LookupError):
        installed().providers.options("unknown")


def test_the_providers_are_those_of_the_registry() -> None:
    providers = installed().providers
    assert "openai" in set(providers.names())
    assert issubclass(providers.options("openai"), BaseModel)
