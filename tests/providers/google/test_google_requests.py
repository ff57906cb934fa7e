"""Canonical requests as bodies of `generateContent`: recorded ones, then the ugly cases."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from headgate_providers.google.backend import GoogleBackend
from headgate_providers.google.contents import UNPROVEN_CALL
from headgate_providers.google.request import chat_body
from headgate_providers.sdk import (
    AiohttpTransport,
    Audio,
    BackendError,
    Call,
    ChatRequest,
    Document,
    EmbeddingRequest,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Target,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.providers.google.expectations import backend_of
from tests.recordings import load, needs_recordings

FLASH = "gemini-2.5-flash"
NEWER = "gemini-3-flash-preview"
WEATHER = Tool(
    "weather",
    "Gets current weather for a location",
    {
        "type": "object",
        "properties": {
            "latitude": {"type": "string", "description": "Latitude (e.g., 52.5200)"},
            "longitude": {"type": "string", "description": "Longitude (e.g., 13.4050)"},
        },
        "required": ["latitude", "longitude"],
        "additionalProperties": False,
    },
)
BERLIN = '{"latitude": "52.5200", "longitude": "13.4050"}'


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def model(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def tool(*parts: ToolResult) -> Message:
    return Message("tool", parts)


def chat(*messages: Message, model: str = FLASH, **members: Any) -> ChatRequest:
    return ChatRequest(model, messages, **members)


def part(body: Any, content: int, index: int = 0) -> Any:
    return body["contents"][content]["parts"][index]


def blob(body: Any, content: int, index: int) -> dict[str, str]:
    return next(v for k, v in part(body, content, index).items() if k in ("inline_data",))


def signature(body: Any, content: int) -> str:
    found: str = part(body, content)["thoughtSignature"]
    return found


def basic(body: Any) -> ChatRequest:
    return chat(user("What's 2 + 2?"))


def turns(body: Any) -> ChatRequest:
    contents = body["contents"]
    makers = {"user": user, "model": model}
    return chat(*(makers[c["role"]](*(p["text"] for p in c["parts"])) for c in contents))


def system(body: Any) -> ChatRequest:
    text = body["systemInstruction"]["parts"][0]["text"]
    return chat(Message("system", (Text(text),)), *turns(body).messages, temperature=0.0)


def mixed_files(body: Any) -> ChatRequest:
    png, pdf = blob(body, 0, 1), blob(body, 0, 2)
    return chat(
        user(
            part(body, 0)["text"],
            Image(data=png["data"], media_type="image/png"),
            Document(data=pdf["data"], media_type="application/pdf", name="sample.pdf"),
        )
    )


def audio(body: Any) -> ChatRequest:
    return chat(user(part(body, 0)["text"], Audio(blob(body, 0, 1)["data"], "mp3")))


def tool_result(body: Any) -> ChatRequest:
    response = part(body, 2)["functionResponse"]["response"]["content"][0]["text"]
    return chat(
        user(part(body, 0)["text"]),
        model(ToolCall("gcall_1", "weather", BERLIN, signature(body, 1))),
        tool(ToolResult("gcall_1", (Text(response),))),
        tools=(WEATHER,),
    )


def thinking_tool_result(body: Any) -> ChatRequest:
    request = tool_result(body)
    return chat(
        *request.messages,
        model="gemini-3.1-pro-preview",
        tools=(WEATHER,),
        reasoning=ReasoningOptions(effort="low"),
    )


def required(body: Any) -> ChatRequest:
    return chat(
        user("When was the fall of Rome?"), tools=(WEATHER,), tool_choice=ToolChoice("required")
    )


def specific(body: Any) -> ChatRequest:
    return chat(
        user("What's the fall of Rome?"),
        tools=(WEATHER,),
        tool_choice=ToolChoice("tool", "weather"),
    )


def thinking(body: Any) -> ChatRequest:
    thought = part(body, 1)
    return chat(
        user("What is 5 + 3?"),
        model(Reasoning(thought["text"], thought["thoughtSignature"]), "5 + 3 = 8"),
        user("Now multiply that by 2"),
        model=NEWER,
        reasoning=ReasoningOptions(effort="low"),
    )


def bare_signature(body: Any) -> ChatRequest:
    return chat(
        user(part(body, 0)["text"]),
        model(Reasoning(signature=signature(body, 1)), part(body, 1, 1)["text"]),
        user(part(body, 2)["text"]),
        model=NEWER,
    )


def schema(body: Any) -> ChatRequest:
    return chat(
        user(part(body, 0)["text"]),
        model=NEWER,
        response_format=ResponseFormat(
            "json_schema",
            {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"],
                "additionalProperties": False,
            },
        ),
    )


def image_inside_result(body: Any) -> ChatRequest:
    data = part(body, 2)["functionResponse"]["parts"][0]["inline_data"]["data"]
    return image_result(body, data, NEWER)


def image_beside_result(body: Any) -> ChatRequest:
    return image_result(body, blob(body, 2, 1)["data"], FLASH)


def image_result(body: Any, data: str, name: str) -> ChatRequest:
    parts = (Text("Fetched the image."), Image(data=data, media_type="image/png"))
    return chat(
        user(part(body, 0)["text"]),
        model(ToolCall("gcall_1", "image_fetch", "{}", signature(body, 1))),
        tool(ToolResult("gcall_1", parts)),
        model=name,
        tools=(
            Tool(
                "image_fetch",
                "Fetches the requested image",
                {"type": "object", "properties": {}, "required": []},
            ),
        ),
    )


def vendor_ids(body: Any) -> ChatRequest:
    call, result = part(body, 1), part(body, 2)["function_response"]
    declared = body["tools"][0]["functionDeclarations"][0]
    return chat(
        user(part(body, 0)["text"]),
        model(
            ToolCall(
                "whZntcQw",
                "add_person",
                orjson.dumps(call["function_call"]["args"]).decode(),
                call["thoughtSignature"],
            )
        ),
        tool(ToolResult("whZntcQw", (Text(result["response"]["output"]),))),
        model="gemini-flash-latest",
        tools=(Tool(declared["name"], declared["description"], declared["parameters"]),),
        reasoning=ReasoningOptions(enabled=True),
    )


RECORDED: list[tuple[str, str, Callable[[Any], ChatRequest]]] = [
    ("gemini", "basic-gemini-2-5-flash-can-have-a-basic-conversation-0", basic),
    ("gemini", "basic-gemini-2-5-flash-can-handle-multi-turn-conversations-1", turns),
    ("gemini", "basic-gemini-2-5-flash-replaces-previous-system-messages-by-default-1", system),
    (
        "gemini",
        "pdf-models-gemini-2-5-flash-can-handle-array-of-mixed-files-with-auto-detection-0",
        mixed_files,
    ),
    ("gemini", "audio-models-gemini-2-5-flash-can-understand-mp3-audio-0", audio),
    ("gemini", "tools-gemini-2-5-flash-can-use-tools-1", tool_result),
    (
        "gemini",
        "tools-thought-signatures-gemini-3-1-pro-preview-includes-thought-signatures-for-tool-calls-1",
        thinking_tool_result,
    ),
    (
        "gemini",
        "tool-choice-gemini-2-5-flash-respects-choice-required-for-unrelated-queries-0",
        required,
    ),
    ("gemini", "tool-choice-gemini-2-5-flash-respects-specific-tool-choice-0", specific),
    (
        "gemini",
        "thinking-gemini-3-flash-preview-preserves-thinking-signatures-between-turns-when-provided-1",
        thinking,
    ),
    (
        "gemini",
        "with-schema-with-gemini-3-flash-preview-allows-removing-schema-mid-conversation-1",
        bare_signature,
    ),
    (
        "vertex",
        "with-schema-with-gemini-3-flash-preview-accepts-a-json-schema-and-returns-structured-output-1",
        schema,
    ),
    (
        "vertex",
        "tool-attachments-multimodal-gemini-3-flash-preview-describes-images-returned-from-tools-2",
        image_inside_result,
    ),
    (
        "gemini",
        "tool-attachments-multimodal-gemini-2-5-flash-describes-images-returned-from-tools-1",
        image_beside_result,
    ),
    ("vertex", "tools-gemini-2-5-flash-can-use-tools-2", tool_result),
    ("gemini", "llmgemini-tools-with-nested-pydantic-models-1", vendor_ids),
]


def spelled(value: Any) -> Any:
    """One spelling of a body. Google takes members in camel and snake case and enumerations in
    any case, an absent member is the same as an empty configuration, and a tool's text may stand
    under any key; the safety settings are the recorders' own.
    """
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, inner in value.items():
        key = re.sub(r"_(\w)", lambda match: match[1].upper(), key)
        if key in ("type", "mode") and isinstance(inner, str):
            made[key] = inner.upper()
        elif key == "response" and "content" in inner:
            made[key] = {"output": inner["content"][0]["text"]}
        elif key != "safetySettings" and (key, inner) != ("generationConfig", {}):
            made[key] = spelled(inner)
    return made


@needs_recordings
@pytest.mark.parametrize(("vendor", "name", "build"), RECORDED, ids=[n for _, n, _ in RECORDED])
def test_recorded_request(vendor: str, name: str, build: Callable[[Any], ChatRequest]) -> None:
    body = load(vendor, name).body
    request = build(body)
    backend = backend_of(load(vendor, name))
    call = Call("chat", "openai_chat", {}, request.model, lambda: request)
    assert spelled(orjson.loads(backend.request(call).body)) == spelled(body)


@needs_recordings
@pytest.mark.parametrize(
    ("vendor", "name", "request_"),
    [
        (
            "gemini",
            "embedding-gemini-embedding-001-can-handle-multiple-texts-with-custom-dimensions-0",
            EmbeddingRequest("gemini-embedding-001", ("Ruby", "Python", "JavaScript"), 768),
        ),
        (
            "vertex",
            "embedding-text-embedding-004-can-handle-multiple-texts-with-custom-dimensions-1",
            EmbeddingRequest("text-embedding-004", ("Ruby", "Python", "JavaScript"), 768),
        ),
    ],
)
def test_recorded_embedding_request(vendor: str, name: str, request_: EmbeddingRequest) -> None:
    recording = load(vendor, name)
    call = Call("embeddings", "openai_embeddings", {}, request_.model, lambda: request_)
    assert orjson.loads(backend_of(recording).request(call).body) == recording.body


def test_embedding_task_type_is_googles_word() -> None:
    request = EmbeddingRequest("gemini-embedding-001", ("a",), input_type="search_query")
    call = Call("embeddings", "openai_embeddings", {}, request.model, lambda: request)
    backend = GoogleBackend(Target("t", "m"), AiohttpTransport())
    body = orjson.loads(backend.request(call).body)
    assert body["requests"][0]["taskType"] == "RETRIEVAL_QUERY"


def test_token_ids_cannot_be_embedded() -> None:
    request = EmbeddingRequest("gemini-embedding-001", ([1, 2],))
    call = Call("embeddings", "openai_embeddings", {}, request.model, lambda: request)
    with pytest.raises(BackendError) as raised:
        GoogleBackend(Target("t", "m"), AiohttpTransport()).request(call)
    assert raised.value.kind == "unsupported"


def test_sampling_parameters() -> None:
    body = chat_body(
        chat(
            user("Hi"),
            max_tokens=10,
            temperature=0.0,
            top_p=0.5,
            top_k=3,
            stop=("a", "b"),
            seed=7,
            n=2,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            logprobs=True,
            top_logprobs=4,
            response_format=ResponseFormat("json_object"),
        )
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 10,
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 3,
        "stopSequences": ["a", "b"],
        "seed": 7,
        "candidateCount": 2,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 4,
        "responseMimeType": "application/json",
    }


def test_logit_bias_is_refused() -> None:
    with pytest.raises(BackendError) as raised:
        chat_body(chat(user("Hi"), logit_bias={"1": 5.0}))
    assert (raised.value.kind, raised.value.param) == ("unsupported", "logit_bias")


@pytest.mark.parametrize(
    ("name", "options", "config"),
    [
        (
            FLASH,
            ReasoningOptions(effort="high"),
            {"includeThoughts": True, "thinkingBudget": 24576},
        ),
        (
            FLASH,
            ReasoningOptions(budget_tokens=99),
            {"includeThoughts": True, "thinkingBudget": 99},
        ),
        (FLASH, ReasoningOptions(enabled=False), {"thinkingBudget": 0}),
        (FLASH, ReasoningOptions(effort="none"), {"thinkingBudget": 0}),
        (NEWER, ReasoningOptions(enabled=False), {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", ReasoningOptions(effort="none"), {"thinkingLevel": "low"}),
        (
            NEWER,
            ReasoningOptions(effort="xhigh"),
            {"includeThoughts": True, "thinkingLevel": "high"},
        ),
        (
            NEWER,
            ReasoningOptions(budget_tokens=99),
            {"includeThoughts": True, "thinkingBudget": 99},
        ),
        (NEWER, ReasoningOptions(enabled=True), {"includeThoughts": True}),
    ],
)
def test_reasoning(name: str, options: ReasoningOptions, config: dict[str, Any]) -> None:
    body = chat_body(chat(user("Hi"), model=name, reasoning=options))
    assert body["generationConfig"]["thinkingConfig"] == config


def test_roles_alternate() -> None:
    body = chat_body(
        chat(
            user("a"),
            user("b"),
            model("c"),
            model(ToolCall("x", "f", "{}"), ToolCall("y", "g", "{}")),
            tool(ToolResult("x", (Text("1"),))),
            tool(ToolResult("y", (Text("2"),), is_error=True)),
            user("d"),
        )
    )
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"name": "f", "id": "x", "response": {"output": "1"}}},
        {"functionResponse": {"name": "g", "id": "y", "response": {"error": "2"}}},
        {"text": "d"},
    ]


def test_system_messages_anywhere_are_one_instruction() -> None:
    late = Message("developer", (Text("two"),))
    body = chat_body(chat(Message("system", (Text("one"),)), user("Hi"), late))
    assert body["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}
    assert len(body["contents"]) == 1


def test_system_message_alone_is_asked() -> None:
    body = chat_body(chat(Message("system", (Text("Say hi"),))))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi"}]}]}


def test_empty_texts_are_left_out() -> None:
    body = chat_body(chat(user("Hi"), model(""), user("", Refusal("no"))))
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}, {"text": "no"}]}]


def test_gemini_3_gets_a_stand_in_for_a_lost_signature() -> None:
    messages = (user("Hi"), model(ToolCall("x", "f", "{}"), ToolCall("y", "g", "{}")))
    parts = chat_body(chat(*messages, model=NEWER))["contents"][1]["parts"]
    assert [p.get("thoughtSignature") for p in parts] == [UNPROVEN_CALL, None]
    parts = chat_body(chat(*messages))["contents"][1]["parts"]
    assert all("thoughtSignature" not in p for p in parts)


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "3"])
def test_arguments_that_are_no_object_are_wrapped(arguments: str) -> None:
    body = chat_body(chat(model(ToolCall("x", "f", arguments))))
    (made,) = part(body, 0)["functionCall"]["args"].items()
    assert made[0] == "arguments"


def test_tool_result_without_its_call_is_refused() -> None:
    with pytest.raises(BackendError) as raised:
        chat_body(chat(tool(ToolResult("x", (Text("1"),)))))
    assert (raised.value.kind, raised.value.param) == ("invalid_request", "messages")


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (
            Image(url="https://example.org/a.png?size=2"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png?size=2"}},
        ),
        (
            Image(url="https://example.org/a"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a"}},
        ),
        (
            Document(url="gs://bucket/a.txt"),
            {"fileData": {"mimeType": "text/plain", "fileUri": "gs://bucket/a.txt"}},
        ),
        (
            Document(file_id="files/abc", media_type="application/pdf"),
            {
                "fileData": {
                    "mimeType": "application/pdf",
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                }
            },
        ),
        (Document(text="T", name="a.txt"), {"text": '<document name="a.txt">\nT\n</document>'}),
        (Document(text="T"), {"text": "T"}),
        (Audio("AA==", "wav"), {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}),
    ],
)
def test_media(given: Part, made: dict[str, Any]) -> None:
    assert part(chat_body(chat(user(given))), 0) == made


def test_file_of_another_vendor_is_refused() -> None:
    with pytest.raises(BackendError) as raised:
        chat_body(chat(user(Document(file_id="file-abc123"))))
    assert raised.value.kind == "unsupported"


def test_highest_detail_is_the_resolution_of_all() -> None:
    pictures = (Image(data="AA==", detail="low"), Image(data="AA==", detail="high"))
    body = chat_body(chat(user(*pictures)))
    assert body["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"
    assert "generationConfig" not in chat_body(chat(user(Image(data="AA==", detail="auto"))))


def test_deployment_options_and_tier_reach_the_body() -> None:
    options = {"safety": {"HARM_CATEGORY_HARASSMENT": "BLOCK_NONE"}}
    backend = GoogleBackend(Target("t", FLASH, options=options), AiohttpTransport())
    request = chat(user("Hi"), service_tier="flex")
    body = orjson.loads(
        backend.request(Call("chat", "openai_chat", {}, FLASH, lambda: request)).body
    )
    assert body["safetySettings"] == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
    ]
    assert body["serviceTier"] == "flex"


def test_what_json_cannot_carry_is_the_callers_mistake() -> None:
    request = chat(user("Hi"), seed=10**30)
    backend = GoogleBackend(Target("t", FLASH), AiohttpTransport())
    with pytest.raises(BackendError) as raised:
        backend.request(Call("chat", "openai_chat", {}, FLASH, lambda: request))
    assert raised.value.kind == "invalid_request"
