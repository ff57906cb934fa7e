"""What the ledger's file says after each ending, and that the report says the same."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.gateway.http.streams import read_after_first_text
from tests.gateway_process import GatewayProcess, running_gateway
from tests.scripted_replies import (
    DONE,
    ROLE,
    chat,
    chat_stream,
    chunk,
    data,
    message,
    openai_error,
)
from tests.scripted_upstream import ScriptedUpstream, event_stream, json_reply

ASK = [{"role": "user", "content": "Say hello"}]
CONFIG = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: a, provider: openai_compat, model: model-a, url: "{url}/ledger-a/v1",
       price: {{in: 1.5, out: 7.000001, cache_read: 0.1}}}}
    - {{name: c, provider: openai_compat, model: model-c, url: "{url}/ledger-c/v1"}}
    - {{name: b, provider: anthropic, model: model-b, url: "{url}/ledger-b",
       price: {{in: 3, out: 15, cache_read: 0.3, cache_write: 3.75}}}}
    - {{name: free, provider: openai_compat, model: no-price, url: "{url}/ledger-a/v1"}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: both
      match: {{model: both}}
      tiers: [{{select: {{deployment: c}}}}, {{select: {{deployment: b}}}}]
      otherwise: {{reject: 503, code: no_capacity}}
    - {{name: forbidden, match: {{model: forbidden}}, deny: true,
       otherwise: {{reject: 451, code: not_here}}}}
"""


