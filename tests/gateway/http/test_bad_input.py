"""Bad input gets a 4xx in the envelope of the dialect that was called, and says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.http.lanes import TakeLane
from tests.gateway.http.raw import RawReply, head, send
from tests.gateway_process import GatewayProcess
from tests.scripted_replies import chat, message
from tests.scripted_upstream import json_reply

ASK = [{"role": "user", "content": "Say hello"}]
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "sim", "messages": ASK},
    "/v1/completions": {"model": "sim", "prompt": "Say hello"},
    "/v1/embeddings": {"model": "sim", "input": "Say hello"},
    "/v1/responses": {"model": "sim", "input": "Say hello"},
    "/v1/messages": {"model": "sim", "messages": ASK, "max_tokens": 5},
    "/v1/messages/count_tokens": {"model": "sim", "messages": ASK},
}
PATHS = list(GOOD)


def refusal(path: str, reply: httpx.Response | RawReply, status: int) -> dict[str, Any]:
    """The error of the reply, which must be in the envelope of the path's dialect."""
    code = reply.status_code if isinstance(reply, httpx.Response) else reply.status
    envelope = reply.json()
    assert code == status, envelope
    error: dict[str, Any] = envelope["error"]
    if path.startswith("/v1/messages"):
        assert envelope["type"] == "error"
        assert error["type"].endswith("_error") or error["type"] == "request_too_large"
    else:
        assert set(envelope) == {"error"}
        assert {"message", "type", "param", "code"} <= error.keys()
    assert "Traceback" not in str(envelope)
    assert error["message"].strip()
    return error


def post(client: httpx.Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=body, headers={"content-type": "application/json", **named})


def without(path: str, member: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD[path].items() if name != member}


NOT_JSON = {
    "empty": b"",
    "words": b"hello",
    "half": b'{"model": "sim", "messages": [',
    "list": b"[]",
    "number": b"1",
    "trailing": b'{"model": "sim"} x',
    "not utf-8": b'{"model": "\xff\xfe"}',
    "lone surrogate": rb'{"model": "\ud800"}',
    "NaN": b'{"model": "sim", "temperature": NaN}',
    "infinity": b'{"model": "sim", "temperature": -Infinity}',
    "form": b"model=sim",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NOT_JSON)
def test_not_json(client: httpx.Client, path: str, name: str) -> None:
    error = refusal(path, post(client, path, NOT_JSON[name]), 400)
    assert "JSON" in error["message"]


@pytest.mark.parametrize("path", PATHS)
def test_a_member_twice(client: httpx.Client, path: str) -> None:
    body = json.dumps(GOOD[path])[:-1] + ', "model": "other"}'
    error = refusal(path, post(client, path, body.encode()), 400)
    assert "model" in error["message"]


