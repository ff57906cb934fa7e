import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from headgate.config.kinds import API_VERSION, KINDS
from headgate.config.schema import ANY_KIND, DIALECT, EXAMPLES, as_text, schemas, write_schemas
from headgate.config.yaml import read

POLICIES = Path(__file__).parents[3] / "policies"
FILES = sorted(POLICIES.rglob("*.yaml"))
SCHEMAS = schemas()
MISTAKES = Path(__file__).parent / "mistakes"


def errors(document: Any) -> list[str]:
    schema = SCHEMAS[document["kind"].lower()]
    return [error.message for error in jsonschema_rs.iter_errors(schema, document)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schemas_are_current(name: str) -> None:
    committed = (POLICIES / "schema" / f"{name}.json").read_text(encoding="utf-8")
    assert committed == as_text(SCHEMAS[name]), (
        "run: headgate policy schema --write policies/schema"
    )


def test_nothing_else_lies_beside_them(tmp_path: Path) -> None:
    written = {file.name for file in write_schemas(tmp_path)}
    assert {file.name for file in (POLICIES / "schema").iterdir()} == written


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_described(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == DIALECT
    assert schema["title"].startswith("Headgate ")
    assert schema["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_is_one(kind: str) -> None:
    document = {"apiVersion": API_VERSION, "kind": kind, **EXAMPLES[kind]}
    assert errors(document) == []
    KINDS[kind].model_validate(document)


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_every_file_satisfies_its_schema_and_names_it(file: Path) -> None:
    first, _, _ = file.read_text().partition("\n")
    hint = first.removeprefix("# yaml-language-server: $schema=")
    schema = (file.parent / hint).resolve()
    assert schema.parent == POLICIES / "schema"
    documents = [node.data for node in read(file.read_bytes(), file.name)]
    assert schema.stem in {ANY_KIND, *(document["kind"].lower() for document in documents)}
    for document in documents:
        assert errors(document) == []


def test_any_kind_leads_to_the_schema_of_the_kind() -> None:
    rules = SCHEMAS[ANY_KIND]["allOf"]
    leads = {rule["if"]["properties"]["kind"]["const"]: rule["then"]["$ref"] for rule in rules}
    assert leads == {kind: f"{kind.lower()}.json" for kind in KINDS}
    assert json.loads(as_text(SCHEMAS[ANY_KIND])) == SCHEMAS[ANY_KIND]


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key",
        "text-for-number",
        "word-for-truth",
        "number-without-unit",
        "wrong-choice",
        "missing-key",
        "scalar-for-list",
        "key-as-hash",
        "secret-in-plain-text",
        "bad-name",
    ],
)
def test_an_editor_sees_the_mistakes_that_a_type_can_tell(name: str) -> None:
    file = MISTAKES / f"{name}.yaml"
    (node,) = read(file.read_bytes(), file.name)
    assert errors(node.data)
