"""Vendors that speak a dialect of OpenAI's: one row each, data only.

`openai_compat` reads these rows; a vendor that only copies what is here needs a row and no code.
Claims are conservative: a feature is listed when the vendor documents it or answered it on record.
"""

# ruff: noqa: S106 -- `secret_env` names a variable, it is no secret

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headgate_providers.sdk import Dialect, Feature

Quirk: TypeAlias = Literal[
    "no_developer_role",
    "no_strict",
    "data_images",
    "cache_control",
    "echo_reasoning",
    "int8_vectors",
    "no_float_encoding",
    "input_type",
    "counts_tokens",
    "tool_images",
]

QUIRKS: Mapping[Quirk, str] = {
    "no_developer_role": "Knows `system` only; a `developer` message is refused or lost in the "
    "model's chat template. https://api-docs.deepseek.com/api/create-chat-completion",
    "no_strict": "Refuses `strict` in a tool's function as an unknown member. "
    "https://github.com/tensorzero/tensorzero/pull/164",
    "data_images": "Takes pictures as data only and fetches no address. "
    "https://platform.moonshot.ai/docs/guide/use-kimi-vision-model",
    "cache_control": "Takes Anthropic's `cache_control` on content parts. "
    "https://openrouter.ai/docs/features/prompt-caching",
    "echo_reasoning": "In thinking mode an assistant turn with tool calls must bring its "
    "`reasoning_content` back, empty or not, or the call is refused with 400. "
    "https://api-docs.deepseek.com/guides/thinking_mode",
    "int8_vectors": "Embeddings come as base64 of signed bytes, not of 32-bit floats. "
    "https://docs.perplexity.ai/api-reference/embeddings-post",
    "no_float_encoding": "`encoding_format` may be base64 or absent; `float`, the default of "
    "others, is refused. https://docs.voyageai.com/reference/embeddings-api",
    "input_type": "Embeds a query and a document differently and takes `input_type` to tell which. "
    "https://docs.voyageai.com/docs/embeddings",
    "counts_tokens": "Serves `/messages/count_tokens` beside `/messages`. "
    "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    "tool_images": "Takes pictures inside a tool's result, where OpenAI allows text only. "
    "https://openrouter.ai/docs/features/tool-calling",
}
"""Why each flag exists."""

ReasoningRequest: TypeAlias = Literal["effort", "object", "switch", "enable_thinking", "template"]
"""How thinking is asked for: OpenAI's `reasoning_effort`; OpenRouter's `reasoning` object; an
effort with DeepSeek's `thinking: {type}`; Alibaba's `enable_thinking` and `thinking_budget`; the
chat template's `chat_template_kwargs: {enable_thinking}` of open model servers."""

ReasoningHistory: TypeAlias = Literal[
    "reasoning_content", "reasoning", "reasoning_details", "thinking_parts"
]
"""Where an assistant turn carries its earlier thinking; without one it is left out."""

DocumentStyle: TypeAlias = Literal["file", "document_url", "file_url"]
"""The content part that carries a file: OpenAI's, Mistral's or Perplexity's."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor.

    `url` is its usual base address, or `None` where the user must give one; `path` is added to a
    given address that has none. `secret_env` is the customary variable of its key. `renames` and
    `drops` are request members it knows by another name or refuses; `message_drops` the same for
    members of messages. `paths` are the places that differ from OpenAI's, below the base address.
    `prices` is its name in price lists.
    """

    name: str
    dialects: frozenset[Dialect]
    features: frozenset[Feature]
    url: str | None = None
    path: str = "/v1"
    secret_env: str | None = None
    auth: Literal["bearer", "api-key"] = "bearer"
    quirks: frozenset[Quirk] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    drops: frozenset[str] = frozenset()
    message_drops: frozenset[str] = frozenset()
    reasoning_request: ReasoningRequest = "effort"
    reasoning_history: ReasoningHistory | None = None
    documents: DocumentStyle | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    prices: str | None = None


_CHAT: frozenset[Dialect] = frozenset({"openai_chat"})
_EMBEDDINGS: frozenset[Dialect] = frozenset({"openai_embeddings"})
_RESPONSES: frozenset[Dialect] = frozenset({"openai_responses"})
_COMPLETIONS: frozenset[Dialect] = frozenset({"openai_completions"})
_MESSAGES: frozenset[Dialect] = frozenset({"anthropic_messages"})
_OPENAI: frozenset[Dialect] = _CHAT | _COMPLETIONS | _EMBEDDINGS
_EVERY: frozenset[Dialect] = _OPENAI | _RESPONSES | _MESSAGES

