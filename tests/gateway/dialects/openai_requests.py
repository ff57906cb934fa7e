"""Well-formed requests that use all a dialect has, as seeds of tests."""

from __future__ import annotations

from typing import Any

PNG = "data:image/png;base64,aGk="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}

SAMPLING: dict[str, Any] = {
    "model": "assistant",
    "stream": True,
    "temperature": 0.5,
    "top_p": 0.9,
    "user": "u",
    "metadata": {"team": "a", "number": 1},
    "service_tier": "flex",
}
CLASSIC: dict[str, Any] = SAMPLING | {
    "n": 2,
    "stop": ["END", ""],
    "seed": 7,
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "top_k": 40,
    "stream_options": {"include_usage": True},
}

CHAT: dict[str, Any] = CLASSIC | {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Use tools."}]},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "image_url", "image_url": "https://example.org/a.png"},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "file", "file": {"file_data": "aGk=", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "document_url", "document_url": "https://example.org/a.pdf"},
                {"type": "file_url", "file_url": {"url": "data:text/plain,a%20b"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "ignored beside its details",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s1", "index": 0},
                {"type": "reasoning.encrypted", "data": "sealed", "id": "rs_1", "index": 1},
                {"type": "reasoning.summary", "summary": "short"},
            ],
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                    "extra_content": {"google": {"thought_signature": "s2"}},
                }
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [
                {"type": "text", "text": "18 degrees"},
                {"type": "image_url", "image_url": {"url": PNG}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]},
                {"type": "text", "text": "It is 18."},
            ],
            "refusal": "no more",
            "images": [{"type": "image_url", "image_url": {"url": PNG}}],
            "function_call": {"name": "old", "arguments": "{}"},
        },
        {"role": "function", "name": "old", "content": "done"},
    ],
    "max_tokens": 5,
    "max_completion_tokens": 100,
    "tools": [
        {"type": "function", "function": FUNCTION},
        {"type": "function", "function": {"name": "other"}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "required",
            "tools": [{"type": "function", "function": {"name": "weather"}}],
        },
    },
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "place", "schema": SCHEMA, "strict": True, "description": "p"},
    },
    "reasoning_effort": "high",
    "reasoning": {"max_tokens": 500, "enabled": True},
    "thinking": {"type": "enabled", "budget_tokens": 600},
    "logprobs": True,
    "top_logprobs": 2,
    "store": True,
    "some_vendor_extension": {"a": 1},
}

COMPLETION: dict[str, Any] = CLASSIC | {"prompt": ["Once"], "max_tokens": 9, "logprobs": 2}

EMBEDDING: dict[str, Any] = {
    "model": "vectors",
    "input": ["a", "bc"],
    "dimensions": 256,
    "encoding_format": "base64",
    "input_type": "query",
    "user": "u",
}

RESPONSE: dict[str, Any] = SAMPLING | {
    "instructions": "Be brief.",
    "input": [
        {"role": "developer", "content": "Use tools."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": PNG, "detail": "high"},
                {"type": "input_file", "file_data": PNG, "filename": "a.png"},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "sealed",
        },
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "content": [
                {"type": "output_text", "text": "Looking.", "annotations": []},
                {"type": "refusal", "refusal": "not all"},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "18"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "19"}],
        },
    ],
    "max_output_tokens": 100,
    "tools": [{"type": "function", **FUNCTION}, {"type": "function", "name": "other"}],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "weather"}],
    },
    "parallel_tool_calls": False,
    "text": {
        "format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "top_logprobs": 3,
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "truncation": "auto",
    "store": True,
}