@pytest.fixture(scope="module")
def own(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    config = CONFIG.format(url=upstream.url)
    with running_gateway(config, tmp_path_factory.mktemp("ledger")) as process:
        yield process


@pytest.fixture(scope="module")
def teams(own: GatewayProcess) -> Iterator[dict[str, httpx.Client]]:
    """Clients of two teams."""
    red, blue = own.new_key("red", "--project", "p1", "--user", "ann"), own.new_key("blue")
    with own.client(red) as first, own.client(blue) as second:
        yield {"red": first, "blue": second}


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": ASK, **more}
    return client.post("/v1/chat/completions", json=body)


def entry(
    own: GatewayProcess, reply: httpx.Response
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    decision = reply.headers["x-headgate-decision"]
    return own.request_row(decision), own.attempt_rows(decision)


CACHED = {
    "prompt_tokens": 1000,
    "completion_tokens": 30,
    "total_tokens": 1030,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


def test_ok(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    upstream.script("ledger-a", json_reply(chat(usage=CACHED)))
    reply = ask(teams["red"], "model-a")
    request, (attempt,) = entry(own, reply)
    assert request["outcome"] == "ok"
    assert (request["team"], request["project"], request["user"]) == ("red", "p1", "ann")
    assert (request["dialect"], request["operation"]) == ("openai_chat", "chat")
    assert (request["model"], request["streamed"], request["attempts"]) == ("model-a", 0, 1)
    assert (attempt["deployment"], attempt["provider"]) == ("a", "openai_compat")
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (1000, 30)
    assert (attempt["cache_read_tokens"], attempt["reasoning_tokens"]) == (400, 20)
    assert (attempt["usage_source"], attempt["upstream_id"]) == ("vendor", "chatcmpl-up")
    # 600 at 1.5, 400 at 0.1 and 30 at 7.000001 USD a million, exactly
    assert Decimal(attempt["cost_usd"]) == Decimal("0.00115000003")
    assert Decimal(request["cost_usd"]) == Decimal(reply.headers["x-headgate-cost-usd"])


def test_ok_streamed(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    upstream.script("ledger-a", event_stream(
        ROLE, chunk({"content": "Hi"}), chunk({}, "stop"), chunk(None, usage=CACHED), DONE
    ))  # fmt: skip
    request, (attempt,) = entry(own, ask(teams["blue"], "model-a", stream=True))
    assert (request["outcome"], request["streamed"], request["team"]) == ("ok", 1, "blue")
    assert Decimal(attempt["cost_usd"]) == Decimal("0.00115000003")
    assert attempt["first_token_s"] > 0


def test_ok_without_usage(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    without = {name: value for name, value in chat("four").items() if name != "usage"}
    upstream.script("ledger-a", json_reply(without))
    _, (attempt,) = entry(own, ask(teams["red"], "model-a"))
    assert attempt["usage_source"] == "estimated"
    assert attempt["input_tokens"] > 0
    assert attempt["output_tokens"] > 0


def test_ok_at_an_unknown_price(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    upstream.script("ledger-a", json_reply(chat()))
    request, (attempt,) = entry(own, ask(teams["red"], "no-price"))
    assert (request["cost_usd"], attempt["cost_usd"]) == (None, None)
    assert attempt["input_tokens"] == 11


def test_ok_at_the_second(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 1000,
    }
    upstream.script("ledger-c", openai_error(500, "server_error"))
    upstream.script("ledger-b", json_reply({**message(), "usage": usage}))
    request, (first, second) = entry(own, ask(teams["red"], "both"))
    assert (request["outcome"], request["attempts"], request["route"]) == ("ok", 2, "both")
    assert (first["outcome"], first["status"], first["cost_usd"]) == ("http_5xx", 500, "0")
    assert first["usage_source"] == "none"
    assert (second["deployment"], second["input_tokens"]) == ("b", 1110)
    # 10 at 3, 100 at 0.3, 1000 at 3.75 and 20 at 15 USD a million
    assert Decimal(second["cost_usd"]) == Decimal("0.00411")


def test_error(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    upstream.script("ledger-c", openai_error(429, "rate_limit_exceeded", retry_after="1"))
    upstream.script("ledger-b", json_reply({}, 529))
    reply = ask(teams["blue"], "both")
    request, attempts = entry(own, reply)
    assert request["outcome"] == "error"
    assert request["error_code"] == reply.json()["error"]["code"]
    assert [attempt["outcome"] for attempt in attempts] == ["rate_limited", "overloaded"]
    assert Decimal(request["cost_usd"]) == 0


def test_error_in_a_stream(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    go_on = threading.Event()
    broken = chat_stream("Hi", go_on, data({"error": {"message": "boom"}}))
    upstream.script("ledger-a", broken)
    body = {"model": "model-a", "messages": ASK, "stream": True}
    path = "/v1/chat/completions"
    decision, _ = read_after_first_text(teams["blue"], path, body, "Hi", go_on)
    assert own.request_row(decision)["outcome"] == "error"
    (attempt,) = own.attempt_rows(decision)
    assert attempt["usage_source"] == "estimated"
    assert Decimal(attempt["cost_usd"]) > 0


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [("forbidden", 451, "not_here"), ("nosuch", 404, "model_not_found")],
)
def test_refused(
    own: GatewayProcess, teams: dict[str, httpx.Client], model: str, status: int, code: str
) -> None:
    reply = ask(teams["red"], model)
    assert reply.status_code == status
    request, attempts = entry(own, reply)
    assert (request["outcome"], request["error_code"], attempts) == ("refused", code, [])
    assert Decimal(request["cost_usd"]) == 0


def test_what_was_never_accepted_has_no_row(
    own: GatewayProcess, teams: dict[str, httpx.Client], upstream: ScriptedUpstream
) -> None:
    before = own.rows("SELECT count(*) AS rows FROM requests")
    for body in (b"nope", b'{"model": "model-a", "messages": []}'):
        assert teams["red"].post("/v1/chat/completions", content=body).status_code == 400
    assert httpx.post(f"{own.url}/v1/chat/completions", json={}).status_code == 401
    upstream.script("ledger-a", json_reply(chat()))
    entry(own, ask(teams["red"], "model-a"))
    (row,) = own.rows("SELECT count(*) AS rows FROM requests")
    assert row["rows"] == before[0]["rows"] + 1


def test_nothing_in_the_ledger_can_be_changed(own: GatewayProcess) -> None:
    with closing(sqlite3.connect(own.data_dir / "ledger.db")) as connection:
        for statement in ("UPDATE attempts SET cost_usd = '0'", "DELETE FROM requests"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_the_report_is_the_sum_of_the_rows(own: GatewayProcess) -> None:
    report = json.loads(own.headgate("report", "cost", "--by", "team,model", "--format", "json"))
    rows = own.rows(
        "SELECT r.team, a.model, a.cost_usd FROM requests r "
        "LEFT JOIN attempts a ON a.request_id = r.id"
    )
    expected: dict[tuple[str, str | None], Decimal] = {}
    for row in rows:
        group = row["team"], row["model"]
        expected[group] = expected.get(group, Decimal(0)) + Decimal(row["cost_usd"] or 0)
    lines = {(line["team"], line["model"]): line for line in report["rows"]}
    assert {group: Decimal(line["cost_usd"]) for group, line in lines.items()} == expected
    assert Decimal(report["total"]["cost_usd"]) == sum(expected.values())
    assert lines["red", "no-price"]["unknown_requests"] == 1
    assert report["total"]["requests"] == own.rows("SELECT count(*) AS n FROM requests")[0]["n"]
