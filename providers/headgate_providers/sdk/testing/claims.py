"""Checks of what a backend says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import SkipTest

from pydantic import ValidationError

from headgate_providers.sdk.backend import Call
from headgate_providers.sdk.capabilities import FEATURES, Capabilities, Feature
from headgate_providers.sdk.testing.calls import (
    CHAT_FEATURES,
    EMBEDDING_FEATURES,
    NOT_IN_THE_REQUEST,
    chat_call,
    embedding_call,
)
from headgate_providers.sdk.testing.harness import Bench, Harness, Played, in_own_loop
from headgate_providers.sdk.testing.samples import NO_UPSTREAM, Exchange


class ClaimsConform(Harness):
    """Capabilities and options are claimed deliberately, and the claims hold."""

    def test_options_reject_unknown_members(self) -> None:
        """A typing error in a configuration must not pass in silence."""
        options = self.backend.Options
        options.model_validate(dict(self.options))
        try:
            options.model_validate({**self.options, "no_such_option": 1})
        except ValidationError:
            pass
        else:
            raise AssertionError('set `model_config = ConfigDict(extra="forbid")` on Options')
        assert options.model_json_schema()["type"] == "object"

    @in_own_loop
    async def test_samples_agree_with_the_claims(self) -> None:
        """What is claimed has a sample, and the other way round."""
        samples = self.samples
        async with self.bench() as bench:
            claims = bench.backend.capabilities
        assert claims.operations, "no operation is claimed"
        assert ("chat" in claims.operations) == (samples.text is not None)
        assert ("embeddings" in claims.operations) == (samples.embeddings is not None)
        assert ("tools" in claims.features) == (samples.tool_call is not None)
        assert (samples.says is None) == (samples.text is None)
        assert bool(samples.calls) == (samples.tool_call is not None)
        assert set(samples.relayed) == claims.dialects, "one relayed reply per claimed dialect"
        assert claims.features <= FEATURES

    @in_own_loop
    async def test_claimed_features_reach_the_upstream(self) -> None:
        """A request that needs a claimed feature is accepted, and asks the upstream for it."""
        async with self.bench() as chat, self.bench(embeddings=True) as vectors:
            for feature, call, exchange in self._feature_calls(chat.backend.capabilities):
                bench = vectors if call.operation == "embeddings" else chat
                if feature not in bench.backend.capabilities.features:
                    continue
                played = await bench.play(call, exchange)
                if feature in self.declined:
                    _check_refused(feature, played)
                    continue
                plain = await self._plain(bench, call, exchange)
                assert played.error is None, f"{feature} is claimed: {played.error!r}"
                if exchange is not NO_UPSTREAM and feature not in NOT_IN_THE_REQUEST:
                    assert _bodies(played) != _bodies(plain), f"{feature} was lost on the way"

    @in_own_loop
    async def test_features_that_are_not_claimed_are_refused(self) -> None:
        """With kind `unsupported`, before anything is sent: never left out in silence."""
        async with self.bench() as chat, self.bench(embeddings=True) as vectors:
            for feature, call, exchange in self._feature_calls(chat.backend.capabilities):
                bench = vectors if call.operation == "embeddings" else chat
                if feature in bench.backend.capabilities.features:
                    continue
                if exchange is NO_UPSTREAM:
                    raise SkipTest("the backend answers by itself")
                _check_refused(feature, await bench.play(call, exchange))

    @in_own_loop
    async def test_every_operation_is_accepted(self) -> None:
        """A completion too, which is a chat of one message where there is no endpoint for it."""
        exchange = self.given(self.samples.text, "chat")
        async with self.bench() as bench:
            if "completion" not in bench.backend.capabilities.operations:
                raise SkipTest("the backend does not support completions")
            played = await bench.play(chat_call(self.model, operation="completion"), exchange)
        assert exchange is NO_UPSTREAM or played.received, repr(played.error)

    def _feature_calls(self, claims: Capabilities) -> Iterator[tuple[Feature, Call, Exchange]]:
        if self.samples.text is not None:
            for feature, members in CHAT_FEATURES.items():
                yield feature, chat_call(self.model, **members), self.samples.text
        if self.samples.embeddings is not None:
            for feature, members in EMBEDDING_FEATURES.items():
                call = embedding_call(self.vectors_model, **members)
                yield feature, call, self.samples.embeddings

    async def _plain(self, bench: Bench, call: Call, exchange: Exchange) -> Played:
        plain = chat_call(self.model)
        if call.operation == "embeddings":
            plain = embedding_call(self.vectors_model)
        elif call.chat.max_tokens is not None:
            plain = chat_call(self.model, max_tokens=call.chat.max_tokens)
        return await bench.play(plain, exchange)


def _bodies(played: Played) -> list[tuple[str, bytes]]:
    return [(request.path, request.body) for request in played.received]


def _check_refused(feature: Feature, played: Played) -> None:
    assert played.error is not None, f"{feature} is not supported, and was accepted"
    assert played.error.kind == "unsupported", f"{feature}: {played.error!r}"
    assert not played.received, f"{feature} is not supported, and was sent"
