"""A canonical chat request as the body of Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from headgate_providers.bedrock.content import Conversation
from headgate_providers.bedrock.models import Family, claude_version
from headgate_providers.bedrock.thinking import thinking_fields
from headgate_providers.sdk import BackendError, ChatRequest, Tool, ToolCall

UNSAMPLED_SINCE = (4, 7)
"""From this version on Claude takes no temperature, top_p and top_k."""

STRICT_SINCE = (4, 5)
"""From this version on Claude takes strict tools; other models refuse the word."""

METADATA_ENTRIES_MAX = 16
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_TIERS = frozenset({"flex", "priority", "reserved"})
"""Service tiers that must be asked for."""

COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""The members of a body that `count-tokens` takes."""


def chat_body(request: ChatRequest, family: Family) -> dict[str, Any]:
    """The body for `request`; raises `BackendError` kind `unsupported` or `invalid_request`."""
    _refuse_inexpressible(request, family)
    conversation = Conversation(family)
    messages, system = conversation.messages(request.turns), conversation.system(request.system)
    if not messages:
        # Converse answers no system prompt alone: it becomes what the user says.
        messages, system = [{"role": "user", "content": system}], []
    fields = _model_fields(request, family)
    body: dict[str, Any] = {
        "messages": messages,
        "system": system,
        "inferenceConfig": _inference(request, family, thinks=bool(_THINKS & fields.keys())),
        "toolConfig": _tool_config(request, family, conversation),
        "outputConfig": _output_config(request),
        "additionalModelRequestFields": fields,
        "requestMetadata": _metadata(request.metadata),
    }
    if family.name == "anthropic" and request.stop:
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    if request.service_tier in _TIERS:
        body["serviceTier"] = {"type": request.service_tier}
    return {name: value for name, value in body.items() if value}


_THINKS = frozenset({"thinking", "reasoning_config"})


def _refuse_inexpressible(request: ChatRequest, family: Family) -> None:
    form = request.response_format
    inexpressible = {
        "seed": request.seed is not None,
        "n": request.n > 1,
        "frequency_penalty": bool(request.frequency_penalty),
        "presence_penalty": bool(request.presence_penalty),
        "logit_bias": bool(request.logit_bias),
        "logprobs": request.logprobs or bool(request.top_logprobs),
        "response_format": form is not None and form.schema is None,
        "top_k": request.top_k is not None and not takes_top_k(request.model, family),
    }
    for param, found in inexpressible.items():
        if found:
            raise BackendError("unsupported", _WHY_NOT[param], param=param)


_WHY_NOT = {
    "seed": "Bedrock's Converse has no `seed`; leave it out.",
    "n": "Bedrock gives one answer per request; leave `n` out.",
    "frequency_penalty": "Bedrock's Converse has no penalties; leave them out.",
    "presence_penalty": "Bedrock's Converse has no penalties; leave them out.",
    "logit_bias": "Bedrock's Converse has no `logit_bias`; leave it out.",
    "logprobs": "Bedrock tells no log probabilities; leave `logprobs` out.",
    "response_format": "Bedrock's Converse needs a JSON schema for JSON; give one.",
    "top_k": "This model takes no `top_k` on Bedrock; leave it out.",
}


def takes_top_k(model: str, family: Family) -> bool:
    """Whether `top_k` can be expressed for a model."""
    return bool(family.top_k) and _is_sampled(model, family)


def _is_sampled(model: str, family: Family) -> bool:
    return family.name != "anthropic" or claude_version(model) < UNSAMPLED_SINCE


def _inference(request: ChatRequest, family: Family, *, thinks: bool) -> dict[str, Any]:
    """Claude takes a temperature up to 1, and none while it thinks or from some version on."""
    temperature, top_p = request.temperature, request.top_p
    if family.name == "anthropic":
        if temperature is not None:
            temperature = min(temperature, 1.0)
        if thinks or not _is_sampled(request.model, family):
            temperature = top_p = None
    config = {
        "maxTokens": request.max_tokens,
        "temperature": temperature,
        "topP": top_p,
        "stopSequences": list(request.stop) or None,
    }
    return {name: value for name, value in config.items() if value is not None}


def _model_fields(request: ChatRequest, family: Family) -> dict[str, Any]:
    fields = thinking_fields(request, family)
    if request.top_k is not None and not _THINKS & fields.keys():
        value: Any = request.top_k
        for name in reversed(family.top_k):
            value = {name: value}
        fields |= value
    return fields


def _tool_config(
    request: ChatRequest, family: Family, conversation: Conversation
) -> dict[str, Any]:
    """The tools; those of a conversation that used some must be declared even where none is given.

    Converse cannot forbid declared tools: for `none` they are left out, if the conversation allows.
    """
    forbidden = request.tool_choice is not None and request.tool_choice.mode == "none"
    used = _tools_used(request)
    if forbidden and used:
        raise BackendError(
            "unsupported",
            "Bedrock cannot forbid tools in a conversation that used some; leave `tool_choice` "
            "out.",
            param="tool_choice",
        )
    if forbidden:
        return {}
    strict = family.name == "anthropic" and claude_version(request.model) >= STRICT_SINCE
    tools: list[dict[str, Any]] = []
    for tool in request.tools or used:
        tools.append(_tool(tool, strict=bool(tool.strict) and strict))
        if family.cache_tools:
            tools += conversation.cache_point(tool)
    if not tools:
        return {}
    config: dict[str, Any] = {"tools": tools}
    if request.tools and (choice := _tool_choice(request)) is not None:
        config["toolChoice"] = choice
    return config


def _tools_used(request: ChatRequest) -> tuple[Tool, ...]:
    """The tools that the conversation called; nothing but their names is known of them."""
    names = {
        part.name: None
        for turn in request.turns
        for part in turn.parts
        if isinstance(part, ToolCall)
    }
    return tuple(Tool(name) for name in names)


def _tool(tool: Tool, *, strict: bool) -> dict[str, Any]:
    schema = tool.parameters or {"type": "object", "properties": {}}
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": schema}
    if strict:
        spec["strict"] = True
    return {"toolSpec": spec}


def _tool_choice(request: ChatRequest) -> dict[str, Any] | None:
    """`auto` is what Converse does unasked, and not every model takes the word."""
    if request.tool_choice is None or request.tool_choice.mode == "auto":
        return None
    if request.tool_choice.mode == "tool":
        return {"tool": {"name": request.tool_choice.name}}
    return {"any": {}}


def _output_config(request: ChatRequest) -> dict[str, Any]:
    """The schema goes as JSON text."""
    form = request.response_format
    if form is None or form.schema is None:
        return {}
    schema = {"schema": orjson.dumps(form.schema).decode(), "name": form.name}
    if form.description:
        schema["description"] = form.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """For the account's invocation log; entries with other characters would fail the call."""
    allowed = [
        (name, value)
        for name, value in metadata.items()
        if name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)
    ]
    return dict(allowed[:METADATA_ENTRIES_MAX])
