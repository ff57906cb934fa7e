"""Checks of relaying: the client's dialect is the vendor's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from unittest import SkipTest

from headgate_providers.sdk.events import Finish
from headgate_providers.sdk.testing.calls import relayed_call
from headgate_providers.sdk.testing.harness import Harness, in_own_loop
from headgate_providers.sdk.testing.samples import Exchange
from headgate_providers.sdk.types import Dialect

ADDED = frozenset({"stream_options"})
"""Members that the gateway may add to a client's body: it wants to know the usage."""


class RelaysConform(Harness):
    """What client and vendor both understand is passed on as it is."""

    @in_own_loop
    async def test_replies_are_relayed_unchanged(self) -> None:
        """Byte for byte, however they arrive; the ledger learns how they end."""
        for dialect, exchange in self._relayed():
            call = relayed_call(dialect, self._model_for(dialect), stream=exchange.streams)
            for size in (None, 1, 7, len(exchange.bytes)):
                played = await self.play(call, exchange, piece_bytes=size)
                assert played.error is None, f"{dialect}: {played.error!r}"
                assert played.relayed == exchange.bytes, f"{dialect} in pieces of {size} bytes"
                assert any(isinstance(event, Finish) for event in played.events)

    @in_own_loop
    async def test_requests_are_relayed_with_all_their_members(self) -> None:
        """Only the model's name is exchanged; the client's own body stays as it is."""
        for dialect, exchange in self._relayed():
            model = self._model_for(dialect)
            call = relayed_call(dialect, model, stream=exchange.streams)
            body = copy.deepcopy(dict(call.body))
            (request,) = (await self.play(call, exchange)).received
            assert call.body == body, "the call's body was changed"
            sent = {k: v for k, v in json.loads(request.body).items() if k not in ADDED}
            expected = {**body, "model": model}
            for name in expected.keys() & sent.keys():
                assert sent[name] == expected[name], name
            assert expected.keys() - sent.keys() <= {"model"}, "members were lost"
            assert sent.keys() <= expected.keys(), "members were added"

    @in_own_loop
    async def test_a_relayed_stream_that_is_cut_short_fails(self) -> None:
        """After any of its events, unless its end was among them."""
        for dialect, exchange in self._relayed():
            if not exchange.streams:
                continue
            call = relayed_call(dialect, self._model_for(dialect), stream=True)
            for number in range(len(exchange.events)):
                played = await self.play(call, exchange, events=number)
                ended = any(isinstance(event, Finish) for event in played.events)
                assert ended or played.error is not None, f"{dialect} after {number} events"

    def _relayed(self) -> Iterator[tuple[Dialect, Exchange]]:
        if not self.samples.relayed:
            raise SkipTest("the backend speaks no dialect of clients")
        for dialect, exchanges in self.samples.relayed.items():
            for exchange in exchanges:
                yield dialect, exchange

    def _model_for(self, dialect: Dialect) -> str:
        return self.vectors_model if dialect == "openai_embeddings" else self.model
