"""Recorded bodies of Converse and InvokeModel → canonical requests, by a reader of our own."""

from __future__ import annotations

import json
from typing import Any

from headgate_providers.sdk import (
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.recordings import Recording

_UNSAID = ("guardContent", "guardrailConfig", "systemTool", "searchResult", '"json": {"weather"')
"""What only a client of AWS says."""

_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def canonical(recording: Recording) -> Request | None:
    """The canonical request of a recorded one; `None` if it says more than that can hold."""
    body, model = recording.body, recording.path.split("/")[2]
    if recording.operation == "invoke" or any(word in json.dumps(body) for word in _UNSAID):
        return None
    if recording.operation == "embeddings":
        return _embedding(model, body)
    config = body.get("inferenceConfig", {})
    fields = body.get("additionalModelRequestFields", {})
    return ChatRequest(
        model,
        (
            *(Message("system", (text,)) for text in _system(body.get("system", ()))),
            *(message for row in body["messages"] for message in _messages(row)),
        ),
        recording.streaming,
        tuple(_tool(row["toolSpec"]) for row in body.get("toolConfig", {}).get("tools", ())),
        response_format=_format(body),
        reasoning=_reasoning(fields),
        max_tokens=config.get("maxTokens"),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        top_k=fields.get("inferenceConfig", {}).get("topK"),
        stop=tuple(config.get("stopSequences", ())),
    )


def comparable(body: Any) -> Any:
    """A body without its empty members, and with consecutive messages of a role joined.

    The recorder numbered names of documents with an underscore, which AWS's description forbids.
    """
    body = json.loads(json.dumps(body).replace('"sample_2"', '"sample-2"'))
    body = {key: value for key, value in body.items() if value or value == 0}
    if "inferenceConfig" in body:
        body["inferenceConfig"] = {k: v for k, v in body["inferenceConfig"].items() if v != []}
    messages: list[dict[str, Any]] = []
    for message in body.get("messages", ()):
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] = [*messages[-1]["content"], *message["content"]]
        else:
            messages.append(dict(message))
    return {**body, "messages": messages}


def _embedding(model: str, body: dict[str, Any]) -> EmbeddingRequest:
    nova = body.get("singleEmbeddingParams")
    if nova is not None:
        return EmbeddingRequest(model, (nova["text"]["value"],), nova.get("embeddingDimension"))
    texts = body.get("texts") or [body["inputText"]]
    size = body.get("dimensions") or body.get("output_dimension")
    return EmbeddingRequest(model, tuple(texts), size)


def _system(rows: Any) -> list[Text]:
    texts: list[Text] = []
    for row in rows:
        if "cachePoint" in row:
            texts[-1] = Text(texts[-1].text, cache="5m")
        else:
            texts.append(Text(row["text"]))
    return texts


def _messages(row: dict[str, Any]) -> list[Message]:
    """Tool results come as messages of their own."""
    parts = [_part(block) for block in row["content"]]
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    found = [Message("tool", (result,)) for result in results]
    return [*found, Message(row["role"], others)] if others else found


def _part(block: dict[str, Any]) -> Part:
    ((kind, value),) = block.items()
    match kind:
        case "text":
            return Text(value)
        case "image":
            return Image(data=value["source"]["bytes"], media_type=f"image/{value['format']}")
        case "video":
            return Document(data=value["source"]["bytes"], media_type=f"video/{value['format']}")
        case "document":
            return _document(value)
        case "reasoningContent":
            thought = value["reasoningText"]
            return Reasoning(thought["text"], thought.get("signature"))
        case "toolUse":
            return ToolCall(value["toolUseId"], value["name"], json.dumps(value["input"]))
        case "toolResult":
            return ToolResult(value["toolUseId"], tuple(_part(b) for b in value["content"]))  # type: ignore[misc]
    raise KeyError(kind)


def _document(value: dict[str, Any]) -> Document:
    cites = "citations" in value
    name = f"{value['name']}.{value['format']}"
    if (text := value["source"].get("text")) is not None:
        return Document(text=text, name=name, citations=cites)
    media_type = _MEDIA_TYPES[value["format"]]
    return Document(
        data=value["source"]["bytes"], media_type=media_type, name=name, citations=cites
    )


def _tool(spec: dict[str, Any]) -> Tool:
    return Tool(spec["name"], spec.get("description"), spec["inputSchema"]["json"])


def _format(body: dict[str, Any]) -> ResponseFormat | None:
    if "outputConfig" not in body:
        return None
    schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    return ResponseFormat("json_schema", json.loads(schema["schema"]), schema["name"])


def _reasoning(fields: dict[str, Any]) -> ReasoningOptions | None:
    if "reasoning_config" in fields:
        return ReasoningOptions(budget_tokens=fields["reasoning_config"]["budget_tokens"])
    if "reasoningConfig" in fields:
        return ReasoningOptions(effort=fields["reasoningConfig"]["maxReasoningEffort"])
    return None
