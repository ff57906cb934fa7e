"""The secrets plugin in a running gateway: on one route, everywhere, and in a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway_process import GatewayProcess, running_gateway
from tests.scripted_replies import chat, chat_stream, chunk, message_stream
from tests.scripted_upstream import ScriptedUpstream, event_stream, json_reply

KEY = "AKIAIOSFODNN7EXAMPLE"
TOKEN = "ghp_" + "a1B2" * 9
REDACTED = "[redacted: aws-access-key]"

CATALOG = """\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: up, provider: openai_compat, model: up, url: {url}/{script}/v1}}
    - {{name: claude, provider: anthropic, model: claude, url: {url}/{script}-claude}}
---
"""
ON_ROUTES = """\
apiVersion: headgate/v1
kind: Gateway
spec: {plugins: [{use: secrets, everywhere: false}]}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: redacting
      match: {model: redacting}
      tiers: [{select: {deployment: up}}]
      guards: {input: [{use: secrets, action: redact}], output: [{use: secrets, action: redact}]}
      otherwise: {reject: 503, code: none}
    - name: prompts
      match: {model: prompts}
      tiers: [{select: {deployment: up}}]
      guards: {input: [{use: secrets, action: redact}]}
      otherwise: {reject: 503, code: none}
    - name: blocking
      match: {model: blocking}
      tiers: [{select: {deployment: up}}]
      guards: {input: [{use: secrets, action: block}]}
      otherwise: {reject: 503, code: none}
    - name: stopping
      match: {model: stopping}
      tiers: [{select: {deployment: up}}]
      guards: {output: [{use: secrets, action: block}]}
      otherwise: {reject: 503, code: none}
    - name: open
      match: {model: open}
      tiers: [{select: {deployment: up}}]
      otherwise: {reject: 503, code: none}
