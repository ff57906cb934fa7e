"""What a backend is asked: the canonical request, which every client dialect decodes to.

Plain immutable data. Nothing here knows a wire format; the names follow OpenAI's where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Operation: TypeAlias = Literal["chat", "completion", "embeddings"]
"""What is asked for. A completion is a chat of one user message where there is no endpoint."""

Dialect: TypeAlias = Literal[
    "openai_chat",
    "openai_responses",
    "openai_completions",
    "openai_embeddings",
    "anthropic_messages",
]
"""A wire format that clients speak. A backend that speaks it too can relay."""

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

CacheHint: TypeAlias = Literal["5m", "1h"]
"""The caller asks the vendor to cache the prompt up to and including this part, for that long."""

JsonObject: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text of a message."""

    text: str
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: either `url` (never a `data:` address) or base64 `data` with its `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound as base64 `data`; `format` is `wav`, `mp3` …"""

    data: str
    format: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file: exactly one of base64 `data`, `url`, plain `text` or a vendor's `file_id`."""

    data: str | None = None
    url: str | None = None
    text: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    name: str | None = None
    citations: bool = False
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking of an earlier turn, handed back.

    `signature` is the vendor's proof of it and `redacted` its encrypted form; both are opaque and
    mean something only to the vendor that issued them. `id` is the item id of `/v1/responses`.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made in an earlier turn. `arguments` is JSON text, as the model wrote it.

    `signature` is an opaque proof of thought that some vendors (Gemini) attach and want back.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the caller's tool answered to the call `call_id`."""

    call_id: str
    parts: tuple[Text | Image | Document, ...]
    name: str | None = None
    is_error: bool = False
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal the model gave in an earlier turn."""

    text: str


Part: TypeAlias = Text | Image | Audio | Document | Reasoning | ToolCall | ToolResult | Refusal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Tool results are parts of a message with role `tool`."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All its plain text, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None
    cache: CacheHint | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`auto`, `none`, `required` (any tool), or `tool` together with its `name`."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """`json_object`, or `json_schema` with the `schema` the answer must satisfy."""

    type: Literal["json_object", "json_schema"]
    schema: JsonObject | None = None
    name: str = "response"
    strict: bool | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ReasoningOptions:
    """How much the model may think: an `effort` word, a `budget_tokens`, or `enabled=False`."""

    effort: str | None = None
    budget_tokens: int | None = None
    enabled: bool | None = None
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation and how to continue it. `None` means: the caller did not say.

    `model` is the upstream's model name. `max_tokens` bounds the output including reasoning.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: ReasoningOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    user: str | None = None
    service_tier: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def system(self) -> tuple[Text, ...]:
        """The text parts of all system and developer messages, in order."""
        return tuple(
            part
            for message in self.messages
            if message.role in ("system", "developer")
            for part in message.parts
            if isinstance(part, Text)
        )

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages without system and developer ones."""
        return tuple(m for m in self.messages if m.role not in ("system", "developer"))


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts (or token id lists) to turn into vectors, one vector each, in order."""

    model: str
    inputs: tuple[str | Sequence[int], ...]
    dimensions: int | None = None
    input_type: str | None = None
    user: str | None = None


Request: TypeAlias = ChatRequest | EmbeddingRequest
