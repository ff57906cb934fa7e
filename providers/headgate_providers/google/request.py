"""A canonical chat request as the body of `generateContent`.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headgate_providers.google.contents import contents_of, parts_of
from headgate_providers.google.schema import declared
from headgate_providers.sdk import BackendError, ChatRequest, Image, ReasoningOptions, Tool

_GENERATION = re.compile(r"gemini-(\d+)")
_BUDGETS = {"low": 1024, "medium": 8192, "high": 24_576}
"""Thinking tokens of an effort, as Google's own OpenAI-compatible endpoint sets them."""
_LEVELS = {"low": "low", "medium": "medium", "high": "high"}
_EFFORTS = {"xhigh": "high", "max": "high"}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def chat_body(request: ChatRequest) -> dict[str, Any]:
    """The body for `request`; raises `BackendError` kind `unsupported` or `invalid_request`."""
    if request.logit_bias:
        raise BackendError(
            "unsupported", "Gemini takes no `logit_bias`; leave it out.", param="logit_bias"
        )
    body = prompt_body(request)
    if request.tools and request.tool_choice is not None:
        calling: dict[str, Any] = {"mode": _MODES[request.tool_choice.mode]}
        if request.tool_choice.name is not None:
            calling["allowedFunctionNames"] = [request.tool_choice.name]
        body["toolConfig"] = {"functionCallingConfig": calling}
    if config := _generation_config(request):
        body["generationConfig"] = config
    return body


def prompt_body(request: ChatRequest) -> dict[str, Any]:
    """What counts as input: contents, system instruction and tools.

    System messages wherever they stand are one instruction. If nothing else was said, they are
    the user's words, because Gemini answers no request without contents.
    """
    newer = is_gemini_3(request.model)
    contents = contents_of(request.turns, newer)
    system = [
        part
        for message in request.messages
        if message.role in ("system", "developer")
        for part in parts_of(message)
    ]
    body: dict[str, Any] = {"contents": contents or [{"role": "user", "parts": system}]}
    if system and contents:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    return body


def is_gemini_3(model: str) -> bool:
    """Whether a model is of the third generation or later, as `gemini-flash-latest` is."""
    if (match := _GENERATION.search(model)) is not None:
        return int(match[1]) >= 3
    return "gemini" in model and model.endswith("-latest")


def _declaration(tool: Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name}
    if tool.description:
        made["description"] = tool.description
    if tool.parameters:
        made.update(declared(tool.parameters))
    return made


def _generation_config(request: ChatRequest) -> dict[str, Any]:
    config: dict[str, Any] = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
        "candidateCount": request.n if request.n > 1 else None,
        "frequencyPenalty": request.frequency_penalty,
        "presencePenalty": request.presence_penalty,
        "responseLogprobs": True if request.logprobs else None,
        "logprobs": (request.top_logprobs or None) if request.logprobs else None,
        "mediaResolution": _media_resolution(request),
    }
    if request.response_format is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.response_format.schema
    if request.reasoning is not None:
        config["thinkingConfig"] = _thinking(request.model, request.reasoning)
    return {key: value for key, value in config.items() if value is not None}


def _thinking(model: str, reasoning: ReasoningOptions) -> Mapping[str, Any]:
    """Gemini 3 takes a level and cannot be kept from thinking, Gemini 2.5 takes a token budget.

    https://ai.google.dev/gemini-api/docs/thinking
    """
    newer = is_gemini_3(model)
    effort = _EFFORTS.get(reasoning.effort or "", reasoning.effort)
    if reasoning.enabled is False or effort in ("none", "minimal"):
        least = {"thinkingLevel": "low" if "-pro" in model else "minimal"}
        return least if newer else {"thinkingBudget": 0}
    wanted: dict[str, Any] = {"includeThoughts": True}
    if newer and effort in _LEVELS:
        wanted["thinkingLevel"] = _LEVELS[effort]
    elif reasoning.budget_tokens is not None:
        wanted["thinkingBudget"] = reasoning.budget_tokens
    elif effort in _BUDGETS:
        wanted["thinkingBudget"] = _BUDGETS[effort]
    return wanted


def _media_resolution(request: ChatRequest) -> str | None:
    """One resolution holds for all pictures: the highest `detail` that was asked for."""
    asked = {
        part.detail
        for message in request.messages
        for part in message.parts
        if isinstance(part, Image)
    }
    return next((_RESOLUTIONS[detail] for detail in ("high", "low") if detail in asked), None)
