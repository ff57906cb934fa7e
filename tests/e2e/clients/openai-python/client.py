"""What applications do with OpenAI's official Python client."""

from __future__ import annotations

import json

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from steps import KEY, URL, WEATHER, raises, run

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
ASK = [{"role": "user", "content": "Say hello"}]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": WEATHER, "strict": True},
}


class Answer(BaseModel):
    number: int
    reason: str


def models() -> None:
    assert "sim" in [model.id for model in client.models.list()]
    assert client.models.retrieve("sim").object == "model"


def chat() -> None:
    reply = client.chat.completions.create(model="sim", messages=ASK, max_completion_tokens=40)
    assert reply.choices[0].message.content.startswith("[simulated]")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens > 2
    assert reply._request_id
    several = client.chat.completions.create(model="sim", messages=ASK, n=2, max_tokens=3)
    assert [choice.finish_reason for choice in several.choices] == ["length", "length"]


def chat_headers() -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="sim", messages=ASK, extra_headers={"x-request-id": "from-the-client-1"}
    )
    assert raw.headers["x-request-id"] == "from-the-client-1"
    assert raw.headers["x-headgate-deployment"] == "sim"
    assert raw.parse().choices


def chat_stream() -> None:
    stream = client.chat.completions.create(
        model="sim", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("[simulated]")
    assert chunks[-1].usage.completion_tokens > 2
    plain = list(client.chat.completions.create(model="sim", messages=ASK, stream=True))
    assert all(chunk.choices for chunk in plain)


def chat_stream_helper() -> None:
    with client.chat.completions.stream(model="sim", messages=ASK) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content.startswith("[simulated]")


def chat_stream_left_early() -> None:
    with client.chat.completions.create(model="sim", messages=ASK, stream=True) as stream:
        next(iter(stream))
    assert client.chat.completions.create(model="sim", messages=ASK).choices


def tools() -> None:
    reply = client.chat.completions.create(
        model="sim", messages=ASK, tools=[TOOL], tool_choice="required"
    )
    message = reply.choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Bern"},
    )
    assert reply.choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    after = client.chat.completions.create(
        model="sim", messages=[*ASK, message, result], tools=[TOOL], tool_choice="required"
    )
    assert after.choices[0].message.content


def tools_stream() -> None:
    named = {"type": "function", "function": {"name": "weather"}}
    with client.chat.completions.stream(
        model="sim", messages=ASK, tools=[TOOL], tool_choice=named
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Bern"}


def json_schema() -> None:
    reply = client.chat.completions.parse(model="sim", messages=ASK, response_format=Answer)
    assert isinstance(reply.choices[0].message.parsed, Answer)


def completions() -> None:
    reply = client.completions.create(model="sim", prompt="Say hello", max_tokens=20)
    assert reply.choices[0].text.startswith("[simulated]")
    chunks = list(client.completions.create(model="sim", prompt="Say hello", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks).startswith("[simulated]")


def embeddings() -> None:
    """The client asks for base64 and decodes it."""
    reply = client.embeddings.create(model="sim", input=["one", "two"])
    assert [len(row.embedding) for row in reply.data] == [64, 64]
    again = client.embeddings.create(model="sim", input="one", encoding_format="float")
    pairs = zip(again.data[0].embedding, reply.data[0].embedding, strict=True)
    assert all(abs(a - b) < 1e-6 for a, b in pairs)


def responses() -> None:
    reply = client.responses.create(model="sim", input="Say hello", instructions="Be kind")
    assert reply.output_text.startswith("[simulated]")
    assert reply.status == "completed"
    assert reply.usage.output_tokens > 2


def responses_tools() -> None:
    tool = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
    reply = client.responses.create(
        model="sim", input="Say hello", tools=[tool], tool_choice="required"
    )
    (call,) = [item for item in reply.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"city": "Bern"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    asked = {"role": "user", "content": "Say hello"}
    after = client.responses.create(model="sim", input=[asked, *reply.output, result])
    assert after.output_text


def responses_schema() -> None:
    reply = client.responses.parse(model="sim", input="Say hello", text_format=Answer)
    assert isinstance(reply.output_parsed, Answer)


def responses_stream() -> None:
    with client.responses.stream(model="sim", input="Say hello") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert final.output_text.startswith("[simulated]")


async def asynchronous() -> None:
    async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY) as other:
        stream = await other.chat.completions.create(model="sim", messages=ASK, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts).startswith("[simulated]")


def errors() -> None:
    def ask(model: str = "sim", **more: object) -> object:
        return client.chat.completions.create(**{"model": model, "messages": ASK, **more})

    stranger = OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
    error = raises(openai.AuthenticationError, lambda: stranger.models.list())
    assert error.code == "invalid_api_key"
    error = raises(openai.NotFoundError, lambda: ask("nosuch"))
    assert (error.code, error.param) == ("model_not_found", "model")
    error = raises(openai.BadRequestError, lambda: ask(messages=[]))
    assert (error.code, error.param) == ("invalid_request", "messages")
    error = raises(openai.BadRequestError, lambda: ask("overflowing"))
    assert error.code == "context_length_exceeded"
    error = raises(openai.RateLimitError, lambda: ask("limited"))
    assert error.code == "upstream_rate_limited"
    error = raises(openai.InternalServerError, lambda: ask("failing"))
    assert (error.status_code, error.code) == (502, "upstream_error")
    assert error.request_id


def error_in_stream() -> None:
    def read() -> None:
        stream = client.chat.completions.create(model="breaking", messages=ASK, stream=True)
        for _ in stream:
            pass

    assert raises(openai.APIError, read).code == "upstream_error"


def error_in_responses_stream() -> None:
    stream = client.responses.create(model="breaking", input="Say hello", stream=True)

    def read() -> list[str]:
        return [event.type for event in stream]

    try:
        kinds = read()
    except openai.APIError:
        return
    assert kinds[-1] in ("error", "response.failed")


def retries_what_is_limited() -> None:
    """`flaky` fails every second call; the client's own retry gets through."""
    patient = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=2)
    for _ in range(4):
        assert patient.chat.completions.create(model="flaky", messages=ASK).choices


if __name__ == "__main__":
    run(
        models,
        chat,
        chat_headers,
        chat_stream,
        chat_stream_helper,
        chat_stream_left_early,
        tools,
        tools_stream,
        json_schema,
        completions,
        embeddings,
        responses,
        responses_tools,
        responses_schema,
        responses_stream,
        asynchronous,
        errors,
        error_in_stream,
        error_in_responses_stream,
        retries_what_is_limited,
    )
