"""What applications do with Pydantic AI."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from steps import KEY, URL, raises, run


class Answer(BaseModel):
    number: int
    reason: str


def chat_model(name: str = "sim") -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY))


def responses_model() -> OpenAIResponsesModel:
    return OpenAIResponsesModel("sim", provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY))


def chat() -> None:
    agent = Agent(chat_model(), instructions="Be kind", model_settings={"max_tokens": 60})
    result = agent.run_sync("Say hello")
    assert result.output.startswith("[simulated]")
    assert result.usage.output_tokens > 2


async def chat_stream() -> None:
    async with Agent(chat_model()).run_stream("Say hello") as result:
        texts = [text async for text in result.stream_text(delta=True)]
    assert "".join(texts).startswith("[simulated]")


def tools() -> None:
    """Structured output is a tool that must be called."""
    result = Agent(chat_model(), output_type=Answer).run_sync("Say hello")
    assert isinstance(result.output, Answer)


def json_schema() -> None:
    result = Agent(chat_model(), output_type=NativeOutput(Answer)).run_sync("Say hello")
    assert isinstance(result.output, Answer)


def responses() -> None:
    assert Agent(responses_model()).run_sync("Say hello").output.startswith("[simulated]")


async def responses_stream() -> None:
    async with Agent(responses_model()).run_stream("Say hello") as result:
        assert (await result.get_output()).startswith("[simulated]")


def errors() -> None:
    error = raises(ModelHTTPError, lambda: Agent(chat_model("nosuch")).run_sync("Say hello"))
    assert error.status_code == 404


if __name__ == "__main__":
    run(chat, chat_stream, tools, json_schema, responses, responses_stream, errors)
