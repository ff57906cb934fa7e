"""OpenAI's words → TGI's: where the two surfaces under `/v1` differ, for bodies of either origin.

TGI refuses some shapes that OpenAI takes and silently ignores members that change an answer.
https://github.com/huggingface/text-generation-inference/blob/main/router/src/lib.rs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from headgate_providers.sdk import BackendError

Json = dict[str, Any]

NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
"""The schema of a function without arguments; TGI wants one for every tool."""


def adapted(body: Mapping[str, Any]) -> Json:
    """A copy of a body of `/v1/chat/completions` or `/v1/completions` that TGI understands.

    Raises `BackendError` kind `unsupported` for what TGI would ignore or cannot do.
    """
    out = {member: value for member, value in body.items() if value is not None}
    beyond = _BEYOND_COMPLETIONS if "prompt" in out else _BEYOND_CHATS
    for what, asked in beyond.items():
        if asked(out):
            raise BackendError("unsupported", f"Provider 'tgi' cannot serve {what}.")
    for member, means_nothing in _MEANS_NOTHING.items():
        if member in out and means_nothing(out[member]):
            del out[member]
    if isinstance(out.get("stop"), str):
        out["stop"] = [out["stop"]]
    if isinstance(out.get("messages"), list):
        out["messages"] = [_message(message) for message in out["messages"]]
    if isinstance(out.get("tools"), list):
        out["tools"] = [_tool(tool) for tool in out["tools"]]
    elif "tools" not in out:
        out.pop("tool_choice", None)
    if isinstance(out.get("response_format"), Mapping):
        out["response_format"] = _response_format(out["response_format"])
    return out


def as_json(value: object) -> bytes:
    """The bytes of a body; raises `BackendError` kind `invalid_request` where JSON has none."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise BackendError(
            "invalid_request",
            "The request is nested too deep or holds a number or character that JSON cannot carry.",
        ) from error


def _constrains(body: Mapping[str, Any]) -> bool:
    wanted = body.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") != "text"


def _any_json(body: Mapping[str, Any]) -> bool:
    """TGI's `json_object` needs a schema in `value`."""
    wanted = body.get("response_format")
    return (
        isinstance(wanted, Mapping)
        and wanted.get("type") == "json_object"
        and "value" not in wanted
    )


Question: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""Asked of a body."""

_BEYOND_BOTH: Mapping[str, Question] = {
    "several answers to one request (n)": lambda body: body.get("n") not in (None, 1),
    "logit_bias": lambda body: body.get("logit_bias"),
}

_BEYOND_CHATS: Mapping[str, Question] = {
    **_BEYOND_BOTH,
    "json_object without a schema": _any_json,
    "tools together with a response_format": lambda body: body.get("tools") and _constrains(body),
}

_BEYOND_COMPLETIONS: Mapping[str, Question] = {
    **_BEYOND_BOTH,
    "logprobs of completions": lambda body: "logprobs" in body,
    "echo": lambda body: body.get("echo"),
    "best_of": lambda body: body.get("best_of") not in (None, 1),
    "presence_penalty of completions": lambda body: body.get("presence_penalty"),
}
"""Members that TGI would leave out of account, by the name that a caller knows."""

_MEANS_NOTHING: Mapping[str, Callable[[Any], bool]] = {
    # Refused with 422: it must be below 1.
    "top_p": lambda value: isinstance(value, int | float) and value >= 1,
    # Taken for a repetition penalty of 2.
    "presence_penalty": lambda value: value == 0,
    "logit_bias": lambda value: not value,
    # An empty list is refused beside a response format.
    "tools": lambda value: value == [],
    "response_format": lambda value: isinstance(value, Mapping) and value.get("type") == "text",
}
"""Values that ask for nothing at OpenAI's, and for something else or an error at TGI's."""


def _message(message: Any) -> Any:
    """TGI reads either the content or the calls of a message.

    Where both are there the calls go into the text in the form in which TGI's own chat template
    input shows calls to the model: the JSON of the list.
    """
    if not isinstance(message, Mapping):
        return message
    out = {member: value for member, value in message.items() if value is not None}
    if out.get("role") == "developer":
        out["role"] = "system"
    calls = out.get("tool_calls")
    if not calls:
        out.pop("tool_calls", None)
        out.setdefault("content", "")
    elif text := _text(out.get("content")):
        del out["tool_calls"]
        out["content"] = f"{text}\n{as_json(calls).decode()}"
    else:
        out.pop("content", None)
    return out


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def _tool(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or function.get("parameters") is not None:
        return tool
    return {**tool, "function": {**function, "parameters": NO_PARAMETERS}}


def _response_format(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """OpenAI's envelope of a schema → TGI's; TGI's own forms (`value`) stay as they are.

    https://huggingface.co/docs/text-generation-inference/basic_tutorials/using_guidance
    """
    envelope = wanted.get("json_schema")
    if not isinstance(envelope, Mapping) or "value" in wanted:
        return wanted
    return {"type": "json_object", "value": envelope.get("schema") or {}}
