import pickle
from pathlib import Path

import pytest

from headgate.config.configuration import Configuration
from headgate.config.load import load
from headgate.config.problems import ConfigError
from headgate.config.secrets import SecretMissing, looks_like_credential, resolve
from tests.gateway.config.extensions_here import EXTENSIONS

DOCUMENTS = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {name: always, provider: simulated, model: a}
    - {name: with-a, provider: simulated, model: b, requires_env: A}
    - {name: without-a, provider: simulated, model: c, requires_env: "!A"}
    - {name: with-a-and-b, provider: simulated, model: d, requires_env: A B}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: only-without
      match: {model: x}
      tiers: [{select: {deployment: without-a}}, {select: {deployment: ["with-a-and-*"]}}]
      otherwise: {reject: 503, code: no_capacity}
    - name: either
      match: {model: y}
      tiers: [{select: {deployment: [with-a, without-a]}}]
      otherwise: {reject: 503, code: no_capacity}
    - name: by-model
      match: {model: z}
      tiers: [{select: {model: b}}]
      otherwise: {reject: 503, code: no_capacity}
"""
SECRETS = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {name: one, provider: simulated, model: a, secret: env:ONE, url: env:WHERE}
    - {name: two, provider: simulated, model: b, secret: {id: env:ONE, key: "file:FILE"}}
    - {name: none, provider: simulated, model: c}
    - {name: absent, provider: simulated, model: d, secret: env:UNSET, requires_env: UNSET}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "main.yaml"
    file.write_text(DOCUMENTS)
    return file


def shape(found: Configuration) -> tuple[set[str], list[str]]:
    routes = [route.name for policy in found.policies for route in policy.spec.routes]
    return {one.name for one in found.catalog.deployments}, routes


def test_a_deployment_joins_where_its_condition_holds(file: Path) -> None:
    found = load([file], EXTENSIONS, {"A": "1"})
    assert shape(found) == ({"always", "with-a"}, ["either", "by-model"])
    assert found.absent == {"without-a", "with-a-and-b"}


def test_a_variable_that_is_empty_is_not_set(file: Path) -> None:
    found = load([file], EXTENSIONS, {"A": "", "B": "1"})
    assert shape(found) == ({"always", "without-a"}, ["only-without", "either", "by-model"])


def test_several_words_must_all_hold(file: Path) -> None:
    assert "with-a-and-b" in shape(load([file], EXTENSIONS, {"A": "1", "B": "1"}))[0]


def test_only_the_providers_of_what_joins_are_loaded(tmp_path: Path) -> None:
    file = tmp_path / "main.yaml"
    file.write_text(
        "apiVersion: headgate/v1\nkind: Catalog\nspec:\n  deployments:\n"
        "    - {name: own, provider: simulated, model: a}\n"
        "    - {name: other, provider: broken, model: b, requires_env: A}\n"
        "    - {name: third, provider: needy, model: c, requires_env: A, options: {}}\n"
    )
    assert load([file], EXTENSIONS, {}).absent == {"other", "third"}
    with pytest.raises(ConfigError) as caught:
        load([file], EXTENSIONS, {"A": "1"})
    assert [problem.mark and problem.mark.line for problem in caught.value.problems] == [6, 7]
    with pytest.raises(ConfigError) as caught:
        load([file], EXTENSIONS, offline=True)
    (problem,) = caught.value.problems
    assert problem.message == "options: `deployment_id` is missing"


def test_a_provider_that_does_not_exist_is_told_even_where_it_does_not_join(tmp_path: Path) -> None:
    file = tmp_path / "main.yaml"
    file.write_text(
        "apiVersion: headgate/v1\nkind: Catalog\nspec:\n"
        "  deployments: [{name: a, provider: simulatd, model: b, requires_env: A}]\n"
    )
    with pytest.raises(ConfigError, match="did you mean `simulated`"):
        load([file], EXTENSIONS, {})


def test_a_policy_without_a_route_left_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "main.yaml"
    file.write_text(DOCUMENTS.partition("    - name: either")[0])
    assert load([file], EXTENSIONS, {"A": "1"}).policies == ()
    assert len(load([file], EXTENSIONS, {}).policies) == 1


def test_offline_everything_is_there_and_no_secret_is_looked_up(tmp_path: Path, file: Path) -> None:
    found = load([file], EXTENSIONS, {"A": "1"}, offline=True)
    assert len(found.catalog.deployments) == 4
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text(SECRETS.replace("FILE", "/nowhere"))
    assert load([secrets], EXTENSIONS, {}, offline=True).secrets == {}


@pytest.fixture
def with_secrets(tmp_path: Path) -> Configuration:
    key = tmp_path / "key"
    key.write_text("horse-from-file\n")
    file = tmp_path / "main.yaml"
    file.write_text(SECRETS.replace("FILE", str(key)))
    return load([file], EXTENSIONS, {"ONE": " horse-one ", "WHERE": "http://host:1"})


def test_references_are_looked_up_once_at_load(with_secrets: Configuration) -> None:
    found = with_secrets
    assert dict(found.secrets["one"]) == {"key": "horse-one"}
    assert dict(found.secrets["two"]) == {"id": "horse-one", "key": "horse-from-file"}
    assert set(found.secrets) == {"one", "two"}
    assert found.catalog.deployments[0].url == "http://host:1"
    assert [file.name for file in found.files] == ["main.yaml", "key"]


def test_no_secret_is_shown_or_written(with_secrets: Configuration) -> None:
    found = with_secrets
    dumped = found.catalog.model_dump_json()
    for text in (repr(found), str(found), repr(found.secrets), dumped):
        assert "horse" not in text
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(found.secrets["one"])


def test_what_is_missing_is_told_without_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "main.yaml"
    file.write_text(SECRETS.replace("FILE", str(tmp_path / "absent")))
    with pytest.raises(ConfigError) as caught:
        load([file], EXTENSIONS, {"ONE": "horse"})
    lines = [
        (problem.mark and problem.mark.line, problem.message) for problem in caught.value.problems
    ]
    assert lines == [
        (5, "the environment variable WHERE is not set; `one` takes its url from it"),
        (6, f"the file {tmp_path / 'absent'} does not exist; `two` takes its secret from it"),
    ]
    assert tmp_path / "absent" in caught.value.files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "is not text"),
        (b"a\nb", "holds more than one line"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SecretMissing, match=message):
        resolve(f"file:{file}", {})


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="cannot be read"):
        resolve(f"file:{tmp_path}", {})


@pytest.mark.parametrize(
    "text", ["{\n}", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----"]
)
def test_account_files_may_have_lines(tmp_path: Path, text: str) -> None:
    file = tmp_path / "account"
    file.write_text(text)
    assert resolve(f"file:{file}", {}) == text


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-" + "a" * 30,
        "gsk_" + "a" * 40,
        "AIza" + "a" * 35,
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "hf_" + "a" * 34,
        "Bearer sk-proj-" + "a" * 30,
        "-----BEGIN RSA PRIVATE KEY-----",
        "https://user:horse@host/",
    ],
)
def test_credentials_are_recognised(text: str) -> None:
    assert looks_like_credential(text)


@pytest.mark.parametrize(
    "text",
    [
        "env:OPENAI_API_KEY",
        "sk-learn",
        "task-scheduler-for-the-legal-department",
        "http://127.0.0.1:8085/v1",
        "https://host/path@2x",
        "sha256:" + "a" * 64,
        "sk-[A-Za-z0-9]{20,}",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ],
)
def test_other_texts_are_not(text: str) -> None:
    assert not looks_like_credential(text)
