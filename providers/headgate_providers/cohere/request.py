"""A canonical chat request as the body of `/v2/chat`.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from typing import Any

from headgate_providers.cohere.content import messages_of
from headgate_providers.sdk import (
    BackendError,
    ChatRequest,
    ReasoningOptions,
    ResponseFormat,
    Tool,
    ToolChoice,
)

BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192, "high": None, "xhigh": None, "max": None}
"""Effort word → tokens to think; with `None` the model thinks as long as it likes."""


def chat_body(request: ChatRequest) -> dict[str, Any]:
    """The body for `request`; raises `BackendError` kind `unsupported` or `invalid_request`."""
    _refuse_inexpressible(request)
    messages, documents = messages_of(request.messages)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "stream": request.stream,
        "documents": documents or None,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "p": request.top_p,
        "k": request.top_k,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logprobs": request.logprobs or None,
        "response_format": _response_format(request.response_format),
        "thinking": _thinking(request.reasoning),
        **_tools(request.tools, request.tool_choice),
    }
    return {name: value for name, value in body.items() if value is not None}


def _refuse_inexpressible(request: ChatRequest) -> None:
    inexpressible = {
        "n": request.n > 1,
        "logit_bias": bool(request.logit_bias),
        "top_logprobs": bool(request.top_logprobs),
    }
    for param, found in inexpressible.items():
        if found:
            raise BackendError("unsupported", _WHY_NOT[param], param=param)


_WHY_NOT = {
    "n": "Cohere gives one answer per request; leave `n` out.",
    "logit_bias": "Cohere takes no `logit_bias`; leave it out.",
    "top_logprobs": "Cohere tells only the chosen tokens' probabilities; leave `top_logprobs` out.",
}


def _tools(tools: tuple[Tool, ...], choice: ToolChoice | None) -> dict[str, Any]:
    """A certain tool cannot be demanded; where it is the only one, demanding any does the same."""
    if not tools:
        return {}
    if choice is not None and choice.mode == "tool":
        tools = tuple(tool for tool in tools if tool.name == choice.name)
        if not tools:
            raise BackendError(
                "invalid_request",
                f"`tool_choice` demands {choice.name!r}, which is none of the `tools`.",
                param="tool_choice",
            )
    members: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if all(tool.strict and (tool.parameters or {}).get("required") for tool in tools):
        # Strict tools must have at least one required parameter, and it is all of them or none.
        members["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        members["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    return members


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _response_format(form: ResponseFormat | None) -> dict[str, Any] | None:
    """https://docs.cohere.com/docs/structured-outputs"""
    if form is None:
        return None
    schema = {} if form.schema is None else {"json_schema": form.schema}
    return {"type": "json_object", **schema}


def _thinking(options: ReasoningOptions | None) -> dict[str, Any] | None:
    """https://docs.cohere.com/docs/reasoning"""
    if options is None or (options.enabled, options.effort, options.budget_tokens) == (None,) * 3:
        return None  # a wish for summaries alone leaves it to the model whether to think
    if options.enabled is False or options.effort == "none":
        return {"type": "disabled"}
    budget = options.budget_tokens
    if budget is None and options.effort is not None:
        if options.effort not in BUDGETS:
            words = ", ".join(("none", *BUDGETS))
            raise BackendError(
                "invalid_request",
                f"The reasoning effort {options.effort!r} is unknown; use one of {words}.",
                param="reasoning_effort",
            )
        budget = BUDGETS[options.effort]
    return {"type": "enabled"} if budget is None else {"type": "enabled", "token_budget": budget}
