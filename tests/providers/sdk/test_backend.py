"""What every backend over HTTP gets from its base class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import orjson
import pytest

from headgate_providers.sdk import (
    BackendError,
    Call,
    ChatRequest,
    HttpBackend,
    HttpRequest,
    Reader,
    Target,
    WholeReader,
)

SECRET = "vendor-secret-4711"


class Refusing:
    """A transport and its response: the vendor quotes the credential in a 400."""

    status = 400
    headers: Mapping[str, str] = {}
    closed = False

    async def send(self, request: HttpRequest, *, connect_s: float) -> Refusing:
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.read()

    async def read(self, limit: int = 0) -> bytes:
        said = f"The key {SECRET} may not use this model."
        return orjson.dumps({"error": {"message": said, "type": "invalid_request_error"}})

    async def aclose(self) -> None:
        self.closed = True


class Plain(HttpBackend):
    def request(self, call: Call) -> HttpRequest:
        return HttpRequest("POST", "http://vendor", {})

    def reader(self, call: Call) -> Reader:
        return WholeReader(lambda _: [])


async def test_a_refusal_never_quotes_our_credential() -> None:
    transport = Refusing()
    backend = Plain(Target("d", "m", secrets={"key": SECRET}), transport)
    call = Call("chat", "openai_chat", {}, "m", lambda: ChatRequest("m", ()))
    with pytest.raises(BackendError) as refused:
        await backend.send(call)
    assert refused.value.kind == "invalid_request"
    assert refused.value.message == "The key [secret] may not use this model."
    assert SECRET not in str(refused.value)
    assert transport.closed
