"""Endpoints that ask no model: lists, counts, decisions, and those for machines."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.http.lanes import TakeLane
from tests.gateway_process import GatewayProcess, eventually
from tests.scripted_replies import chat, openai_error
from tests.scripted_upstream import json_reply

ASK = [{"role": "user", "content": "Say hello to the world"}]
VERSION = {"anthropic-version": "2026-10-21"}


def test_the_probe_of_claude_code(client: httpx.Client) -> None:
    assert client.head("/").status_code == 200
    assert client.head("/").content == b""


def test_models_in_openais_shape(client: httpx.Client) -> None:
    reply = client.get("/v1/models").json()
    assert reply["object"] == "list"
    row = next(row for row in reply["data"] if row["id"] == "sim")
    assert row["object"] == "model"
    assert isinstance(row["created"], int)
    assert client.get("/v1/models/sim").json() == row


def test_models_in_anthropics_shape(client: httpx.Client) -> None:
    reply = client.get("/v1/models?limit=1000", headers=VERSION).json()
    ids = [row["id"] for row in reply["data"]]
    assert "sim" in ids
    assert {row["type"] for row in reply["data"]} == {"model"}
    assert all(row["display_name"] and row["created_at"].endswith("Z") for row in reply["data"])
    assert (reply["first_id"], reply["last_id"]) == (ids[0], ids[-1])
    assert reply["has_more"] is False
    one = client.get("/v1/models/sim", headers=VERSION).json()
    assert (one["type"], one["id"]) == ("model", "sim")


def test_a_key_sees_and_uses_only_its_models(gateway: GatewayProcess) -> None:
    key = gateway.new_key("narrow", "--models", "si*")
    with gateway.client(key) as client:
        assert [row["id"] for row in client.get("/v1/models").json()["data"]] == ["sim"]
        assert client.get("/v1/models/unpriced").status_code == 404
        reply = client.post("/v1/chat/completions", json={"model": "unpriced", "messages": ASK})
        assert reply.status_code == 403
        assert reply.json()["error"]["code"] == "model_not_allowed"


def test_an_unknown_model_of_the_list(client: httpx.Client) -> None:
    reply = client.get("/v1/models/nosuch")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"
    reply = client.get("/v1/models/nosuch", headers=VERSION)
    assert reply.json()["error"]["type"] == "not_found_error"


def test_both_credential_headers(gateway: GatewayProcess) -> None:
    for headers in (
        {"x-api-key": gateway.admin_key},
        {"authorization": f"Bearer {gateway.admin_key}"},
        {"authorization": f"bearer {gateway.admin_key}"},
    ):
        for path in ("/v1/messages", "/v1/chat/completions"):
            body = {"model": "sim", "messages": ASK, "max_tokens": 5}
            assert httpx.post(gateway.url + path, json=body, headers=headers).status_code == 200


def test_count_tokens(client: httpx.Client, take: TakeLane) -> None:
    body = {"model": "sim", "messages": ASK}
    assert client.post("/v1/messages/count_tokens", json=body).json() == {"input_tokens": 5}

    lane = take("claude").answers(json_reply({"input_tokens": 77}))
    body = {"model": lane.model, "messages": ASK, "system": "x"}
    reply = client.post("/v1/messages/count_tokens?beta=true", json=body, headers=VERSION)
    assert reply.json() == {"input_tokens": 77}
    (arrived,) = lane.received
    assert arrived.path == "/v1/messages/count_tokens"
    assert arrived.json == {**body, "model": "up-model"}
    assert arrived.headers["anthropic-version"] == "2026-10-21"


def test_count_tokens_refuses_in_anthropics_envelope(client: httpx.Client) -> None:
    reply = client.post("/v1/messages/count_tokens", json={"model": "sim", "messages": "x"})
    assert reply.status_code == 400
    assert reply.json()["type"] == "error"


def test_a_decision_is_for_its_own_team_and_for_admins(
    client: httpx.Client, gateway: GatewayProcess, take: TakeLane
) -> None:
    lane = take("pair").answers(openai_error(503, "down")).then_answers(json_reply(chat()))
    own, other = gateway.new_key("deciders"), gateway.new_key("others")
    with gateway.client(own) as mine, gateway.client(other) as theirs:
        reply = mine.post("/v1/chat/completions", json={"model": lane.model, "messages": ASK})
        path = f"/v1/decisions/{reply.headers['x-headgate-decision']}"
        eventually(lambda: mine.get(path).status_code == 200)
        record = mine.get(path).json()
        assert [a["deployment"] for a in record["attempts"]] == list(lane.scripts)
        assert [a["outcome"] for a in record["attempts"]] == ["overloaded", "ok"]
        assert record["result"] == {"outcome": "ok", "code": "ok"}
        assert theirs.get(path).status_code == 404
        assert theirs.get(path).json() == theirs.get("/v1/decisions/" + "0" * 32).json()
        assert client.get(path).json() == record
        assert httpx.get(gateway.url + path).status_code == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health(gateway: GatewayProcess, path: str) -> None:
    reply = httpx.get(gateway.url + path)
    assert (reply.status_code, reply.text) == (200, "ok\n")


def test_metrics(gateway: GatewayProcess, client: httpx.Client) -> None:
    client.post("/v1/chat/completions", json={"model": "sim", "messages": ASK})
    text = httpx.get(f"{gateway.url}/metrics").text
    assert 'deployment="sim"' in text
    assert "# TYPE" in text


@pytest.mark.parametrize("path", ["/v1/models", "/v1/decisions/x", "/v1/messages/count_tokens"])
def test_nothing_without_a_key(gateway: GatewayProcess, path: str) -> None:
    method = "POST" if path.endswith("count_tokens") else "GET"
    for headers in ({}, {"authorization": "Bearer nope"}, {"x-api-key": "nope"}):
        reply = httpx.request(method, gateway.url + path, headers=headers)
        assert reply.status_code == 401, path
