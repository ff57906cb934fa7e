"""What applications do with huggingface_hub's inference client."""

from __future__ import annotations

import json

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from steps import KEY, URL, WEATHER, raises, run

client = InferenceClient(base_url=f"{URL}/v1", api_key=KEY)
ASK = [{"role": "user", "content": "Say hello"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def chat() -> None:
    reply = client.chat_completion(ASK, model="sim", max_tokens=40)
    assert reply.choices[0].message.content.startswith("[simulated]")
    assert reply.usage.total_tokens > 2
    again = client.chat.completions.create(messages=ASK, model="sim")
    assert again.choices[0].finish_reason == "stop"


def chat_stream() -> None:
    options = {"include_usage": True}
    chunks = list(client.chat_completion(ASK, model="sim", stream=True, stream_options=options))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts).startswith("[simulated]")
    assert chunks[-1].usage.completion_tokens > 2


def tools() -> None:
    reply = client.chat_completion(ASK, model="sim", tools=[TOOL], tool_choice="required")
    (call,) = reply.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Bern"}


def json_schema() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    reply = client.chat_completion(ASK, model="sim", response_format=schema)
    assert json.loads(reply.choices[0].message.content) == {"city": "Bern"}


async def asynchronous() -> None:
    async with AsyncInferenceClient(base_url=f"{URL}/v1", api_key=KEY) as other:
        stream = await other.chat_completion(ASK, model="sim", stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts).startswith("[simulated]")


def errors() -> None:
    def ask(model: str, **more: object) -> object:
        return client.chat_completion(ASK, model=model, **more)

    error = raises(HfHubHTTPError, lambda: ask("nosuch"))
    assert error.response.status_code == 404
    error = raises(HfHubHTTPError, lambda: ask("limited"))
    assert error.response.status_code == 429
    raises(BadRequestError, lambda: ask("sim", temperature="hot"))
    stranger = InferenceClient(base_url=f"{URL}/v1", api_key="wrong")
    error = raises(HfHubHTTPError, lambda: stranger.chat_completion(ASK, model="sim"))
    assert error.response.status_code == 401


if __name__ == "__main__":
    run(chat, chat_stream, tools, json_schema, asynchronous, errors)
