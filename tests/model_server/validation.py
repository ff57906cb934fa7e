"""What TGI refuses, in its own words, so that the facade is no more lenient than the real one.

https://github.com/huggingface/text-generation-inference/blob/main/router/src/validation.rs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]


class Refused(Exception):
    """An error reply: `{"error", "error_type"}` with a status."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


class WrongShape(Exception):
    """A body that does not fit the types of the endpoint: 422 in plain text."""


def invalid(message: str) -> Refused:
    return Refused(422, "validation", f"Input validation error: {message}")


def check_parameters(parameters: Json) -> None:
    """The limits of single parameters of `/generate`."""
    for name, (allowed, message) in _LIMITS.items():
        value = parameters.get(name)
        if value is not None and not allowed(value):
            raise invalid(f"`{name}` must be {message}")


_LIMITS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (lambda value: value > 0, "strictly positive"),
    "top_p": (lambda value: 0 < value < 1, "> 0.0 and < 1.0"),
    "top_k": (lambda value: value > 0, "strictly positive"),
    "frequency_penalty": (lambda value: -2 <= value <= 2, ">= -2.0 and <= 2.0"),
    "max_new_tokens": (lambda value: value > 0, "strictly positive"),
}


def check_length(input_tokens: int, max_new_tokens: int | None, total_tokens_max: int) -> None:
    """Prompt and answer must fit into the context."""
    asked = max_new_tokens or max(total_tokens_max - input_tokens, 0)
    if input_tokens + asked > total_tokens_max:
        raise invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {total_tokens_max}. "
            f"Given: {input_tokens} `inputs` tokens and {asked} `max_new_tokens`"
        )
    if input_tokens >= total_tokens_max:
        raise invalid(
            f"`inputs` must have less than {total_tokens_max - 1} tokens. Given: {input_tokens}"
        )


def check_chat(body: Json) -> None:
    """The types of `/v1/chat/completions`, which are narrower than OpenAI's."""
    if not isinstance(body.get("messages"), list):
        raise WrongShape("missing field `messages`")
    for message in body["messages"]:
        if not isinstance(message.get("content"), str | list) and "tool_calls" not in message:
            raise WrongShape("messages: no variant of enum MessageBody found in flattened data")
    check_lists(body)
    if "stream_options" in body and not isinstance(body["stream_options"], dict):
        raise WrongShape("stream_options: invalid type, expected struct StreamOptions")
    grammar = body.get("response_format")
    if grammar is None:
        return
    if grammar.get("type") not in ("json", "json_object", "json_schema", "regex"):
        raise WrongShape("response_format: unknown variant")
    if "value" not in grammar:
        raise WrongShape("response_format: missing field `value`")
    if body.get("tools") is not None:
        message = "Tool error: Grammar and tools are mutually exclusive"
        raise Refused(422, "tool_error", message)


def check_lists(body: Json) -> None:
    """Members that must be lists where OpenAI also takes something else."""
    for member in ("stop", "logit_bias"):
        if body.get(member) is not None and not isinstance(body[member], list):
            raise WrongShape(f"{member}: invalid type, expected a sequence")


def check_grammar(grammar: Json | None) -> Json | None:
    """The schema of a grammar; expressions are beyond the engine."""
    if grammar is None:
        return None
    schema = grammar.get("value")
    if grammar["type"] == "json_schema" and isinstance(schema, Mapping):
        schema = schema.get("schema")
    if not isinstance(schema, Mapping):
        raise invalid("grammar is not supported")
    if "properties" not in schema:
        raise invalid("grammar is not valid: Grammar must have a 'properties' field")
    return schema
