"""The backend over litellm: one call of its SDK per call, with its own cleverness switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, field_validator

from headgate_providers.litellm_bridge.errors import read_failure
from headgate_providers.litellm_bridge.library import installed, library
from headgate_providers.litellm_bridge.reply import (
    ChatEvents,
    embedding_reply,
    usage_events,
    whole_reply,
)
from headgate_providers.litellm_bridge.request import chat_arguments, embedding_arguments
from headgate_providers.sdk import (
    Backend,
    BackendError,
    Call,
    Capabilities,
    Event,
    Failed,
    Finish,
    Reply,
    Target,
    Transport,
    broken_off,
)

RESERVED = frozenset(
    {"model", "messages", "input", "stream", "stream_options", "api_base", "base_url", "api_key"}
    | {"timeout", "max_retries", "num_retries", "fallbacks", "context_window_fallback_dict"}
    | {"drop_params", "additional_drop_params", "mock_response", "mock_tool_calls", "caching"}
    | {"callbacks", "success_callback", "failure_callback", "logger_fn", "custom_llm_provider"}
)
"""Arguments of litellm that the gateway sets, or that would take a decision out of its hands."""


class LitellmOptions(BaseModel):
    """What a vendor needs besides an address and a key."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    arguments: dict[str, str | int | float | bool] = {}
    """Further arguments of litellm for this vendor, such as `api_version`, `vertex_project` or
    `aws_region_name`; never a secret."""

    @field_validator("arguments")
    @classmethod
    def _ours(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(RESERVED & arguments.keys()):
            raise ValueError(f"{', '.join(taken)}: the gateway sets this itself; leave it out")
        return arguments


class LitellmBackend(Backend):
    """Reaches any vendor litellm knows; the deployment's model is `vendor/model`.

    The secret is the vendor's key, or several by litellm's names for them (`aws_access_key_id` …).
    The first call imports litellm, which takes seconds. What a vendor cannot honour is refused by
    litellm and moves on as `unsupported`. Raises `ValueError` where litellm is not installed.
    """

    capabilities = Capabilities(
        operations=frozenset({"chat", "completion", "embeddings"}),
        features=frozenset(
            {
                "tools",
                "parallel_tool_calls",
                "json_schema",
                "image",
                "reasoning",
                "stop",
                "seed",
                "logprobs",
                "logit_bias",
                "penalties",
                "top_k",
                "dimensions",
            }
        ),
    )
    Options = LitellmOptions

    def __init__(self, target: Target, transport: Transport) -> None:
        """See `Backend`."""
        super().__init__(target, transport)
        if not installed():
            raise ValueError(
                "Provider 'litellm' needs the package litellm: install headgate-providers[litellm]."
            )

    async def send(self, call: Call) -> Reply:
        """See `Backend.send`."""
        if call.operation == "embeddings":
            asked = embedding_arguments(call.embedding)
        else:
            asked = chat_arguments(call.chat)
        litellm = await library().load(self)
        ask = litellm.aembedding if call.operation == "embeddings" else litellm.acompletion
        try:
            answer = await ask(model=call.model, **asked, **self._fixed())
        except Exception as error:
            raise self._failure(error) from None
        if call.operation != "embeddings" and call.stream:
            return Reply(self._streamed(answer), close=answer.aclose)
        read = embedding_reply if call.operation == "embeddings" else whole_reply
        return Reply(_at_once(read(_plain(answer))))

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        await library().release(self)

    def _fixed(self) -> dict[str, Any]:
        """Where to, as whom, how long; and no second opinion on what was asked."""
        options: LitellmOptions = self.options
        named = {name: secret for name, secret in self.target.secrets.items() if name != "key"}
        timeouts = self.target.timeouts
        return {
            **options.arguments,
            **named,
            "api_key": self.target.secret,
            "api_base": self.target.url,
            "timeout": httpx.Timeout(timeouts.total_s, connect=timeouts.connect_s),
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": False,
            "caching": False,
        }

    async def _streamed(self, stream: Any) -> AsyncIterator[Sequence[Event]]:
        """The chunks as events; litellm ends a stream that broke off as if it had finished."""
        events = ChatEvents()
        try:
            async for chunk in stream:
                payload = _plain(chunk)
                found = list(events.read(payload))
                if not _ended(stream):
                    found = [event for event in found if not isinstance(event, Finish)]
                found += usage_events(payload, counted=not _vendor_counted(stream))
                if found:
                    yield found
        except Exception as error:
            yield (Failed(self._failure(error)),)
            return
        if not _ended(stream):
            yield (broken_off(),)

    def _failure(self, error: Exception) -> BackendError:
        if isinstance(error, BackendError):
            return error
        return read_failure(error, self.target.secret)


def _ended(stream: Any) -> bool:
    """Whether the vendor itself has finished the answer."""
    names = ("received_finish_reason", "intermittent_finish_reason")
    return any(getattr(stream, name, None) is not None for name in names)


def _vendor_counted(stream: Any) -> bool:
    """Whether any chunk of the vendor brought usage; else litellm counts by a tokenizer."""
    return any(getattr(chunk, "usage", None) is not None for chunk in stream.chunks)


def _plain(answer: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = answer.model_dump(exclude_none=True)
    return plain


async def _at_once(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    yield events
