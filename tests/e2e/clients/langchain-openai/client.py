"""What applications do with LangChain's client for OpenAI."""

from __future__ import annotations

import openai
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from steps import KEY, URL, raises, run


class Answer(BaseModel):
    number: int
    reason: str


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


def model(name: str = "sim", **more: object) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, **more)


def chat() -> None:
    reply = model(max_tokens=40).invoke("Say hello")
    assert reply.content.startswith("[simulated]")
    assert reply.usage_metadata["output_tokens"] > 2


def chat_stream() -> None:
    """Without `stream_options` there is no usage, with `stream_usage` there is."""
    chunks = list(model().stream("Say hello"))
    assert "".join(chunk.content for chunk in chunks).startswith("[simulated]")
    chunks = list(model(stream_usage=True).stream("Say hello"))
    counted = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert counted[-1]["output_tokens"] > 2


def tools() -> None:
    reply = model().bind_tools([weather], tool_choice="any").invoke("Say hello")
    (call,) = reply.tool_calls
    assert call["name"] == "weather"
    assert weather.invoke(call).tool_call_id == call["id"]


def json_schema() -> None:
    for method in ("json_schema", "function_calling"):
        answer = model().with_structured_output(Answer, method=method).invoke("Say hello")
        assert isinstance(answer, Answer), method


def responses() -> None:
    reply = model(use_responses_api=True).invoke("Say hello")
    assert reply.text.startswith("[simulated]")


def responses_stream() -> None:
    chunks = list(model(use_responses_api=True).stream("Say hello"))
    assert "".join(chunk.text for chunk in chunks).startswith("[simulated]")


def embeddings() -> None:
    embedder = OpenAIEmbeddings(
        model="sim", base_url=f"{URL}/v1", api_key=KEY, check_embedding_ctx_length=False
    )
    assert [len(vector) for vector in embedder.embed_documents(["one", "two"])] == [64, 64]


async def asynchronous() -> None:
    chunks = [chunk.content async for chunk in model().astream("Say hello")]
    assert "".join(chunks).startswith("[simulated]")


def errors() -> None:
    raises(openai.NotFoundError, lambda: model("nosuch").invoke("Say hello"))
    raises(openai.RateLimitError, lambda: model("limited").invoke("Say hello"))
    raises(openai.APIError, lambda: list(model("breaking").stream("Say hello")))


if __name__ == "__main__":
    run(
        chat,
        chat_stream,
        tools,
        json_schema,
        responses,
        responses_stream,
        embeddings,
        asynchronous,
        errors,
    )
