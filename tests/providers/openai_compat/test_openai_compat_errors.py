"""The error table: how each vendor of the family says no."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate_providers.openai_compat.errors import read_error, unwrapped
from headgate_providers.sdk import BackendError


def refused(status: int, payload: Any, **headers: str) -> BackendError:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_error(status, headers, body)


def openai(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("status", "payload", "kind"),
    [
        # OpenAI
        (400, openai("x", code="context_length_exceeded"), "context_overflow"),
        (400, openai("x", code="invalid_prompt"), "content_filter"),
        (429, openai("x", code="insufficient_quota"), "quota"),
        (429, openai("Rate limit reached", code="rate_limit_exceeded"), "rate_limited"),
        (404, openai("x", code="model_not_found"), "not_found"),
        (403, openai("Project does not have access", code="model_not_found"), "not_found"),
        (401, openai("x", code="invalid_api_key"), "auth"),
        (503, openai("Slow down"), "overloaded"),
        (500, openai("The server had an error", type="server_error"), "http_5xx"),
        (413, b"<html>Request Entity Too Large</html>", "too_large"),
        # Azure
        (
            400,
            openai(
                "The response was filtered due to the prompt triggering Azure OpenAI's content "
                "management policy.",
                code="content_filter",
                innererror={"code": "ResponsibleAIPolicyViolation"},
            ),
            "content_filter",
        ),
        (404, openai("x", code="DeploymentNotFound"), "not_found"),
        # vLLM, SGLang, llama.cpp, TGI, Ollama
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 8 tokens. However, you "
                "requested 9 tokens.",
                "type": "BadRequestError",
                "code": 400,
            },
            "context_overflow",
        ),
        (
            404,
            {"object": "error", "message": "The model `x` does not exist.", "code": 404},
            "not_found",
        ),
        (
            400,
            openai("The input (9 tokens) is longer than the model's context length (8 tokens)."),
            "context_overflow",
        ),
        (
            400,
            openai(
                "the request exceeds the available context size", type="exceed_context_size_error"
            ),
            "context_overflow",
        ),
        (501, openai("no embeddings", type="not_supported_error"), "unsupported"),
        (
            422,
            {
                "error": "`inputs` tokens + `max_new_tokens` must be <= 8",
                "error_type": "validation",
            },
            "context_overflow",
        ),
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "overloaded"),
        (404, {"error": "model 'x' not found"}, "not_found"),
        # Mistral, DeepSeek, Moonshot, Alibaba, Groq
        (
            400,
            {
                "object": "error",
                "message": "Prompt contains 9 tokens and 0 draft tokens, too large for model with "
                "8 maximum context length",
                "code": "3051",
            },
            "context_overflow",
        ),
        (400, {"object": "error", "message": "Invalid model: x", "code": "1500"}, "not_found"),
        (402, openai("Insufficient Balance"), "quota"),
        (400, openai("Content Exists Risk"), "content_filter"),
        (400, openai("Model Not Exist"), "not_found"),
        (429, openai("x", type="engine_overloaded_error"), "overloaded"),
        (429, openai("x", type="exceeded_current_quota_error"), "quota"),
        (400, openai("Range of input length should be [1, 8]"), "context_overflow"),
        (400, openai("x", code="data_inspection_failed"), "content_filter"),
        (400, openai("x", code="Arrearage"), "quota"),
        (498, openai("x", code="capacity_exceeded"), "overloaded"),
        # xAI, Perplexity, OpenRouter
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided: x"}, "auth"),
        (
            400,
            {"error": "This model's maximum prompt length is 8 but the request contains 9 tokens."},
            "context_overflow",
        ),
        (403, {"error": "Content violates usage guidelines."}, "content_filter"),
        (403, {"error": "Your team has used all available credits"}, "quota"),
        (400, openai("x", type="too_many_prompt_tokens", code=400), "context_overflow"),
        (402, openai("Insufficient credits", code=402), "quota"),
        (403, openai("Your input was flagged", code=403), "content_filter"),
        (400, openai("x/y is not a valid model ID", code=400), "not_found"),
        # Anything else
        (400, openai("temperature must be lower"), "invalid_request"),
        (405, b"", "not_found"),
        (302, b"", "malformed"),
        (502, b"<html>Bad Gateway</html>", "http_5xx"),
    ],
)
def test_kinds(status: int, payload: Any, kind: str) -> None:
    error = refused(status, payload)
    assert error.kind == kind
    assert error.status == status
    assert "<html>" not in error.message


def test_openrouter_quotes_its_provider() -> None:
    inner = openai("maximum context length is 8", code="context_length_exceeded")
    quoted = openai(
        "Provider returned error",
        code=400,
        metadata={"raw": json.dumps(inner), "provider_name": "X"},
    )
    error = refused(400, quoted)
    assert (error.kind, error.message) == ("context_overflow", "maximum context length is 8")
    quoted["error"]["metadata"]["raw"] = "upstream said no"
    assert refused(400, quoted).message == "upstream said no"


def test_complaints_of_pydantic_become_a_sentence() -> None:
    detail = [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]
    for payload in ({"detail": detail}, {"object": "error", "message": {"detail": detail}}):
        error = refused(422, payload)
        assert error.message == "temperature: Extra inputs are not permitted"
        assert error.param == "temperature"
        assert error.kind == "invalid_request"


def test_what_a_vendor_says_of_a_key_stays_here() -> None:
    error = refused(
        401, openai("Incorrect API key provided: sk-abc***def.", code="invalid_api_key")
    )
    assert error.message == "The upstream refused the deployment's credential."
    assert error.code == "invalid_api_key"


def test_the_wait_is_kept() -> None:
    assert refused(429, openai("x"), **{"retry-after": "7"}).retry_after_s == 7


@pytest.mark.parametrize("payload", [{}, {"error": []}, {"error": {"metadata": 1}}, {"detail": []}])
def test_odd_envelopes_are_left_alone(payload: dict[str, Any]) -> None:
    assert unwrapped(payload) is payload
