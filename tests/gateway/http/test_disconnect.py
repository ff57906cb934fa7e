"""A client that leaves takes its upstream call with it, and the ledger says so."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.gateway.http.lanes import Lane, TakeLane
from tests.gateway.http.raw import head
from tests.gateway_process import GatewayProcess, eventually
from tests.scripted_replies import BLOCK_START, ROLE, chat, chunk, message_start, message_text
from tests.scripted_upstream import Do, Scripted, event_stream, json_reply, silence

ASK = [{"role": "user", "content": "Say hello"}]
SOON_S = 3.0
"""The promise is one second; the rest is for a busy machine. Unnoticed, it would be forever."""


@contextmanager
def asking(
    gateway: GatewayProcess, model: str, stream: bool, path: str = "/v1/chat/completions"
) -> Iterator[socket.socket]:
    """An open connection on which a request was sent."""
    fields: dict[str, Any] = {"model": model, "messages": ASK, "max_tokens": 50, "stream": stream}
    body = json.dumps(fields).encode()
    lines = "content-type: application/json", f"content-length: {len(body)}"
    with closing(socket.create_connection(("127.0.0.1", gateway.port), 20)) as connection:
        connection.sendall(head("POST", path, gateway.admin_key, *lines) + body)
        yield connection


def read_until(connection: socket.socket, text: bytes) -> int:
    """How many bytes came until `text` did."""
    size, tail = 0, b""
    while text not in tail:
        piece = connection.recv(65536)
        assert piece, tail
        size += len(piece)
        tail = tail[-len(text) :] + piece
    return size


def row_of(gateway: GatewayProcess, lane: Lane) -> dict[str, Any]:
    query = "SELECT * FROM requests WHERE model = ?"
    return eventually(lambda: gateway.rows(query, lane.model), SOON_S)[0]


def assert_given_up(gateway: GatewayProcess, lane: Lane) -> dict[str, Any]:
    """The upstream saw it leave; the ledger has the request as cancelled. Its attempt."""
    eventually(lambda: lane.received[-1].left_early, SOON_S)
    row = row_of(gateway, lane)
    assert (row["outcome"], row["error_code"]) == ("cancelled", "client_gone")
    attempt = gateway.attempt_rows(row["id"])[-1]
    assert attempt["outcome"] == "cancelled"
    return attempt


def test_before_any_answer(gateway: GatewayProcess, take: TakeLane) -> None:
    lane = take("chat").answers(silence())
    with asking(gateway, lane.model, stream=False):
        eventually(lambda: lane.received)
    attempt = assert_given_up(gateway, lane)
    assert attempt["usage_source"] == "estimated"
    assert attempt["input_tokens"] > 0


def test_in_the_middle_of_a_whole_reply(gateway: GatewayProcess, take: TakeLane) -> None:
    half = json.dumps(chat()).encode()[:50]
    lane = take("chat").answers(
        Scripted([half, Do.HANG], 200, {"content-type": "application/json"})
    )
    with asking(gateway, lane.model, stream=False):
        eventually(lambda: lane.received)
    assert_given_up(gateway, lane)


CHUNKS = (ROLE, chunk({"content": "Hello"}))
MESSAGE = (message_start(), BLOCK_START, message_text("Hello"))
STREAMS: dict[str, tuple[str, str, tuple[bytes, ...]]] = {
    "relayed": ("chat", "/v1/chat/completions", CHUNKS),
    "translated": ("plain", "/v1/messages", CHUNKS),
    "relayed messages": ("claude", "/v1/messages", MESSAGE),
    "translated messages": ("claude", "/v1/chat/completions", MESSAGE),
}


@pytest.mark.parametrize("name", STREAMS)
def test_in_the_middle_of_a_stream(gateway: GatewayProcess, take: TakeLane, name: str) -> None:
    family, path, pieces = STREAMS[name]
    lane = take(family).answers(event_stream(*pieces, Do.HANG))
    with asking(gateway, lane.model, stream=True, path=path) as connection:
        read_until(connection, b"Hello")
    attempt = assert_given_up(gateway, lane)
    assert attempt["usage_source"] == "estimated"
    assert attempt["output_tokens"] >= 1


def test_before_the_first_token_of_a_stream(gateway: GatewayProcess, take: TakeLane) -> None:
    lane = take("pair").answers(event_stream(ROLE, Do.HANG)).then_answers(json_reply(chat()))
    with asking(gateway, lane.model, stream=True):
        eventually(lambda: lane.received)
    assert_given_up(gateway, lane)
    assert lane.received_second == []


def test_while_the_second_deployment_is_asked(gateway: GatewayProcess, take: TakeLane) -> None:
    lane = take("pair").answers(json_reply({}, 500)).then_answers(silence())
    with asking(gateway, lane.model, stream=False):
        eventually(lambda: lane.received_second)
    eventually(lambda: lane.received_second[0].left_early, SOON_S)
    row = row_of(gateway, lane)
    outcomes = [attempt["outcome"] for attempt in gateway.attempt_rows(row["id"])]
    assert (row["outcome"], outcomes) == ("cancelled", ["http_5xx", "cancelled"])


def test_a_client_that_does_not_read_makes_the_upstream_wait(
    gateway: GatewayProcess, take: TakeLane
) -> None:
    """The reply is more than all buffers hold; nothing of it is lost."""
    texts = [chunk({"content": f"{number:06d}" + "x" * 60_000}) for number in range(400)]
    lane = take("chat").answers(event_stream(ROLE, *texts, chunk({}, "stop")))
    with asking(gateway, lane.model, stream=True) as connection:
        read_until(connection, b"000000")
        time.sleep(0.5)
        assert not lane.received[0].answered
        size = read_until(connection, b"000399")
    assert size > 390 * 60_000


def test_half_a_request(gateway: GatewayProcess) -> None:
    """Left while sending: nothing was asked, so nothing is recorded."""
    before = len(gateway.rows("SELECT id FROM requests"))
    lines = "content-type: application/json", "content-length: 1000"
    with closing(socket.create_connection(("127.0.0.1", gateway.port), 20)) as connection:
        connection.sendall(head("POST", "/v1/messages", gateway.admin_key, *lines) + b'{"model"')
    with gateway.client() as client:
        client.post("/v1/embeddings", json={"model": "sim", "input": "after"})
    eventually(lambda: len(gateway.rows("SELECT id FROM requests")) == before + 1)
    assert "Traceback" not in gateway.output()


def test_many_at_once(gateway: GatewayProcess, take: TakeLane) -> None:
    lane = take("chat").answers(event_stream(ROLE, chunk({"content": "Hello"}), Do.HANG))

    def one() -> None:
        with asking(gateway, lane.model, stream=True) as connection:
            read_until(connection, b"Hello")

    in_threads(one, 20)
    eventually(lambda: all(request.left_early for request in lane.received), SOON_S)
    query = "SELECT outcome FROM requests WHERE model = ?"
    eventually(lambda: len(gateway.rows(query, lane.model)) == 20)
    assert {row["outcome"] for row in gateway.rows(query, lane.model)} == {"cancelled"}


def in_threads(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
