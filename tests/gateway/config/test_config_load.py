from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from headgate.config.access import Key
from headgate.config.budget import Budget
from headgate.config.gateway import GatewaySpec
from headgate.config.load import load
from headgate.routing.testing import run_tests
from tests.gateway.config.extensions_here import EXTENSIONS

POLICIES = Path(__file__).parents[3] / "policies"
HASH = "sha256:" + "ab" * 32
SMALL = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  models: {llama: {context: 8k}}
  deployments:
    - {name: own, provider: simulated, model: llama, options: {first_token_ms: 5}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: assistant
      match: {model: assistant}
      tiers: [{select: {deployment: own}}]
      otherwise: {reject: 503, code: no_capacity}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "main.yaml"
    file.write_text(text)
    return file


def test_without_a_gateway_document_the_defaults_hold(tmp_path: Path) -> None:
    gateway = load([write(tmp_path, SMALL)], EXTENSIONS, {}).gateway
    assert gateway == GatewaySpec()
    assert (gateway.server.host, gateway.server.port) == ("127.0.0.1", 8080)
    assert gateway.server.limits.body_bytes == 32 * 1024 * 1024
    assert gateway.server.drain_s == 30.0


def test_the_gateway_example_says_what_the_defaults_are() -> None:
    gateway = load([POLICIES / "examples" / "gateway.yaml"], EXTENSIONS, {}).gateway
    assert gateway.server == GatewaySpec().server
    assert gateway.telemetry == GatewaySpec().telemetry
    assert gateway.timeouts.first_token_s == 20.0
    assert [plugin.use for plugin in gateway.plugins] == ["secrets"]


def test_the_small_case_is_a_whole_configuration() -> None:
    environ = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b"}
    found = load([POLICIES / "examples" / "small" / "config.yaml"], EXTENSIONS, environ)
    assert [one.name for one in found.catalog.deployments] == ["own", "openai", "claude"]
    assert found.catalog.models == {}
    assert [policy.name for policy in found.policies] == ["assistant"]
    assert found.secrets["claude"]["key"] == "b"


@pytest.mark.parametrize(
    "path",
    [POLICIES / "examples", *sorted((POLICIES / "examples").rglob("*.yaml"))],
    ids=lambda path: path.name,
)
def test_every_example_is_right_alone_and_together(path: Path) -> None:
    results = run_tests(load([path], EXTENSIONS, offline=True))
    assert [(result.name, result.mistakes) for result in results if not result.passed] == []


def test_catalogs_and_teams_of_several_documents_are_one(tmp_path: Path) -> None:
    text = f"""\
apiVersion: headgate/v1
kind: Catalog
spec:
  sensitivity: [low, high]
  models: {{a: {{}}}}
  windows: {{w: {{tz: UTC, from: "08:00", to: "18:00"}}}}
---
apiVersion: headgate/v1
kind: Access
spec: {{teams: [{{name: web, label: high}}]}}
---
apiVersion: headgate/v1
kind: Catalog
spec: {{models: {{b: {{}}}}}}
---
apiVersion: headgate/v1
kind: Access
spec: {{keys: [{{name: k, team: web, hash: "{HASH}"}}]}}
"""
    found = load([write(tmp_path, text)], EXTENSIONS, {})
    assert found.catalog.sensitivity == ("low", "high")
    assert list(found.catalog.models) == ["a", "b"]
    assert list(found.catalog.windows) == ["w"]
    assert found.access.teams[0].label == "high"
    assert found.access.keys[0].hash == HASH


def test_a_digest_is_of_what_is_said_and_not_of_how(tmp_path: Path) -> None:
    def digests(text: str) -> tuple[str, str]:
        found = load([write(tmp_path, text)], EXTENSIONS, {})
        return found.catalog_digest, found.policy_digest

    catalog, policy = digests(SMALL)
    assert len(catalog) == len(policy) == 64
    relaid = SMALL.replace("{name: own, provider: simulated,", "{provider: simulated, 'name': own,")
    assert digests("# a comment\n" + relaid) == (catalog, policy)
    assert digests(SMALL.replace("8k", "8000")) == (catalog, policy)
    other_catalog, same_policy = digests(SMALL.replace("8k", "9k"))
    assert other_catalog != catalog
    assert same_policy == policy
    same_catalog, other_policy = digests(SMALL.replace("503", "429"))
    assert same_catalog == catalog
    assert other_policy != policy


def test_a_notice_names_its_document(tmp_path: Path) -> None:
    budget = """\
---
apiVersion: headgate/v1
kind: Budget
metadata: {name: money}
spec: {scopes: [{scope: team, limit: 5 USD, per: day}]}
"""
    file = write(tmp_path, SMALL + budget)
    (notice,) = load([file], EXTENSIONS, {}).notices
    assert str(notice) == f"{file}:18:7: {Budget.notice}"


def test_a_place_in_a_document_has_a_line(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL)
    found = load([file], EXTENSIONS, {})
    place = ("spec", "routes", 0, "tiers", 0, "select")
    assert str(found.problem(found.policies[0], place, "odd")) == f"{file}:14:24: odd"


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    found = load([write(tmp_path, SMALL)], EXTENSIONS, {})
    with pytest.raises(AttributeError):
        found.policies = ()  # type: ignore[misc]
    with pytest.raises(ValidationError):
        found.gateway.server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-31", datetime(2027, 4, 1, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2027-03-31T12:00:00Z", datetime(2027, 3, 31, 12, tzinfo=UTC)),
        ("2027-03-31T14:00:00+02:00", datetime(2027, 3, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_key_works_through_its_last_day(text: str, moment: datetime) -> None:
    key = Key.model_validate({"hash": HASH, "name": "k", "team": "t", "expires": text})
    assert key.expires == moment


@pytest.mark.parametrize("text", ["2027-02-30", "9999-12-31", "soon", 20270331, "2027-03-31T12:00"])
def test_an_expiry_that_is_no_moment_is_refused(text: object) -> None:
    with pytest.raises(ValidationError, match="write the last day"):
        Key.model_validate({"hash": HASH, "name": "k", "team": "t", "expires": text})
