"""Replies of Converse and ConverseStream → events.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from headgate_providers.bedrock.blocks import BlockReader, Json, mapping, rows, string
from headgate_providers.bedrock.eventstream import EventStreamDecoder, EventStreamError, Message
from headgate_providers.bedrock.refusal import exception
from headgate_providers.sdk import (
    BackendError,
    Event,
    Failed,
    Start,
    UsageReported,
    broken_off,
    normalise,
)


def read_whole(body: bytes, one_call: bool = False) -> Sequence[Event]:
    """The events of a reply of Converse; raises `BackendError` kind `malformed` if it is none."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BackendError("malformed", "The upstream's reply is not JSON.") from error
    payload = payload if isinstance(payload, dict) else {}
    message, reason = mapping(payload, "output", "message"), string(payload, "stopReason")
    if not isinstance(message.get("content"), list) or not reason:
        raise BackendError("malformed", "The upstream answered without any message.")
    reader = BlockReader(one_call)
    events: list[Event] = [Start()]
    for index, block in enumerate(rows(message, "content")):
        events += reader.whole(index, block)
    sequence = mapping(payload, "additionalModelResponseFields").get("stop_sequence")
    return [*events, *reader.finish(reason, sequence), *_usage(payload)]


class ConverseStream:
    """Reads a reply of ConverseStream.

    It is complete with `messageStop`; `metadata` with the usage follows, but may be missing. A
    message cut short means that bytes were lost on the way.
    """

    def __init__(self, one_call: bool = False) -> None:
        self._decoder = EventStreamDecoder()
        self._blocks = BlockReader(one_call)
        self._stopped = False
        self._failed = False

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """See `Reader.feed`."""
        if self._failed:
            return ()
        try:
            messages = self._decoder.feed(chunk)
        except EventStreamError:
            return self._fail(
                BackendError("malformed", "The upstream's event stream arrived damaged.")
            )
        events: list[Event] = []
        for message in messages:
            events += self._message(message)
            if self._failed:
                break
        return events

    def close(self) -> Sequence[Event]:
        """See `Reader.close`."""
        if self._failed or (self._stopped and not self._decoder.incomplete):
            return ()
        return (broken_off(),)

    def _message(self, message: Message) -> list[Event]:
        kind = message.text(":message-type")
        if kind == "exception":
            return self._fail(exception(message.text(":exception-type"), message.payload))
        if kind == "error":
            said = orjson.dumps({"message": message.text(":error-message")})
            return self._fail(exception(message.text(":error-code"), said))
        try:
            payload = orjson.loads(message.payload)
        except orjson.JSONDecodeError:
            return []
        name = message.text(":event-type")
        return self._event(name, payload) if isinstance(payload, dict) else []

    def _event(self, name: str, payload: Json) -> list[Event]:
        index = payload.get("contentBlockIndex")
        index = index if isinstance(index, int) else 0
        match name:
            case "messageStart":
                return [Start()]
            case "contentBlockStart":
                return self._blocks.start(index, mapping(payload, "start"))
            case "contentBlockDelta":
                return self._blocks.delta(index, mapping(payload, "delta"))
            case "contentBlockStop":
                return self._blocks.stop(index)
            case "messageStop":
                self._stopped = True
                fields = mapping(payload, "additionalModelResponseFields")
                return self._blocks.finish(
                    string(payload, "stopReason"), fields.get("stop_sequence")
                )
            case "metadata":
                return _usage(payload)
            case _:
                return []

    def _fail(self, error: BackendError) -> list[Event]:
        self._failed = True
        return [Failed(error)]


def _usage(payload: Json) -> list[Event]:
    usage = mapping(payload, "usage")
    return [UsageReported(normalise("bedrock", usage))] if usage else []
