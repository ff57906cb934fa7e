"""The headers on every answer, good and bad."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.gateway.http.lanes import TakeLane
from tests.scripted_replies import chat, openai_error
from tests.scripted_upstream import json_reply

ASK = [{"role": "user", "content": "Say hello"}]


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"model": model, "messages": ASK, **more}
    return client.post("/v1/chat/completions", json=body, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_says_where_it_came_from(client: httpx.Client, stream: bool) -> None:
    headers = ask(client, "sim", stream=stream).headers
    assert len(headers["x-headgate-decision"]) == 32
    assert headers["x-request-id"] == headers["x-headgate-decision"]
    assert headers["x-headgate-deployment"] == "sim"
    assert headers["x-headgate-attempts"] == "1"
    assert headers["x-headgate-cache"] == "off"
    assert "x-headgate-route" in headers
    assert ("x-headgate-cost-usd" in headers) is not stream


def test_the_cost_is_exact(client: httpx.Client, take: TakeLane) -> None:
    """11 tokens at 1 USD and 2 at 2 USD a million."""
    lane = take("chat").answers(json_reply(chat()))
    reply = ask(client, lane.model)
    assert Decimal(reply.headers["x-headgate-cost-usd"]) == Decimal("0.000015")


def test_an_unknown_price_is_not_zero(client: httpx.Client) -> None:
    reply = ask(client, "unpriced")
    assert reply.status_code == 200
    assert "x-headgate-cost-usd" not in reply.headers


def test_a_route_is_named(client: httpx.Client, take: TakeLane) -> None:
    lane = take("pair").answers(openai_error(500, "boom")).then_answers(json_reply(chat()))
    headers = ask(client, lane.model).headers
    assert headers["x-headgate-route"] == lane.model
    assert headers["x-headgate-deployment"] == f"{lane.model}-b"
    assert headers["x-headgate-attempts"] == "2"


@pytest.mark.parametrize("given", ["my-request-0001", "a" * 128, "AZ09._:-"])
def test_the_callers_request_id_comes_back(client: httpx.Client, given: str) -> None:
    assert ask(client, "sim", headers={"x-request-id": given}).headers["x-request-id"] == given
    refused = ask(client, "nosuch", headers={"x-request-id": given})
    assert refused.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["short", "a" * 129, "with space in it", 'quote"-quote"', ""])
def test_a_malformed_request_id_is_replaced(client: httpx.Client, given: str) -> None:
    headers = ask(client, "sim", headers={"x-request-id": given}).headers
    assert headers["x-request-id"] == headers["x-headgate-decision"]


def test_a_refusal_by_policy_has_a_decision_too(client: httpx.Client) -> None:
    reply = ask(client, "nosuch")
    assert reply.status_code == 404
    assert len(reply.headers["x-headgate-decision"]) == 32
    assert reply.headers["x-headgate-attempts"] == "0"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/nosuch"),
        ("GET", "/v1/nosuch"),
        ("DELETE", "/v1/models"),
        ("GET", "/v1/decisions/nosuch"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("HEAD", "/"),
    ],
)
def test_every_answer_has_a_request_id(client: httpx.Client, method: str, path: str) -> None:
    headers = {"x-request-id": "my-request-0002"}
    reply = client.request(method, path, headers=headers)
    assert reply.headers["x-request-id"] == "my-request-0002"
    assert client.request(method, path).headers["x-request-id"]


def test_anthropics_clients_find_the_request_id_where_they_look(client: httpx.Client) -> None:
    body = {"model": "sim", "messages": ASK, "max_tokens": 5}
    for fields in (body, {**body, "stream": True}, {}):
        headers = client.post("/v1/messages", json=fields).headers
        assert headers["request-id"] == headers["x-request-id"]


def test_a_wrong_key_has_a_request_id(client: httpx.Client) -> None:
    reply = ask(client, "sim", headers={"authorization": "Bearer wrong"})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.headers["x-request-id"]


def test_retry_after_is_the_earliest_of_all(client: httpx.Client, take: TakeLane) -> None:
    lane = take("pair")
    lane.answers(openai_error(429, "rate_limit_exceeded", retry_after="7"))
    lane.then_answers(openai_error(429, "rate_limit_exceeded", retry_after="3"))
    reply = ask(client, lane.model)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "3"
    assert reply.json()["error"]["code"] == "upstream_rate_limited"