_TOOLS: frozenset[Feature] = frozenset({"tools", "parallel_tool_calls"})
_JSON: frozenset[Feature] = frozenset({"json_object", "json_schema"})
_SAMPLING: frozenset[Feature] = frozenset({"n", "stop", "seed", "penalties"})
_LOGITS: frozenset[Feature] = frozenset({"logprobs", "logit_bias"})
_IMAGE: frozenset[Feature] = frozenset({"image"})
_REASONING: frozenset[Feature] = frozenset({"reasoning"})
_USUAL: frozenset[Feature] = _TOOLS | _JSON | _IMAGE | _REASONING

_MAX_TOKENS: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
"""For vendors that know the older name of the output limit only."""

_SYSTEM_ONLY: frozenset[Quirk] = frozenset({"no_developer_role"})

_ROWS: tuple[Vendor, ...] = (
    Vendor(
        name="openai",
        url="https://api.openai.com/v1",
        secret_env="OPENAI_API_KEY",
        dialects=_OPENAI | _RESPONSES,
        features=_USUAL | _SAMPLING | _LOGITS | {"audio", "document", "token_ids", "dimensions"},
        documents="file",
        prices="openai",
    ),
    # The address is the resource's; `options.api` says which of its three surfaces is meant.
    # https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
    Vendor(
        name="azure",
        path="",
        secret_env="AZURE_OPENAI_API_KEY",
        auth="api-key",
        dialects=_OPENAI | _RESPONSES,
        features=_USUAL | _SAMPLING | _LOGITS | {"audio", "token_ids", "dimensions"},
        prices="azure",
    ),
    # Unknown to it: `n` over 1, logprobs, logit_bias, `name` and `reasoning_content` of messages.
    # https://console.groq.com/docs/openai
    Vendor(
        name="groq",
        url="https://api.groq.com/openai/v1",
        secret_env="GROQ_API_KEY",
        dialects=_CHAT | _RESPONSES,
        features=_USUAL | {"stop", "seed"},
        message_drops=frozenset({"name", "reasoning_content"}),
        reasoning_history="reasoning",
        prices="groq",
    ),
    # Refuses every member it does not know with 422; sends usage in a stream without being asked.
    # https://docs.mistral.ai/api/endpoint/chat
    # https://github.com/mistralai/platform-docs-public/issues/7
    Vendor(
        name="mistral",
        url="https://api.mistral.ai/v1",
        secret_env="MISTRAL_API_KEY",
        dialects=_CHAT | _EMBEDDINGS,
        features=_USUAL | _SAMPLING | {"audio", "document", "dimensions"},
        quirks=_SYSTEM_ONLY,
        renames={**_MAX_TOKENS, "seed": "random_seed", "dimensions": "output_dimension"},
        drops=frozenset({"stream_options", "user", "store", "service_tier"}),
        message_drops=frozenset({"reasoning_content", "reasoning", "refusal"}),
        reasoning_history="thinking_parts",
        documents="document_url",
        prices="mistral",
    ),
    # https://api-docs.deepseek.com/api/create-chat-completion
    # https://api-docs.deepseek.com/guides/anthropic_api
    Vendor(
        name="deepseek",
        url="https://api.deepseek.com",
        path="",
        secret_env="DEEPSEEK_API_KEY",
        dialects=_CHAT | _RESPONSES | _MESSAGES,
        features=_TOOLS | _REASONING | {"json_object", "stop", "logprobs", "penalties"},
        quirks=_SYSTEM_ONLY | {"echo_reasoning"},
        renames=_MAX_TOKENS,
        reasoning_request="switch",
        reasoning_history="reasoning_content",
        paths={"anthropic_messages": "/anthropic/v1/messages"},
        prices="deepseek",
    ),
    # https://docs.x.ai/docs/api-reference
    Vendor(
        name="xai",
        url="https://api.x.ai/v1",
        secret_env="XAI_API_KEY",
        dialects=_CHAT | _RESPONSES,
        features=_USUAL | _SAMPLING | {"logprobs"},
        quirks=_SYSTEM_ONLY,
        reasoning_history="reasoning_content",
        prices="x-ai",
    ),
    # https://docs.together.ai/reference/chat-completions-1
    Vendor(
        name="together",
        url="https://api.together.xyz/v1",
        secret_env="TOGETHER_API_KEY",
        dialects=_OPENAI,
        features=_USUAL | _SAMPLING | {"logit_bias", "top_k"},
        quirks=_SYSTEM_ONLY,
        renames=_MAX_TOKENS,
        prices="together",
    ),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions
    Vendor(
        name="fireworks",
        url="https://api.fireworks.ai/inference/v1",
        secret_env="FIREWORKS_API_KEY",
        dialects=_OPENAI | _RESPONSES,
        features=_USUAL | _SAMPLING | _LOGITS | {"top_k", "dimensions"},
        quirks=_SYSTEM_ONLY | {"no_strict"},
        reasoning_history="reasoning_content",
        prices="fireworks",
    ),
    # No `n`. https://openrouter.ai/docs/api/reference/parameters
    Vendor(
        name="openrouter",
        url="https://openrouter.ai/api/v1",
        secret_env="OPENROUTER_API_KEY",
        dialects=_EVERY,
        features=_USUAL
        | _LOGITS
        | {"audio", "document", "stop", "seed", "penalties", "top_k", "dimensions"},
        quirks=frozenset({"cache_control", "tool_images"}),
        renames=_MAX_TOKENS,
        reasoning_request="object",
        reasoning_history="reasoning_details",
        documents="file",
        prices="openrouter",
    ),
    # No tools, and a stream without `[DONE]`.
    # https://docs.perplexity.ai/api-reference/chat-completions-post
    Vendor(
        name="perplexity",
        url="https://api.perplexity.ai",
        path="",
        secret_env="PERPLEXITY_API_KEY",
        dialects=_CHAT | _EMBEDDINGS,
        features=_IMAGE
        | _REASONING
        | {"json_schema", "document", "penalties", "top_k", "dimensions"},
        quirks=_SYSTEM_ONLY | {"int8_vectors"},
        renames=_MAX_TOKENS,
        documents="file_url",
        paths={"openai_embeddings": "/v1/embeddings", "models": "/v1/models"},
        prices="perplexity",
    ),
    # https://huggingface.co/docs/inference-providers
    Vendor(
        name="huggingface",
        url="https://router.huggingface.co/v1",
        secret_env="HF_TOKEN",
        dialects=_CHAT,
        features=_USUAL | {"stop", "seed", "penalties", "logprobs"},
        quirks=_SYSTEM_ONLY,
        renames=_MAX_TOKENS,
    ),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    Vendor(
        name="vllm",
        secret_env="VLLM_API_KEY",
        dialects=_EVERY,
        features=_USUAL | _SAMPLING | _LOGITS | {"audio", "top_k", "token_ids", "dimensions"},
        quirks=_SYSTEM_ONLY,
        reasoning_request="template",
        reasoning_history="reasoning_content",
    ),
    # https://docs.sglang.ai/basic_usage/openai_api.html
    Vendor(
        name="sglang",
        secret_env="SGLANG_API_KEY",
        dialects=_OPENAI | _RESPONSES,
        features=_USUAL | _SAMPLING | _LOGITS | {"top_k", "token_ids"},
        quirks=_SYSTEM_ONLY,
        reasoning_request="template",
        reasoning_history="reasoning_content",
    ),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    Vendor(
        name="llamacpp",
        url="http://127.0.0.1:8080/v1",
        secret_env="LLAMACPP_API_KEY",
        dialects=_EVERY,
        features=_USUAL | _SAMPLING | _LOGITS | {"audio", "top_k", "token_ids"},
        quirks=_SYSTEM_ONLY | {"counts_tokens"},
        reasoning_request="template",
        reasoning_history="reasoning_content",
    ),
    # https://docs.ollama.com/api/openai-compatibility
    Vendor(
        name="ollama",
        url="http://127.0.0.1:11434/v1",
        dialects=_EVERY,
        features=_USUAL | {"stop", "seed", "penalties", "logprobs", "dimensions"},
        quirks=_SYSTEM_ONLY | {"tool_images"},
        renames=_MAX_TOKENS,
        reasoning_history="reasoning",
    ),
    Vendor(
        name="ollama_cloud",
        url="https://ollama.com/v1",
        secret_env="OLLAMA_API_KEY",
        dialects=_CHAT | _RESPONSES | _MESSAGES,
        features=_USUAL | {"stop", "seed", "penalties"},
        quirks=_SYSTEM_ONLY,
        renames=_MAX_TOKENS,
        reasoning_history="reasoning",
    ),
    # https://lmstudio.ai/docs/developer/openai-compat
    Vendor(
        name="lmstudio",
        url="http://127.0.0.1:1234/v1",
        secret_env="LMSTUDIO_API_KEY",
        dialects=_EVERY,
        features=_TOOLS
        | _IMAGE
        | _REASONING
        | {"json_schema", "stop", "seed", "penalties", "logit_bias", "top_k"},
        quirks=_SYSTEM_ONLY,
        renames=_MAX_TOKENS,
    ),
    # https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
    Vendor(
        name="alibaba",
        url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        path="/compatible-mode/v1",
        secret_env="DASHSCOPE_API_KEY",
        dialects=_CHAT | _EMBEDDINGS,
        features=_USUAL | _SAMPLING | {"audio", "logprobs", "top_k", "dimensions"},
        quirks=_SYSTEM_ONLY | {"cache_control"},
        renames=_MAX_TOKENS,
        reasoning_request="enable_thinking",
        reasoning_history="reasoning_content",
    ),
    # https://platform.moonshot.ai/docs/api/chat
    Vendor(
        name="moonshot",
        url="https://api.moonshot.ai/v1",
        secret_env="MOONSHOT_API_KEY",
        dialects=_CHAT,
        features=_TOOLS | _IMAGE | _REASONING | {"json_object", "n", "stop", "penalties"},
        quirks=_SYSTEM_ONLY | {"data_images", "echo_reasoning"},
        renames=_MAX_TOKENS,
        reasoning_request="switch",
        reasoning_history="reasoning_content",
        prices="moonshotai",
    ),
    # https://docs.gpustack.ai/latest/user-guide/openai-compatible-apis/
    Vendor(
        name="gpustack",
        secret_env="GPUSTACK_API_KEY",
        dialects=_OPENAI,
        features=_USUAL | _SAMPLING | {"logprobs", "top_k"},
        quirks=_SYSTEM_ONLY,
        reasoning_history="reasoning_content",
    ),
    # OpenAI's dialects in front of Bedrock; the address holds the region.
    # https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html
    Vendor(
        name="bedrock_mantle",
        url="https://bedrock-mantle.us-east-1.api.aws/v1",
        secret_env="AWS_BEARER_TOKEN_BEDROCK",
        dialects=_CHAT | _RESPONSES,
        features=_TOOLS | _IMAGE | _REASONING | {"json_schema", "audio", "stop"},
        quirks=_SYSTEM_ONLY,
        prices="aws",
    ),
    # https://docs.voyageai.com/reference/embeddings-api
    Vendor(
        name="voyage",
        url="https://api.voyageai.com/v1",
        secret_env="VOYAGE_API_KEY",
        dialects=_EMBEDDINGS,
        features=frozenset({"dimensions"}),
        quirks=frozenset({"no_float_encoding", "input_type"}),
        renames={"dimensions": "output_dimension"},
        drops=frozenset({"user"}),
        paths={"models": ""},
    ),
    # https://inference-docs.cerebras.ai/api-reference/chat-completions
    Vendor(
        name="cerebras",
        url="https://api.cerebras.ai/v1",
        secret_env="CEREBRAS_API_KEY",
        dialects=_CHAT | _COMPLETIONS,
        features=_TOOLS | _JSON | _REASONING | {"stop", "seed", "logprobs"},
        quirks=_SYSTEM_ONLY,
        reasoning_history="reasoning",
        prices="cerebras",
    ),
    # https://docs.api.nvidia.com/nim/reference/llm-apis
    Vendor(
        name="nvidia",
        url="https://integrate.api.nvidia.com/v1",
        secret_env="NVIDIA_API_KEY",
        dialects=_CHAT | _EMBEDDINGS,
        features=_TOOLS | _IMAGE | {"stop", "seed", "penalties"},
        quirks=_SYSTEM_ONLY | {"input_type"},
        renames=_MAX_TOKENS,
    ),
)

VENDORS: Mapping[str, Vendor] = {row.name: row for row in _ROWS}
"""All rows by name."""

GENERIC = Vendor(
    name="openai_compat",
    dialects=_OPENAI,
    features=_USUAL | _SAMPLING | _LOGITS | {"top_k", "token_ids", "dimensions"},
    quirks=_SYSTEM_ONLY,
    renames=_MAX_TOKENS,
    reasoning_history="reasoning_content",
)
"""Any other server of that kind: the address must be given, the options say what differs."""
