"""The request that every load sends."""

from __future__ import annotations

import json

MODEL = "assistant"
_PROMPT = "Explain in a few sentences what a gateway between applications and models is good for. "


def body(model: str, *, stream: bool) -> bytes:
    """A chat of two messages, about 500 bytes."""
    payload: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
            {"role": "user", "content": _PROMPT * 3},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if stream:
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(payload).encode()
