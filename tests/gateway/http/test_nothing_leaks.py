"""What must never be found in logs, metrics, decisions or the ledger; looked for by canaries."""

from __future__ import annotations

import httpx

from tests.gateway.http.lanes import UPSTREAM_KEY, TakeLane
from tests.gateway_process import GatewayProcess, eventually
from tests.scripted_replies import chat, chat_stream, openai_error
from tests.scripted_upstream import json_reply, nothing

PROMPT = "prompt-canary-8c1e"
ANSWER = "answer-canary-77aa"
VENDORS_WORDS = "vendor-canary-at-10.9.8.7"
BAD_KEY = "hg-bad-key-canary-0123456789abcdef"


def test_canaries(gateway: GatewayProcess, client: httpx.Client, take: TakeLane) -> None:
    lane = take("chat")
    body = {"model": lane.model, "messages": [{"role": "user", "content": PROMPT}]}
    path = "/v1/chat/completions"
    replies = []
    for script in (json_reply(chat(ANSWER)), openai_error(500, "e", VENDORS_WORDS), nothing(),
                   openai_error(401, "e", VENDORS_WORDS)):  # fmt: skip
        lane.answers(script)
        replies.append(client.post(path, json=body))
    streamed = take("claude").answers(chat_stream(ANSWER))
    replies.append(client.post(path, json={**body, "model": streamed.model, "stream": True}))
    replies.append(client.post(path, json={**body, "model": "sim", "stream": True}))
    replies.append(client.post(path, json={**body, "model": "sim", "temperature": "x"}))
    replies.append(client.post(path, content=PROMPT.encode()))
    httpx.post(gateway.url + path, json=body, headers={"authorization": f"Bearer {BAD_KEY}"})
    httpx.post(gateway.url + path, json=body, headers={"x-api-key": BAD_KEY})
    client.post(f"{path}?key={BAD_KEY}", json=body)

    for reply in replies:
        if reply.status_code != 200:
            assert VENDORS_WORDS not in reply.text
            assert UPSTREAM_KEY not in reply.text

    decisions = [r.headers["x-headgate-decision"] for r in replies if r.status_code != 400]
    records = [_record(client, decision) for decision in decisions]
    eventually(lambda: decisions[-1] in gateway.output())
    metrics = client.get("/metrics").text
    files = b"".join(file.read_bytes() for file in gateway.data_dir.iterdir() if file.is_file())
    seen = "".join([gateway.output(), metrics, *records]) + files.decode("latin-1")
    for canary in (PROMPT, ANSWER, VENDORS_WORDS, BAD_KEY, UPSTREAM_KEY, gateway.admin_key):
        assert canary not in seen, canary


def _record(client: httpx.Client, decision: str) -> str:
    reply = eventually(
        lambda: (r := client.get(f"/v1/decisions/{decision}")).status_code == 200 and r
    )
    assert isinstance(reply, httpx.Response)
    return reply.text
