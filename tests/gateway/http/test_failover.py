"""What moves on to the next deployment, what does not, and how a stream that broke ends."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest

from tests.gateway.http.lanes import TakeLane
from tests.gateway.http.streams import read_after_first_text
from tests.gateway_process import GatewayProcess, eventually, free_port, running_gateway
from tests.scripted_replies import (
    BLOCK_START,
    DONE,
    PING,
    ROLE,
    STOP,
    anthropic_error,
    chat,
    chat_stream,
    chunk,
    data,
    message_start,
    message_text,
    named,
    openai_error,
)
from tests.scripted_upstream import (
    Do,
    Piece,
    Scripted,
    ScriptedUpstream,
    event_stream,
    json_reply,
    nothing,
    silence,
)

ASK = [{"role": "user", "content": "Say hello"}]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def ask(client: httpx.Client, model: str, stream: bool = False) -> httpx.Response:
    body = {"model": model, "messages": ASK, "stream": stream}
    return client.post("/v1/chat/completions", json=body)


MOVES_ON = {
    "429": openai_error(429, "rate_limit_exceeded"),
    "quota": openai_error(429, "insufficient_quota"),
    "500": openai_error(500, "server_error"),
    "502 page": Scripted([b"<html>Bad gateway</html>"], 502, {"content-type": "text/html"}),
    "503": openai_error(503, "overloaded"),
    "the account's key": openai_error(401, "invalid_api_key"),
    "no such model there": openai_error(404, "model_not_found"),
    "broken before an answer": nothing(),
    "not JSON": json_reply(b"<html>"),
    "no choices": json_reply({"choices": []}),
    "error with 200": json_reply({"error": {"message": "boom", "code": 500}}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", MOVES_ON)
def test_moves_on(
    client: httpx.Client, take: TakeLane, gateway: GatewayProcess, name: str, stream: bool
) -> None:
    lane = take("pair").answers(MOVES_ON[name])
    lane.then_answers(chat_stream("from b") if stream else json_reply(chat("from b")))
    reply = ask(client, lane.model, stream)
    assert reply.status_code == 200, reply.text
    assert "from b" in reply.text
    assert reply.headers["x-headgate-attempts"] == "2"
    first, second = gateway.attempt_rows(reply.headers["x-headgate-decision"])
    assert (first["outcome"] != "ok", second["outcome"]) == (True, "ok")
    assert first["cost_usd"] == "0"


IN_STREAM = {
    "an error event": event_stream(data({"error": {"message": "boom", "code": "server_error"}})),
    "an error after the role": event_stream(ROLE, data({"error": {"message": "boom"}})),
    "nothing but the role": event_stream(ROLE, Do.CUT),
    "the end at once": event_stream(),
    "done at once": event_stream(DONE),
}


@pytest.mark.parametrize("name", IN_STREAM)
def test_a_stream_moves_on_before_its_first_output(
    client: httpx.Client, take: TakeLane, name: str
) -> None:
    lane = take("pair").answers(IN_STREAM[name]).then_answers(chat_stream("from b"))
    reply = ask(client, lane.model, stream=True)
    assert reply.status_code == 200
    assert "from b" in reply.text
    assert "boom" not in reply.text
    assert reply.headers["x-headgate-deployment"] == lane.scripts[1]


@pytest.mark.parametrize("pieces", [(), (ROLE,)])
def test_the_first_token_has_a_time_limit(
    client: httpx.Client, take: TakeLane, pieces: tuple[bytes, ...]
) -> None:
    lane = take("hasty").answers(event_stream(*pieces, Do.HANG))
    lane.then_answers(chat_stream("from b"))
    reply = ask(client, lane.model, stream=True)
    assert "from b" in reply.text
    assert eventually(lambda: lane.received[0].left_early)


def test_a_whole_reply_has_a_time_limit(client: httpx.Client, take: TakeLane) -> None:
    lane = take("hasty").answers(silence()).then_answers(json_reply(chat("from b")))
    assert "from b" in ask(client, lane.model).text
    assert eventually(lambda: lane.received[0].left_early)


@pytest.mark.parametrize("events", [(), (message_start(),), (message_start(), BLOCK_START, PING)])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_anthropics_overload_inside_a_stream(
    client: httpx.Client, take: TakeLane, path: str, events: tuple[bytes, ...]
) -> None:
    lane = take("claude-pair").answers(event_stream(*events, named(OVERLOADED)))
    lane.then_answers(chat_stream("from b"))
    body = {"model": lane.model, "messages": ASK, "max_tokens": 9, "stream": True}
    reply = client.post(path, json=body)
    assert reply.status_code == 200
    assert "from b" in reply.text
    assert "verloaded" not in reply.text
    assert reply.text.count("message_start") <= 2  # the event's name and its type, once


STAYS = {
    "invalid request": (openai_error(400, "invalid_request_error", "bad tool"), 400),
    "422": (openai_error(422, "invalid_request_error", "bad tool"), 400),
    "content filter": (openai_error(400, "content_filter", "bad tool"), 400),
    "too long": (openai_error(400, "context_length_exceeded", "bad tool"), 400),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", STAYS)
def test_the_callers_own_mistake_stays_his(
    client: httpx.Client, take: TakeLane, name: str, stream: bool
) -> None:
    reply_of_a, status = STAYS[name]
    lane = take("pair").answers(reply_of_a).then_answers(json_reply(chat("from b")))
    reply = ask(client, lane.model, stream)
    assert reply.status_code == status
    assert reply.json()["error"]["message"] == "bad tool"
    assert lane.received_second == []


def test_a_filtered_answer_is_an_answer(client: httpx.Client, take: TakeLane) -> None:
    filtered = chat("")
    filtered["choices"][0]["finish_reason"] = "content_filter"
    lane = take("pair").answers(json_reply(filtered)).then_answers(json_reply(chat("from b")))
    reply = ask(client, lane.model)
    assert reply.json()["choices"][0]["finish_reason"] == "content_filter"
    assert lane.received_second == []


def test_when_all_fail_the_last_decides(client: httpx.Client, take: TakeLane) -> None:
    lane = take("pair").answers(openai_error(429, "rate_limit_exceeded"))
    lane.then_answers(openai_error(500, "server_error", "at host 10.1.2.3"))
    reply = ask(client, lane.model, stream=True)
    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "upstream_error"
    assert "10.1.2.3" not in reply.text


BROKEN: dict[str, tuple[Piece, ...]] = {
    "cut": (Do.CUT,),
    "an end without an end": (),
    "an error event": (data({"error": {"message": "boom"}}),),
    "half an event": (b'data: {"choi', Do.CUT),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_a_stream_that_broke_says_so_and_does_not_end_well(
    client: httpx.Client, take: TakeLane, gateway: GatewayProcess, path: str, name: str
) -> None:
    """Relayed (chat) and translated (messages, responses) alike."""
    go_on = threading.Event()
    lane = take("pair").then_answers(chat_stream("from b"))
    lane.answers(event_stream(ROLE, chunk({"content": "Hel"}), go_on, *BROKEN[name]))
    body: dict[str, Any] = {"model": lane.model, "stream": True}
    body |= {"input": "x"} if path == "/v1/responses" else {"messages": ASK, "max_tokens": 9}
    decision, text = read_after_first_text(client, path, body, "Hel", go_on)
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    last = json.loads(events[-1])
    if path == "/v1/chat/completions":
        assert last["error"]["code"] == "upstream_error"
    elif path == "/v1/messages":
        assert last["type"] == "error"
    else:
        assert last["type"] in ("error", "response.failed")
    for regular_end in ("[DONE]", "message_stop", "response.completed"):
        assert regular_end not in text
    assert lane.received_second == []
    assert gateway.request_row(decision)["outcome"] == "error"
    (attempt,) = gateway.attempt_rows(decision)
    assert (attempt["usage_source"], attempt["output_tokens"]) == ("estimated", 1)


def test_a_stream_that_falls_silent(client: httpx.Client, take: TakeLane) -> None:
    lane = take("hasty").answers(event_stream(ROLE, chunk({"content": "Hel"}), Do.HANG))
    reply = ask(client, lane.model, stream=True)
    assert '"code":"upstream_timeout"' in reply.text.replace(" ", "")
    assert "[DONE]" not in reply.text
    assert eventually(lambda: lane.received[0].left_early)


def test_anthropics_stream_that_broke(client: httpx.Client, take: TakeLane) -> None:
    go_on = threading.Event()
    pieces = message_start(), BLOCK_START, message_text("Hel"), go_on, named(OVERLOADED)
    lane = take("claude").answers(event_stream(*pieces))
    body = {"model": lane.model, "messages": ASK, "max_tokens": 9, "stream": True}
    _, text = read_after_first_text(client, "/v1/messages", body, "Hel", go_on)
    assert json.loads(text.strip().splitlines()[-1][6:])["type"] == "error"
    assert "message_stop" not in text


def test_what_broke_before_it_was_sent_on_is_tried_elsewhere(
    client: httpx.Client, take: TakeLane, gateway: GatewayProcess
) -> None:
    """Text and error came in one piece: the client has seen nothing, the vendor may bill."""
    broken = ROLE + chunk({"content": "Hel"}) + data({"error": {"message": "boom"}})
    lane = take("pair").answers(event_stream(broken)).then_answers(chat_stream("from b"))
    reply = ask(client, lane.model, stream=True)
    assert "from b" in reply.text
    assert "Hel" not in reply.text
    first, _ = gateway.attempt_rows(reply.headers["x-headgate-decision"])
    assert first["usage_source"] == "estimated"


def test_retry_after_of_anthropic(client: httpx.Client, take: TakeLane) -> None:
    lane = take("claude").answers(anthropic_error(429, "rate_limit_error", retry_after="9"))
    body = {"model": lane.model, "messages": ASK, "max_tokens": 9}
    reply = client.post("/v1/messages", json=body)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "9"
    assert reply.json()["error"]["type"] == "rate_limit_error"


def test_nobody_listens(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    upstream.script("alive", json_reply(chat("alive")), chat_stream("alive", STOP))
    config = f"""\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: dead, provider: openai_compat, model: dead, url: "http://127.0.0.1:{free_port()}/v1"}}
    - {{name: alive, provider: openai_compat, model: alive, url: "{upstream.url}/alive/v1"}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: both
      match: {{model: both}}
      tiers: [{{select: {{deployment: dead}}}}, {{select: {{deployment: alive}}}}]
      otherwise: {{reject: 503, code: no_capacity}}
"""
    folder = tmp_path_factory.mktemp("dead")
    with running_gateway(config, folder) as gateway, gateway.client() as client:
        assert "alive" in ask(client, "both").text
        assert "alive" in ask(client, "both", stream=True).text
        refused = ask(client, "dead")
        assert refused.status_code == 502
        assert refused.json()["error"]["code"] == "upstream_error"
