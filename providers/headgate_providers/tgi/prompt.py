"""Canonical requests → bodies of `/generate`, with the conversation written out as one prompt.

https://huggingface.github.io/text-generation-inference/#/Text%20Generation%20Inference/generate
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from headgate_providers.sdk import BackendError, ChatRequest, Document, Message, Refusal, Text
from headgate_providers.tgi.request import document_text
from headgate_providers.tgi.words import Json


class PromptTemplate(BaseModel):
    """How a conversation becomes one text: each turn in its form, then `reply`.

    `{text}` stands for what was said; every other character stays as it is.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    system: str = "{text}\n\n"
    """The form of system and developer messages."""
    user: str = "User: {text}\n"
    """The form of what the user said."""
    assistant: str = "Assistant: {text}\n"
    """The form of earlier answers."""
    reply: str = "Assistant:"
    """What comes last; the model goes on from here."""
    stop: tuple[str, ...] = ("\nUser:",)
    """Ends an answer in which the model goes on to speak for the user. TGI takes four stop
    sequences together with the caller's, unless it was started with a higher limit."""


def prompt_of(request: ChatRequest, template: PromptTemplate | None) -> str:
    """The prompt. Without a template the messages are one text already, as of a completion."""
    if template is None:
        return "".join(message.text for message in request.messages)
    turns = [
        _form(message, template).replace("{text}", _said(message)) for message in request.messages
    ]
    return "".join(turns) + template.reply


def stops_of(request: ChatRequest, template: PromptTemplate | None) -> tuple[str, ...]:
    """The caller's stop sequences, then the template's own."""
    own = template.stop if template is not None else ()
    return tuple(dict.fromkeys((*request.stop, *own)))


def generate_body(request: ChatRequest, template: PromptTemplate | None) -> Json:
    """The body of `/generate` and `/generate_stream`.

    Sampling is on unless the caller asks for temperature 0: TGI's own default is greedy as soon
    as any parameter is set.
    """
    wanted = request.response_format
    values: Json = {
        "max_new_tokens": request.max_tokens,
        "temperature": request.temperature or None,
        "top_p": request.top_p if request.top_p is not None and request.top_p < 1 else None,
        "top_k": request.top_k,
        "seed": request.seed,
        "stop": list(stops_of(request, template)) or None,
        "top_n_tokens": (request.top_logprobs or 0) if request.logprobs else None,
        "grammar": {"type": "json", "value": dict(wanted.schema or {})} if wanted else None,
    }
    return {
        "inputs": prompt_of(request, template),
        "parameters": {
            "details": True,
            "do_sample": request.temperature != 0,
            **{name: value for name, value in values.items() if value is not None},
        },
    }


def _form(message: Message, template: PromptTemplate) -> str:
    match message.role:
        case "system" | "developer":
            return template.system
        case "user":
            return template.user
        case "assistant":
            return template.assistant
    raise BackendError("unsupported", "Provider 'tgi' has no tools with `api: generate`.")


def _said(message: Message) -> str:
    texts = [
        document_text(part) if isinstance(part, Document) else part.text
        for part in message.parts
        if isinstance(part, Text | Refusal | Document)
    ]
    return "".join(texts)
