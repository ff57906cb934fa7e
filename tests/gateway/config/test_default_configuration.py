import re
from pathlib import Path

import pytest

from headgate.config.load import DEFAULT_FILE, default_document, load
from headgate.routing.testing import run_tests
from tests.gateway.config.extensions_here import EXTENSIONS

COPY = Path(__file__).parents[3] / "policies" / "default.yaml"
VARIABLES = sorted(set(re.findall(r"requires_env: (\w+)", COPY.read_text())))


def test_the_packaged_default_is_the_one_in_the_repository() -> None:
    assert default_document() == COPY.read_bytes()


def test_without_any_key_a_simulated_deployment_answers_every_name() -> None:
    found = load([], EXTENSIONS, {})
    assert {one.provider for one in found.catalog.deployments} == {"simulated"}
    assert [route.match.model for route in found.policies[0].spec.routes] == [("*",)]
    assert found.files == ()


@pytest.mark.parametrize("variable", VARIABLES)
def test_with_a_key_the_real_deployments_join_and_the_stand_in_leaves(variable: str) -> None:
    environ = {variable: "http://host:1", "HEADGATE_VLLM_MODEL": "qwen"}
    found = load([], EXTENSIONS, environ)
    names = {one.name for one in found.catalog.deployments}
    assert "simulated" in names
    assert "stand-in" not in names
    assert len(names) > 1
    assert found.policies == ()


def test_the_usual_variables_are_known() -> None:
    usual = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"}
    assert usual | {"MISTRAL_API_KEY", "HEADGATE_TGI_URL", "HEADGATE_VLLM_URL"} <= set(VARIABLES)


def test_its_own_tests_hold() -> None:
    results = run_tests(load([], EXTENSIONS, offline=True))
    assert results
    assert [result.name for result in results if not result.passed] == []


def test_its_places_name_no_file_of_this_machine() -> None:
    found = load([], EXTENSIONS, {})
    assert {document.source.file for document in found.documents} == {DEFAULT_FILE}
