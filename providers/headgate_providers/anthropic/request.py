"""Canonical chat requests to bodies of `POST /v1/messages`.

What the API has no word for:

- `seed`, `n`, penalties, `logit_bias`, `logprobs`, JSON mode without a schema and blank stop
  sequences are refused as `unsupported`.
- `temperature` ends at 1 there and is clamped. Beside thinking only the default is allowed, so
  `temperature` and `top_k` are left out, and `top_p` is raised to the least allowed. Models from
  4.7 on refuse to be tuned; temperature and top_p are then left out and top_k is refused.
- `system` and `developer` messages all go to the one system prompt, in their order.
- A participant's `name` and the `detail` of an image are left out.
- Schemas go to `output_config.format`; a schema's name and strictness have no counterpart.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Any

from headgate_providers.anthropic.content import Block, blocks_of, cache_control, text_block
from headgate_providers.anthropic.models import Traits
from headgate_providers.anthropic.thinking import plan
from headgate_providers.sdk import BackendError, ChatRequest, Message, Text, Tool

OPENING = {"role": "user", "content": [{"type": "text", "text": "."}]}
"""The API wants the first turn to be the user's: this stands before a conversation without one."""

TOP_P_THINKING_MIN = 0.95

COUNTED_OUT = frozenset(
    {
        "container",
        "inference_geo",
        "max_tokens",
        "metadata",
        "service_tier",
        "stop_sequences",
        "stream",
        "temperature",
        "top_k",
        "top_p",
    }
)
"""Members of a request that `count_tokens` refuses."""


def body_of(request: ChatRequest, traits: Traits) -> dict[str, Any]:
    """The body; raises `BackendError` kind `unsupported` for what it cannot express."""
    _refuse_inexpressible(request, traits)
    thinking = plan(request, traits)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _turns(request),
        "stream": request.stream,
        "max_tokens": thinking.max_tokens,
    }
    members: dict[str, Any] = {
        "system": _system(request),
        "tools": [_tool(tool) for tool in request.tools],
        "tool_choice": _tool_choice(request),
        "output_config": _output_config(request, thinking.effort),
        "thinking": thinking.thinking,
        "stop_sequences": list(request.stop),
        "service_tier": _SERVICE_TIERS.get(request.service_tier or ""),
        "metadata": {"user_id": request.user} if request.user else None,
    }
    body.update((name, value) for name, value in members.items() if value)
    thinks = thinking.thinking is not None and thinking.thinking["type"] != "disabled"
    body.update(_sampling(request, thinks) if traits.sampling else {})
    return body


def _refuse_inexpressible(request: ChatRequest, traits: Traits) -> None:
    form = request.response_format
    inexpressible = {
        "seed": request.seed is not None,
        "n": request.n > 1,
        "frequency_penalty": bool(request.frequency_penalty),
        "presence_penalty": bool(request.presence_penalty),
        "logit_bias": bool(request.logit_bias),
        "logprobs": request.logprobs or bool(request.top_logprobs),
        "response_format": form is not None and form.schema is None,
        "stop": any(not sequence.strip() for sequence in request.stop),
        "top_k": request.top_k is not None and not traits.sampling,
    }
    for param, found in inexpressible.items():
        if found:
            raise BackendError("unsupported", _WHY_NOT[param], param=param)


_WHY_NOT = {
    "seed": "This provider's protocol has no `seed`; leave it out.",
    "n": "This provider gives one answer per request; leave `n` out.",
    "frequency_penalty": "This provider's protocol has no penalties; leave them out.",
    "presence_penalty": "This provider's protocol has no penalties; leave them out.",
    "logit_bias": "This provider's protocol has no `logit_bias`; leave it out.",
    "logprobs": "This provider's protocol tells no log probabilities; leave `logprobs` out.",
    "response_format": "This provider has no JSON mode without a schema: give a JSON schema.",
    "stop": "This provider takes no stop sequence of white space only.",
    "top_k": "This model does not take `top_k`; leave it out.",
}


def _system(request: ChatRequest) -> list[Block]:
    for message in request.messages:
        if message.role in ("system", "developer"):
            for part in message.parts:
                if not isinstance(part, Text):
                    raise BackendError(
                        "unsupported", "This provider's system prompt takes text only."
                    )
    return [block for part in request.system if (block := text_block(part)) is not None]


def _turns(request: ChatRequest) -> list[Block]:
    """The turns, alternating and the user's first.

    Tool results are the user's and stand before anything else of that turn.
    https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
    """
    turns: list[Block] = []
    for message in request.turns:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = blocks_of(message.parts)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    for turn in turns:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, OPENING)
    _trim_prefill(turns[-1])
    return turns


def _trim_prefill(turn: Block) -> None:
    """An answer the model is to continue may not end with white space."""
    last = turn["content"][-1]
    if turn["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _tool(tool: Tool) -> Block:
    block: Block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict:
        block["strict"] = True
    return block | cache_control(tool.cache)


_CHOICES = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}


def _tool_choice(request: ChatRequest) -> Block | None:
    if not request.tools:
        return None
    choice, one_at_a_time = request.tool_choice, request.parallel_tool_calls is False
    if choice is None and not one_at_a_time:
        return None
    block: Block = {"type": _CHOICES[choice.mode] if choice else "auto"}
    if block["type"] == "tool" and choice is not None:
        block["name"] = choice.name
    if one_at_a_time and block["type"] != "none":
        block["disable_parallel_tool_use"] = True
    return block


def _output_config(request: ChatRequest, effort: str | None) -> Block:
    config: Block = {}
    if (form := request.response_format) is not None and form.schema is not None:
        schema = dict(form.schema)
        if form.description:
            schema.setdefault("description", form.description)
        config["format"] = {"type": "json_schema", "schema": schema}
    if effort is not None:
        config["effort"] = effort
    return config


_SERVICE_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard": "standard_only",
    "standard_only": "standard_only",
}
"""OpenAI's words and Anthropic's; the priority tier is used by `auto` where it was bought."""


def _sampling(request: ChatRequest, thinks: bool) -> dict[str, float]:
    """Some models refuse temperature and top_p together: 1, the default of both, is left out."""
    temperature = None if request.temperature is None else min(request.temperature, 1.0)
    top_p = None if request.top_p == 1 else request.top_p
    if thinks:
        temperature, top_k = None, None
        top_p = None if top_p is None else max(top_p, TOP_P_THINKING_MIN)
    else:
        top_k = request.top_k
    if temperature == 1 and top_p is not None:
        temperature = None
    given = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    return {name: value for name, value in given.items() if value is not None}


def uses_files(request: ChatRequest) -> bool:
    """Whether a file of the Files API is referred to, which needs its beta header."""
    return any(_has_file(message) for message in request.messages)


def _has_file(message: Message) -> bool:
    parts = [inner for part in message.parts for inner in (part, *getattr(part, "parts", ()))]
    return any(getattr(part, "file_id", None) for part in parts)
