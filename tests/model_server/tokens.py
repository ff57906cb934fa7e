"""llama.cpp's chunks of a completion → TGI's events, one per token."""

from __future__ import annotations

from typing import Any

from tests.model_server.names import END

Json = dict[str, Any]

FINISH = {"eos": "eos_token", "word": "stop_sequence", "limit": "length"}
"""llama.cpp's words for the end of an answer, and TGI's."""


def token(number: int, text: str, *, special: bool = False) -> Json:
    return {"id": number, "text": text, "logprob": 0.0, "special": special}


class TokenEvents:
    """The events of one stream.

    The last one holds the details, and whether a token is the last shows only afterwards, so each
    event waits for its successor. What ended the answer (the end token, a stop sequence) is a token
    of its own for TGI, and nothing for llama.cpp.
    """

    def __init__(self) -> None:
        self._waiting: Json | None = None
        self._index = 0
        self._text = ""

    def feed(self, chunk: Json) -> list[Json]:
        """The events that are ready after this chunk."""
        if chunk["content"]:
            number = (chunk.get("tokens") or [0])[-1]
            return self._replaced(token(number, chunk["content"])) + self._end(chunk)
        return self._end(chunk)

    def _end(self, chunk: Json) -> list[Json]:
        if not chunk["stop"]:
            return []
        ready: list[Json] = []
        if chunk["stop_type"] == "eos":
            ready = self._replaced(token(2, END, special=True))
        elif chunk["stop_type"] == "word":
            ready = self._replaced(token(0, chunk["stopping_word"]))
        last = self._waiting
        assert last is not None
        last["generated_text"] = self._text
        last["details"] = {
            "finish_reason": FINISH[chunk["stop_type"]],
            "generated_tokens": chunk["tokens_predicted"],
            "seed": None,
            "input_length": chunk["tokens_evaluated"],
        }
        return [*ready, last]

    def _replaced(self, row: Json) -> list[Json]:
        ready = [self._waiting] if self._waiting is not None else []
        self._index += 1
        self._text += "" if row["special"] else row["text"]
        self._waiting = {
            "index": self._index,
            "token": row,
            "generated_text": None,
            "details": None,
        }
        return ready