NESTED = {
    "lists": b"[" * 5_000_000 + b"]" * 5_000_000,
    "objects": b'{"a":' * 1_500_000 + b"1" + b"}" * 1_500_000,
    "open lists": b"[" * 10_000_000,
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("kind", NESTED)
def test_ten_megabytes_of_nesting(client: httpx.Client, path: str, kind: str) -> None:
    whole = b'{"model": "sim", "x": ' + NESTED[kind] + b"}"
    refusal(path, post(client, path, whole), 400)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("depth", [100, 230, 240, 254, 1000])
def test_nesting_within_json_is_no_crash(client: httpx.Client, path: str, depth: int) -> None:
    """What the parser still takes must not break what walks over it."""
    deep = "[" * depth + "]" * depth
    body = json.dumps({**GOOD[path], "metadata": None})[:-1] + f', "tools": {deep}}}'
    reply = post(client, path, body.encode())
    assert reply.status_code in (200, 400), reply.text


@pytest.mark.parametrize("depth", [200, 230, 236, 240])
@pytest.mark.parametrize(
    ("path", "family"), [("chat/completions", "claude"), ("messages", "plain")]
)
def test_a_deep_schema_is_translated_or_refused(
    client: httpx.Client, take: TakeLane, path: str, family: str, depth: int
) -> None:
    lane = take(family).answers(json_reply(message() if family == "claude" else chat()))
    schema: dict[str, Any] = {}
    for _ in range(depth // 2):
        schema = {"type": "array", "items": schema, "anyOf": [{}]}
    tool: dict[str, Any] = {"name": "w", "input_schema": schema}
    if path == "chat/completions":
        tool = {"type": "function", "function": {"name": "w", "parameters": schema}}
    body = {"model": lane.model, "messages": ASK, "max_tokens": 5, "tools": [tool]}
    reply = client.post(f"/v1/{path}", json=body)
    assert reply.status_code in (200, 400), reply.text


WRONG: list[tuple[str, Any, str]] = [
    ("/v1/chat/completions", {"messages": "hello"}, "messages"),
    ("/v1/chat/completions", {"messages": []}, "messages"),
    ("/v1/chat/completions", {"messages": [1]}, "messages[0]"),
    ("/v1/chat/completions", {"messages": [{"content": "x"}]}, "messages[0].role"),
    ("/v1/chat/completions", {"model": 7}, "model"),
    ("/v1/chat/completions", {"model": ""}, "model"),
    ("/v1/chat/completions", {"stream": "yes"}, "stream"),
    ("/v1/chat/completions", {"temperature": "hot"}, "temperature"),
    ("/v1/chat/completions", {"max_tokens": -1}, "max_tokens"),
    ("/v1/chat/completions", {"tools": {}}, "tools"),
    ("/v1/completions", {"prompt": {}}, "prompt"),
    ("/v1/embeddings", {"input": []}, "input"),
    ("/v1/embeddings", {"input": 5}, "input"),
    ("/v1/responses", {"input": 5}, "input"),
    ("/v1/messages", {"messages": []}, "messages"),
    ("/v1/messages", {"messages": "hello"}, "messages"),
    ("/v1/messages", {"max_tokens": "many"}, "max_tokens"),
    ("/v1/messages/count_tokens", {"messages": []}, "messages"),
]


@pytest.mark.parametrize(("path", "change", "param"), WRONG, ids=[str(w) for w in WRONG])
def test_wrong_types(client: httpx.Client, path: str, change: Any, param: str) -> None:
    error = refusal(path, client.post(path, json={**GOOD[path], **change}), 400)
    if path.startswith("/v1/messages"):
        assert param in error["message"]
    else:
        assert (error["code"], error["param"]) == ("invalid_request", param)


@pytest.mark.parametrize("path", PATHS)
def test_no_model(client: httpx.Client, path: str) -> None:
    error = refusal(path, client.post(path, json=without(path, "model")), 400)
    assert "model" in error["message"]


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_model(client: httpx.Client, path: str) -> None:
    error = refusal(path, client.post(path, json={**GOOD[path], "model": "unprised"}), 404)
    assert "did you mean" in error["message"]
    assert "unpriced" in error["message"]


def test_a_hint_never_names_what_the_key_may_not_use(gateway: GatewayProcess) -> None:
    with gateway.client(gateway.new_key("hinted", "--models", "si*,un?riced,unprised")) as client:
        reply = client.post("/v1/embeddings", json={"model": "unprised", "input": "x"})
        assert "unpriced" in reply.text
    with gateway.client(gateway.new_key("unhinted", "--models", "si*,unprised")) as client:
        reply = client.post("/v1/embeddings", json={"model": "unprised", "input": "x"})
        assert reply.status_code == 404
        assert "unpriced" not in reply.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "x"])
