"""What applications do with Anthropic's official Python client."""

from __future__ import annotations

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from steps import KEY, URL, WEATHER, raises, run

client = Anthropic(base_url=URL, api_key=KEY, max_retries=0)
ASK = [{"role": "user", "content": "Say hello"}]
TOOL = {"name": "weather", "description": "Tells the weather", "input_schema": WEATHER}


def ask(model: str = "claude-sim", **more: object) -> anthropic.types.Message:
    return client.messages.create(**{"model": model, "max_tokens": 60, "messages": ASK, **more})


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def models() -> None:
    listed = client.models.list(limit=1000)
    assert "claude-sim" in [model.id for model in listed]
    assert listed.data[0].display_name
    assert client.models.retrieve("claude-sim").type == "model"


def messages() -> None:
    reply = ask(system="Be kind")
    assert text_of(reply).startswith("[simulated]")
    assert reply.stop_reason == "end_turn"
    assert reply.usage.output_tokens > 2
    assert reply._request_id
    assert ask(max_tokens=3).stop_reason == "max_tokens"


def messages_stream() -> None:
    with client.messages.stream(model="claude-sim", max_tokens=60, messages=ASK) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.startswith("[simulated]")
    assert text_of(final) == text
    assert final.usage.output_tokens > 2


def messages_stream_events() -> None:
    kinds = [event.type for event in ask(stream=True)]
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert {"content_block_start", "content_block_delta", "message_delta"} <= set(kinds)


def tools() -> None:
    reply = ask(tools=[TOOL], tool_choice={"type": "any"})
    (call,) = [block for block in reply.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("weather", {"city": "Bern"})
    assert reply.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns = [
        *ASK,
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [result]},
    ]
    assert ask(messages=turns, tools=[TOOL]).content


def tools_stream() -> None:
    with client.messages.stream(
        model="claude-sim",
        max_tokens=60,
        messages=ASK,
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "weather"},
    ) as stream:
        final = stream.get_final_message()
    (call,) = [block for block in final.content if block.type == "tool_use"]
    assert call.input == {"city": "Bern"}


def json_schema() -> None:
    reply = ask(output_config={"format": {"type": "json_schema", "schema": WEATHER}})
    assert text_of(reply) == '{"city":"Bern"}'


def beta() -> None:
    """`?beta=true` and an `anthropic-beta` header."""
    reply = client.beta.messages.create(
        model="claude-sim", max_tokens=60, messages=ASK, betas=["context-1m-2025-08-07"]
    )
    assert reply.content[0].text.startswith("[simulated]")


def count_tokens() -> None:
    counted = client.messages.count_tokens(model="claude-sim", messages=ASK, tools=[TOOL])
    assert counted.input_tokens > 0


def any_model_behind() -> None:
    """The dialect says nothing about the model."""
    assert text_of(ask("sim")).startswith("[simulated]")


async def asynchronous() -> None:
    async with (
        AsyncAnthropic(base_url=URL, api_key=KEY) as other,
        other.messages.stream(model="claude-sim", max_tokens=60, messages=ASK) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
    assert text.startswith("[simulated]")


def auth_token() -> None:
    """As Claude Code sends it: `authorization: Bearer`."""
    bearer = Anthropic(base_url=URL, auth_token=KEY, max_retries=0)
    assert bearer.messages.create(model="claude-sim", max_tokens=9, messages=ASK).content


def errors() -> None:
    stranger = Anthropic(base_url=URL, api_key="wrong", max_retries=0)
    error = raises(anthropic.AuthenticationError, lambda: stranger.models.list())
    assert error.body["error"]["type"] == "authentication_error"
    error = raises(anthropic.NotFoundError, lambda: ask("nosuch"))
    assert error.body["error"]["type"] == "not_found_error"
    error = raises(anthropic.BadRequestError, lambda: ask(messages=[]))
    assert error.body["error"]["type"] == "invalid_request_error"
    assert "messages" in error.body["error"]["message"]
    error = raises(anthropic.RateLimitError, lambda: ask("limited"))
    assert error.body["error"]["type"] == "rate_limit_error"
    raises(anthropic.InternalServerError, lambda: ask("failing"))


def error_in_stream() -> None:
    def read() -> None:
        for _ in ask("breaking", stream=True):
            pass

    error = raises(anthropic.APIStatusError, read)
    assert error.body["type"] == "error"


if __name__ == "__main__":
    run(
        models,
        messages,
        messages_stream,
        messages_stream_events,
        tools,
        tools_stream,
        json_schema,
        beta,
        count_tokens,
        any_model_behind,
        asynchronous,
        auth_token,
        errors,
        error_in_stream,
    )
