"""What applications do with LiteLLM's SDK, in both dialects."""

from __future__ import annotations

import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import openai
from steps import KEY, URL, WEATHER, raises, run

litellm.telemetry = False
litellm.suppress_debug_info = True
OPENAI = {"api_base": f"{URL}/v1", "api_key": KEY, "num_retries": 0, "max_retries": 0}
ANTHROPIC = {"api_base": URL, "api_key": KEY, "num_retries": 0, "max_retries": 0}
ASK = [{"role": "user", "content": "Say hello"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def chat() -> None:
    reply = litellm.completion("openai/sim", ASK, max_tokens=40, **OPENAI)
    assert reply.choices[0].message.content.startswith("[simulated]")
    assert reply.usage.total_tokens > 2


def chat_stream() -> None:
    options = {"include_usage": True}
    stream = litellm.completion("openai/sim", ASK, stream=True, stream_options=options, **OPENAI)
    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts).startswith("[simulated]")
    assert chunks[-1].usage.completion_tokens > 2


def tools() -> None:
    for model, place in (("openai/sim", OPENAI), ("anthropic/claude-sim", ANTHROPIC)):
        reply = litellm.completion(model, ASK, tools=[TOOL], tool_choice="required", **place)
        (call,) = reply.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "Bern"}, model


def json_schema() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    reply = litellm.completion("openai/sim", ASK, response_format=schema, **OPENAI)
    assert json.loads(reply.choices[0].message.content) == {"city": "Bern"}


def messages() -> None:
    reply = litellm.completion("anthropic/claude-sim", ASK, max_tokens=40, **ANTHROPIC)
    assert reply.choices[0].message.content.startswith("[simulated]")


def messages_stream() -> None:
    stream = litellm.completion("anthropic/claude-sim", ASK, stream=True, **ANTHROPIC)
    texts = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(texts).startswith("[simulated]")


def embeddings() -> None:
    reply = litellm.embedding("openai/sim", input=["one", "two"], **OPENAI)
    assert [len(row["embedding"]) for row in reply.data] == [64, 64]


def responses() -> None:
    reply = litellm.responses("Say hello", "openai/sim", api_base=f"{URL}/v1", api_key=KEY)
    (message,) = [item for item in reply.output if item.type == "message"]
    assert message.content[0].text.startswith("[simulated]")


async def asynchronous() -> None:
    stream = await litellm.acompletion("openai/sim", ASK, stream=True, **OPENAI)
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts).startswith("[simulated]")


def errors() -> None:
    def ask(model: str, **more: object) -> object:
        return litellm.completion(f"openai/{model}", ASK, **{**OPENAI, **more})

    raises(litellm.AuthenticationError, lambda: ask("sim", api_key="wrong"))
    raises(litellm.NotFoundError, lambda: ask("nosuch"))
    raises(litellm.RateLimitError, lambda: ask("limited"))
    raises(litellm.BadRequestError, lambda: ask("overflowing"))
    raises(
        litellm.AuthenticationError,
        lambda: litellm.completion(
            "anthropic/claude-sim", ASK, **{**ANTHROPIC, "api_key": "wrong"}
        ),
    )


def error_in_stream() -> None:
    def read() -> None:
        for _ in litellm.completion("openai/breaking", ASK, stream=True, **OPENAI):
            pass

    raises(openai.APIError, read)  # all of LiteLLM's are


if __name__ == "__main__":
    run(
        chat,
        chat_stream,
        tools,
        json_schema,
        messages,
        messages_stream,
        embeddings,
        responses,
        asynchronous,
        errors,
        error_in_stream,
    )
