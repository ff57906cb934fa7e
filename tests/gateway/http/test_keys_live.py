"""Keys that are made and closed while the gateway runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.gateway_process import GatewayProcess, eventually, running_gateway

SOON_S = 3.0
"""The promise is one second; the rest is for a busy machine."""
DOCUMENTED = "hg-documented-0123456789abcdefghijklmnop"
CONFIG = f"""\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: sim, provider: simulated, model: sim}}
    - {{name: other, provider: simulated, model: other}}
---
apiVersion: headgate/v1
kind: Access
spec:
  teams:
    - {{name: research, models: [sim]}}
  keys:
    - {{name: notebook, team: research, hash: "sha256:{sha256(DOCUMENTED.encode()).hexdigest()}"}}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_gateway(CONFIG, tmp_path_factory.mktemp("keys")) as process:
        yield process


def status(own: GatewayProcess, key: str, model: str = "sim") -> int:
    reply = httpx.post(
        f"{own.url}/v1/embeddings",
        json={"model": model, "input": "x"},
        headers={"authorization": f"Bearer {key}"},
    )
    return reply.status_code


def test_a_key_works_soon_after_it_was_made_until_soon_after_it_was_revoked(
    own: GatewayProcess,
) -> None:
    made = json.loads(own.headgate("keys", "create", "--team", "red", "--json"))
    eventually(lambda: status(own, made["key"]) == 200, SOON_S)
    own.headgate("keys", "revoke", made["id"])
    eventually(lambda: status(own, made["key"]) == 401, SOON_S)
    assert status(own, own.admin_key) == 200


def test_a_rotated_key(own: GatewayProcess) -> None:
    old = json.loads(own.headgate("keys", "create", "--team", "red", "--json"))
    new = json.loads(own.headgate("keys", "rotate", old["id"], "--json"))
    eventually(lambda: status(own, new["key"]) == 200, SOON_S)
    eventually(lambda: status(own, old["key"]) == 401, SOON_S)


def test_a_key_of_a_document_and_its_teams_models(own: GatewayProcess) -> None:
    assert status(own, DOCUMENTED) == 200
    assert status(own, DOCUMENTED, "other") == 403
    made = json.loads(own.headgate("keys", "create", "--team", "research", "--json"))
    eventually(lambda: status(own, made["key"]) == 200, SOON_S)
    assert status(own, made["key"], "other") == 403


def test_a_key_that_leaves_its_document_is_closed(tmp_path: Path) -> None:
    with running_gateway(CONFIG, tmp_path) as own:
        assert status(own, DOCUMENTED) == 200
        own.config.write_text(CONFIG.split("  keys:")[0])
        own.reload()
        eventually(lambda: status(own, DOCUMENTED) == 401)


def test_a_stream_goes_on_when_its_key_is_revoked_and_the_next_is_refused(
    own: GatewayProcess,
) -> None:
    made = json.loads(own.headgate("keys", "create", "--team", "red", "--json"))
    eventually(lambda: status(own, made["key"]) == 200, SOON_S)
    body = {"model": "sim", "messages": [{"role": "user", "content": "x"}], "stream": True}
    with own.client(made["key"]) as client:
        with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            own.headgate("keys", "revoke", made["id"])
            assert "data: [DONE]" in list(reply.iter_lines())
        eventually(
            lambda: client.post("/v1/chat/completions", json=body).status_code == 401, SOON_S
        )