"""
EVERYWHERE = """\
apiVersion: headgate/v1
kind: Gateway
spec: {plugins: [{use: secrets}]}
"""


@pytest.fixture(scope="module")
def own(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    config = CATALOG.format(url=upstream.url, script="guarded") + ON_ROUTES
    with running_gateway(config, tmp_path_factory.mktemp("guards")) as process:
        yield process


@pytest.fixture(scope="module")
def everywhere(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    config = CATALOG.format(url=upstream.url, script="all") + EVERYWHERE
    with running_gateway(config, tmp_path_factory.mktemp("everywhere")) as process:
        yield process


def ask(
    gateway: GatewayProcess, model: str, text: str, stream: bool = False, **more: Any
) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    with gateway.client() as client:
        return client.post("/v1/chat/completions", json={**body, **more})


def last_received(upstream: ScriptedUpstream, script: str) -> str:
    return upstream.requests(script)[-1].body.decode()


def streamed_text(reply: httpx.Response) -> str:
    events = [line[6:] for line in reply.text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_a_prompt_is_redacted_and_still_relayed(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("guarded", json_reply(chat("fine", x_reply=1)))
    reply = ask(own, "prompts", f"my key {KEY} leaked", x_unknown={"a": 1})
    assert reply.json()["x_reply"] == 1
    sent = json.loads(last_received(upstream, "guarded"))
    assert sent["messages"][0]["content"] == f"my key {REDACTED} leaked"
    assert sent["x_unknown"] == {"a": 1}


def test_a_prompt_is_blocked(own: GatewayProcess, upstream: ScriptedUpstream) -> None:
    before = len(upstream.requests("guarded"))
    reply = ask(own, "blocking", f"my key {KEY} leaked")
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "content_blocked"
    assert KEY not in reply.text
    assert len(upstream.requests("guarded")) == before
    row = own.request_row(reply.headers["x-headgate-decision"])
    assert (row["outcome"], row["error_code"]) == ("refused", "content_blocked")


def test_a_harmless_prompt_passes_a_blocking_guard(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("guarded", json_reply(chat("fine")))
    assert ask(own, "blocking", "hello").status_code == 200


def test_a_route_without_a_guard_sends_what_it_is_given(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("guarded", json_reply(chat(f"take {KEY}")))
    assert KEY in ask(own, "open", f"my key {KEY}").text
    assert KEY in last_received(upstream, "guarded")


def test_a_whole_reply_is_redacted(own: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script("guarded", json_reply(chat(f"take {KEY} please")))
    reply = ask(own, "redacting", "hello").json()
    assert reply["choices"][0]["message"]["content"] == f"take {REDACTED} please"


CUTS = [(KEY,), (KEY[:2], KEY[2:]), tuple(KEY), ("x " + KEY[:10], KEY[10:] + " y")]


@pytest.mark.parametrize("pieces", CUTS, ids=["whole", "two", "letters", "inside"])
def test_a_streamed_reply_is_redacted_however_it_is_cut(
    own: GatewayProcess, upstream: ScriptedUpstream, pieces: tuple[str, ...]
) -> None:
    upstream.script("guarded", chat_stream("take ", *pieces, " please"))
    reply = ask(own, "redacting", "hello", stream=True)
    expected = f"take {''.join(pieces).replace(KEY, REDACTED)} please"
    assert streamed_text(reply) == expected
    assert reply.text.rstrip().endswith("[DONE]")


def test_a_key_at_the_very_end_of_a_stream(own: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script("guarded", chat_stream("take ", KEY[:7], KEY[7:]))
    reply = ask(own, "redacting", "hello", stream=True)
    assert streamed_text(reply) == f"take {REDACTED}"


def test_a_key_in_a_tool_calls_arguments(own: GatewayProcess, upstream: ScriptedUpstream) -> None:
    def call(arguments: str, **more: Any) -> bytes:
        function = {"arguments": arguments, **more}
        return chunk({"tool_calls": [{"index": 0, "id": "c1", "function": function}]})

    upstream.script(
        "guarded",
        event_stream(
            call("", name="save"), call(f'{{"key": "{KEY[:5]}'), call(f'{KEY[5:]}"}}'),
            chunk({}, "tool_calls"), b"data: [DONE]\n\n",
        ),
    )  # fmt: skip
    tool = {"type": "function", "function": {"name": "save", "parameters": {"type": "object"}}}
    reply = ask(own, "redacting", "hello", stream=True, tools=[tool])
    assert KEY not in reply.text
    assert REDACTED in reply.text
    assert "save" in reply.text


def test_a_stream_is_stopped_by_a_blocking_guard(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("guarded", chat_stream("a harmless start ", KEY, " and the rest"))
    reply = ask(own, "stopping", "hello", stream=True)
    assert KEY not in reply.text
    assert "rest" not in reply.text
    assert "content_blocked" in reply.text
    assert "[DONE]" not in reply.text
    row = own.request_row(reply.headers["x-headgate-decision"])
    assert (row["outcome"], row["error_code"]) == ("error", "content_blocked")


def test_a_whole_reply_is_blocked(own: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script("guarded", json_reply(chat(f"take {KEY}")))
    reply = ask(own, "stopping", "hello")
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "content_blocked"
    (attempt,) = own.attempt_rows(reply.headers["x-headgate-decision"])
    assert attempt["usage_source"] == "vendor"


def test_everywhere_means_every_dialect(
    everywhere: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("all-claude", message_stream("take ", TOKEN[:9], TOKEN[9:], " please"))
    body = {
        "model": "claude",
        "max_tokens": 50,
        "stream": True,
        "system": f"the key is {KEY}",
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"and {TOKEN}"}]}],
    }
    with everywhere.client() as client:
        reply = client.post("/v1/messages", json=body)
    assert TOKEN not in reply.text
    assert "[redacted: github-token]" in reply.text
    sent = last_received(upstream, "all-claude")
    assert KEY not in sent
    assert TOKEN not in sent
    assert sent.count("[redacted: ") == 2


def test_everywhere_without_a_finding_changes_nothing(
    everywhere: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script("all", chat_stream("nothing ", "to find"))
    assert streamed_text(ask(everywhere, "up", "hello", stream=True)) == "nothing to find"


def test_findings_are_counted_and_not_shown(own: GatewayProcess) -> None:
    with own.client() as client:
        metrics = client.get("/metrics").text
    assert 'guard="secrets"' in metrics
    assert KEY not in metrics + own.output()
