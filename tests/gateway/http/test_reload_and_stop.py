"""A gateway under load: reloaded without a failed request, stopped without a lost row."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.gateway_process import GatewayProcess, eventually, running_gateway
from tests.scripted_replies import DONE, ROLE, STOP, chunk
from tests.scripted_upstream import Do, ScriptedUpstream, event_stream

ASK = [{"role": "user", "content": "Say hello"}]


def config(reply: str) -> str:
    return f"""\
apiVersion: headgate/v1
kind: Catalog
spec:
  deployments:
    - {{name: one, provider: simulated, model: one, price: {{in: 1, out: 1}},
       options: {{reply: "{reply}", per_token_ms: 1}}}}
"""


def slow(upstream: ScriptedUpstream, script: str) -> str:
    """One more deployment, whose pace the test sets."""
    url = f"{upstream.url}/{script}/v1"
    return f"    - {{name: slow, provider: openai_compat, model: slow, url: {url}}}\n"


def said(client: httpx.Client) -> str:
    reply = client.post("/v1/chat/completions", json={"model": "one", "messages": ASK})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


class Load:
    """Calls without a pause, streamed and not, from several threads; keeps what went wrong."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.answered: list[str] = []
        self.failed: list[str] = []
        self._stop = threading.Event()

    def run(self, number: int) -> None:
        with self.gateway.client() as client:
            while not self._stop.is_set():
                stream = number % 2 == 1
                body = {"model": "one", "messages": ASK, "stream": stream}
                try:
                    reply = client.post("/v1/chat/completions", json=body)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    return
                complete = "[DONE]" in reply.text if stream else reply.status_code == 200
                if complete:
                    self.answered.append(reply.headers["x-headgate-decision"])
                else:
                    self.failed.append(reply.text)

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def under_load(gateway: GatewayProcess) -> Iterator[Load]:
    load = Load(gateway)
    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(load.run, number)
        try:
            eventually(lambda: len(load.answered) > 10)
            yield load
        finally:
            load.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[GatewayProcess]:
    with running_gateway(config("first"), tmp_path) as process:
        yield process


def test_reloads_under_load(own: GatewayProcess) -> None:
    with under_load(own) as load, own.client() as client:
        assert said(client) == "first"

        own.config.write_text(config("second"))
        own.reload()
        eventually(lambda: said(client) == "second")

        own.config.write_text(config("third"))  # noticed without a signal
        eventually(lambda: said(client) == "third")

        own.config.write_text(config("fourth").replace("price:", "prize:"))
        own.reload()
        problem = eventually(lambda: own.log("configuration refused, the old one stays"))[0]
        assert f"{own.config}:5:" in problem["problem"]
        assert "did you mean `price`" in problem["problem"]
        assert said(client) == "third"
        assert httpx.get(f"{own.url}/readyz").status_code == 200

        own.config.write_text(config("fifth"))
        eventually(lambda: said(client) == "fifth")
        seen = len(load.answered)
        eventually(lambda: len(load.answered) > seen + 10)
    assert load.failed == []
    assert "Traceback" not in own.output()


def test_a_request_keeps_the_configuration_it_began_with(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    go_on = threading.Event()
    upstream.script("kept", event_stream(ROLE, chunk({"content": "Hel"}), go_on, STOP, DONE))
    own.config.write_text(
        config("before") + f"    - {{name: slow, provider: openai_compat, model: slow, "
        f"url: {upstream.url}/kept/v1}}\n"
    )
    body = {"model": "slow", "messages": ASK, "stream": True}
    with own.client() as client:
        eventually(lambda: said(client) == "before")
        with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            lines = reply.iter_lines()
            assert next(line for line in lines if "Hel" in line)
            own.config.write_text(config("after"))
            own.reload()
            with own.client() as other:
                eventually(lambda: said(other) == "after")
            go_on.set()
            assert "data: [DONE]" in list(lines)
        assert own.request_row(reply.headers["x-headgate-decision"])["outcome"] == "ok"
        assert client.post("/v1/chat/completions", json=body).status_code == 404


def test_a_clean_stop_under_load_loses_no_row(own: GatewayProcess) -> None:
    with under_load(own) as load:
        assert own.stop() == 0
    query = "SELECT id FROM requests WHERE outcome = 'ok'"
    written = {row["id"] for row in own.rows(query)}
    assert len(load.answered) > 10
    assert set(load.answered) <= written
    assert len(own.rows("SELECT 1 FROM attempts")) == len(own.rows("SELECT 1 FROM requests"))
    assert set(load.answered) <= {entry["id"] for entry in own.log("request")}


def test_a_running_stream_may_end_before_a_stop(
    own: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    go_on = threading.Event()
    upstream.script("draining", event_stream(ROLE, chunk({"content": "Hel"}), go_on, STOP, DONE))
    own.config.write_text(config("x") + slow(upstream, "draining"))
    body = {"model": "slow", "messages": ASK, "stream": True}
    with own.client() as client:
        eventually(lambda: client.get("/v1/models/slow").status_code == 200)
        with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            lines = reply.iter_lines()
            assert next(line for line in lines if "Hel" in line)
            own.process.terminate()
            eventually(lambda: not _listens(own))
            go_on.set()
            assert "data: [DONE]" in list(lines)
    assert own.stop() == 0
    (row,) = own.rows("SELECT outcome FROM requests")
    assert row["outcome"] == "ok"


def test_a_stream_that_does_not_end_is_cut_and_recorded(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    upstream.script("endless", event_stream(ROLE, chunk({"content": "Hel"}), Do.HANG))
    server = "apiVersion: headgate/v1\nkind: Gateway\nspec: {server: {drain: 1s}}\n---\n"
    text = server + config("x") + slow(upstream, "endless")
    body = {"model": "slow", "messages": ASK, "stream": True}
    with (
        running_gateway(text, tmp_path) as gateway,
        gateway.client() as client,
        client.stream("POST", "/v1/chat/completions", json=body) as reply,
    ):
        decision = reply.headers["x-headgate-decision"]
        lines = reply.iter_lines()
        assert next(line for line in lines if "Hel" in line)
        assert gateway.stop() == 0
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
        (row,) = gateway.rows("SELECT id, outcome FROM requests")
        assert (row["id"], row["outcome"]) == (decision, "cancelled")
        assert eventually(lambda: upstream.requests("endless")[0].left_early)


def _listens(gateway: GatewayProcess) -> bool:
    try:
        httpx.get(f"{gateway.url}/livez", timeout=5)
    except httpx.TransportError:
        return False
    return True
