from pathlib import Path

import pytest

from headgate.config.files import documents_in, read_all
from headgate.config.load import load
from headgate.config.problems import ConfigError
from tests.gateway.config.extensions_here import EXTENSIONS

CATALOG = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments: [{name: NAME, provider: simulated, model: llama}]
"""
POLICY = """\
apiVersion: headgate/v1
kind: Policy
spec:
  include: INCLUDE
  routes:
    - name: NAME
      match: {model: NAME}
      tiers: [{select: {}}]
      otherwise: {reject: 503, code: no_capacity}
"""


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def catalog(file: Path, name: str) -> Path:
    return put(file, CATALOG.replace("NAME", name))


def policy(file: Path, name: str, include: str) -> Path:
    return put(file, POLICY.replace("NAME", name).replace("INCLUDE", include))


def names(*paths: Path) -> list[str]:
    found = load(paths, EXTENSIONS, {})
    return [one.name for one in found.catalog.deployments]


def test_a_folder_is_all_its_documents_by_name(tmp_path: Path) -> None:
    catalog(tmp_path / "b.yaml", "second")
    catalog(tmp_path / "a.yml", "first")
    catalog(tmp_path / "c.txt", "no-yaml")
    catalog(tmp_path / ".hidden.yaml", "hidden")
    catalog(tmp_path / "below" / "d.yaml", "below")
    assert names(tmp_path) == ["first", "second"]


def test_several_paths_are_one_configuration(tmp_path: Path) -> None:
    first, second = catalog(tmp_path / "a.yaml", "a"), catalog(tmp_path / "b" / "b.yaml", "b")
    assert names(first, second.parent) == ["a", "b"]


def test_an_include_is_relative_and_read_once(tmp_path: Path) -> None:
    catalog(tmp_path / "shared" / "catalog.yaml", "own")
    one = policy(tmp_path / "one.yaml", "one", "[shared/catalog.yaml, two.yaml]")
    policy(tmp_path / "two.yaml", "two", "[./shared/../shared/catalog.yaml]")
    found = load([one], EXTENSIONS, {})
    assert [one.name for one in found.catalog.deployments] == ["own"]
    assert [policy.name for policy in found.policies] == ["one", "two"]
    assert len(found.files) == 3
    assert names(tmp_path) == ["own"]


def test_an_include_may_go_up_inside_of_the_folder_that_was_given(tmp_path: Path) -> None:
    catalog(tmp_path / "catalog.yaml", "own")
    policy(tmp_path / "main.yaml", "main", "[teams/legal.yaml]")
    policy(tmp_path / "teams" / "legal.yaml", "legal", "[../catalog.yaml]")
    assert names(tmp_path / "main.yaml") == ["own"]


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    outside = catalog(tmp_path / "outside.yaml", "outside")
    file = policy(tmp_path / "in" / "main.yaml", "main", "[link.yaml]")
    (tmp_path / "in" / "link.yaml").symlink_to(outside)
    with pytest.raises(ConfigError, match="outside of the configuration's folder"):
        load([file], EXTENSIONS, {})


def test_a_longer_cycle_is_refused(tmp_path: Path) -> None:
    file = policy(tmp_path / "a.yaml", "a", "[b.yaml]")
    policy(tmp_path / "b.yaml", "b", "[a.yaml]")
    with pytest.raises(ConfigError, match=r"b\.yaml:4:13: `a.yaml` includes this file again"):
        load([file], EXTENSIONS, {})


def test_a_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    catalog(tmp_path / "..2026_01" / "catalog.yaml", "own")
    policy(tmp_path / "..2026_01" / "main.yaml", "main", "[catalog.yaml]")
    (tmp_path / "..data").symlink_to("..2026_01")
    for name in ("catalog.yaml", "main.yaml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert [file.name for file in documents_in(tmp_path)] == ["catalog.yaml", "main.yaml"]
    assert names(tmp_path) == names(tmp_path / "main.yaml") == ["own"]


def test_all_broken_files_are_told_at_once(tmp_path: Path) -> None:
    put(tmp_path / "a.yaml", "a: [")
    put(tmp_path / "b.yaml", "kind: Catalog")
    with pytest.raises(ConfigError) as caught:
        load([tmp_path, tmp_path / "c.yaml"], EXTENSIONS, {})
    files = sorted(Path(problem.file).name for problem in caught.value.problems)
    assert files == ["a.yaml", "b.yaml", "c.yaml"]
    assert [file.name for file in caught.value.files] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("main.yml", "there is no file `main.yml`, did you mean `main.yaml`?"),
        ("nowhere/main.yaml", "there is no file `main.yaml`"),
        ("empty", "the folder holds no *.yaml file"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(tmp_path: Path, name: str, message: str) -> None:
    put(tmp_path / "main.yaml", "")
    (tmp_path / "empty").mkdir()
    (problem,) = read_all([tmp_path / name]).problems
    assert problem.message == message


def test_files_without_a_document_are_no_configuration(tmp_path: Path) -> None:
    file = put(tmp_path / "main.yaml", "# nothing yet\n")
    with pytest.raises(ConfigError, match=r"main\.yaml: there is no document in it"):
        load([file], EXTENSIONS, {})