def test_another_content_type(client: httpx.Client, path: str, kind: str) -> None:
    body = json.dumps(GOOD[path]).encode()
    error = refusal(path, post(client, path, body, content_type=kind), 415)
    assert "application/json" in error["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_a_content_type_with_parameters(client: httpx.Client, kind: str) -> None:
    body = json.dumps(GOOD["/v1/messages"]).encode()
    assert post(client, "/v1/messages", body, content_type=kind).status_code == 200


def test_a_compressed_body(client: httpx.Client) -> None:
    reply = post(client, "/v1/messages", b"\x1f\x8b", content_encoding="gzip")
    assert "compression" in refusal("/v1/messages", reply, 415)["message"]


MEBIBYTE = b" " * 2**20


def mebibytes(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield MEBIBYTE


@pytest.mark.parametrize("path", PATHS)
def test_a_body_over_the_limit_is_refused_before_it_is_sent(
    gateway: GatewayProcess, path: str
) -> None:
    """The limit is 20 MiB. Only the head is sent: the answer does not wait for the body."""
    lines = "content-type: application/json", f"content-length: {300 * 2**20}"
    reply = send(gateway.port, head("POST", path, gateway.admin_key, *lines))
    error = refusal(path, reply, 413)
    assert str(20 * 2**20) in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_body_over_the_limit_without_a_length_is_not_read_to_its_end(
    gateway: GatewayProcess, path: str
) -> None:
    lines = "content-type: application/json", "transfer-encoding: chunked"
    pieces = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in mebibytes(300))
    reply = send(gateway.port, head("POST", path, gateway.admin_key, *lines), pieces)
    refusal(path, reply, 413)
    assert reply.sent < 100 * 2**20


def test_a_connection_is_of_use_after_a_refusal(client: httpx.Client) -> None:
    for path in PATHS:
        assert post(client, path, b"nope").status_code == 400
        assert client.post(path, json=GOOD[path]).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/livez"])
@pytest.mark.parametrize("lines", [1, 40])
def test_oversized_headers(gateway: GatewayProcess, path: str, lines: int) -> None:
    """The limit is 16 KiB, in one header or in many."""
    headers = [f"x-{number}: {'a' * (40_000 // lines)}" for number in range(lines)]
    reply = send(gateway.port, head("POST", path, gateway.admin_key, *headers))
    assert reply.status == 431
    assert reply.json()["error"]["code"] == "headers_too_large"


def test_headers_within_the_limit(client: httpx.Client) -> None:
    reply = client.post("/v1/messages", json=GOOD["/v1/messages"], headers={"x-a": "a" * 12_000})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/images/generations", "/v1/nosuch", "/nosuch", "/v1/chat/completions/x", "/v1//models"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_endpoint(client: httpx.Client, method: str, path: str) -> None:
    error = refusal(path, client.request(method, path), 404)
    assert error["code"] == "unsupported_endpoint"
    assert path in error["message"]


def test_an_unknown_endpoint_of_anthropics(client: httpx.Client) -> None:
    error = refusal("/v1/messages", client.post("/v1/messages/batches", json={}), 404)
    assert error["type"] == "not_found_error"
    reply = client.get("/v1/organizations", headers={"anthropic-version": "2023-06-01"})
    assert reply.json()["type"] == "error"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method(client: httpx.Client, method: str, path: str) -> None:
    error = refusal(path, client.request(method, path), 405)
    assert method in error["message"]


KEYS = {
    "none": {},
    "unknown": {"authorization": "Bearer hg-nope-0123456789abcdefghijklmnop"},
    "empty": {"authorization": "Bearer"},
    "another scheme": {"authorization": "Basic YTpi"},
    "odd bytes": {"authorization": "Bearer \xff\xfe"},
    "long": {"authorization": "Bearer " + "a" * 10_000},
    "unknown, the other header": {"x-api-key": "nope"},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", KEYS)
def test_bad_credentials(gateway: GatewayProcess, path: str, name: str) -> None:
    headers = {key: value.encode("latin-1") for key, value in KEYS[name].items()}
    reply = httpx.post(gateway.url + path, json=GOOD[path], headers=headers)
    error = refusal(path, reply, 401)
    assert "authorization: Bearer" in error["message"]
    assert reply.headers["www-authenticate"] == "Bearer"
    if path.startswith("/v1/messages"):
        assert error["type"] == "authentication_error"
    else:
        assert error["code"] == "invalid_api_key"


def test_a_stranger_cannot_make_it_read_a_body(gateway: GatewayProcess) -> None:
    """A bad key is answered from the head alone."""
    lines = "content-type: application/json", "content-length: 1000000"
    reply = send(gateway.port, head("POST", "/v1/messages", "wrong", *lines))
    refusal("/v1/messages", reply, 401)


@pytest.mark.parametrize(
    "raw", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"]
)
def test_what_is_not_http(gateway: GatewayProcess, raw: bytes) -> None:
    assert send(gateway.port, raw).status == 400


def test_nothing_of_all_this_was_a_crash(gateway: GatewayProcess) -> None:
    assert "Traceback" not in gateway.output()
    assert gateway.log("request crashed") == []
