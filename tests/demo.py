"""`make demo`: a local model answers, a cloud vendor takes over, and two teams get their report.

The model server is llama.cpp with a tiny model made on the spot; the vendor is a recording of
OpenAI's, played back. The client is plain HTTP, as `curl` would send it.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.gateway_process import running_gateway
from tests.model_server.servers import model_server
from tests.recordings import index, replay_server

RECORDING = "envoy-chat-basic"
CONFIGURATION = """
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: own, provider: llamacpp, model: tiny-bigram, url: "{own}/v1", operator: self,
        price: {{in: 0.05, out: 0.15}}}}
    - {{name: openai, provider: openai, model: gpt-4o-mini, url: "{vendor}", secret: env:DEMO_KEY}}
---
apiVersion: headgate/v1
kind: Policy
spec:
  routes:
    - name: assistant
      match: {{model: assistant}}
      tiers:
        - {{name: own, select: {{operator: self}}}}
        - {{name: cloud, select: {{deployment: openai}}}}
      otherwise: {{reject: 503, code: no_capacity}}
"""


def chat_recording() -> str:
    """A recorded chat of OpenAI's, not streamed, that went well."""
    rows = (row for row in index() if row["vendor"] == "openai" and row["operation"] == "chat")
    fitting = [row["name"] for row in rows if row["status"] == 200 and not row["streaming"]]
    return RECORDING if RECORDING in fitting else fitting[0]


def main() -> None:
    if not index():
        sys.exit("The demo plays recorded vendor traffic: set HEADGATE_RECORDINGS to its folder.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        vendor = f"{stack.enter_context(replay_server())}/openai/@{chat_recording()}/v1"
        local = stack.enter_context(ExitStack())
        own = local.enter_context(model_server())
        print(f"1. A real model server (llama.cpp, a tiny model) runs on {own}.")
        configuration = CONFIGURATION.format(own=own, vendor=vendor)
        gateway = stack.enter_context(
            running_gateway(configuration, folder, {"DEMO_KEY": "demo-vendor-key"})
        )
        print(f"2. The gateway runs on {gateway.url}/v1: own model first, then the cloud.")
        keys = {team: gateway.new_key(team) for team in ("research", "support")}

        def ask(team: str) -> None:
            body = {
                "model": "assistant",
                "max_tokens": 40,
                "messages": [{"role": "user", "content": "Tell me something."}],
            }
            with gateway.client(keys[team]) as client:
                reply = client.post("/v1/chat/completions", json=body)
            reply.raise_for_status()
            said = (reply.json()["choices"][0]["message"]["content"] or "(a tool call)").strip()
            where = reply.headers["x-headgate-deployment"]
            tries = reply.headers["x-headgate-attempts"]
            print(f"   {team} asks, {where} answers (attempt {tries}): {said[:90]}")

        ask("research")
        ask("support")
        local.close()
        print("3. The model server is stopped. Nobody changes anything.")
        ask("research")
        ask("support")
        print("4. What it cost, by team and deployment:\n")
        gateway.stop()
        print(gateway.headgate("report", "cost", "--by", "team,deployment"))


if __name__ == "__main__":
    main()
