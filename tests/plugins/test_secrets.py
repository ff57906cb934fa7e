"""The secrets plugin, through the kit and on its own patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headgate_plugins.sdk import Block, Blocked, Modify
from headgate_plugins.sdk.testing import CONTEXT, PluginConformance
from headgate_plugins.secrets import SecretsPlugin
from headgate_plugins.secrets.plugin import SecretsOptions

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc def\n-----END RSA PRIVATE KEY-----"
SAMPLES = {
    "aws-access-key": "AKIAIOSFODNN7EXAMPLE",
    "github-token": "ghp_" + "a1B2" * 9,
    "anthropic-key": "sk-ant-api03-" + "x" * 40,
    "openai-key": "sk-proj-" + "Ab1_" * 12,
    "google-api-key": "AIza" + "B" * 35,
    "slack-token": "xoxb-1234567890-abcdefghij",
    "stripe-key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
    "private-key": PEM,
}


class TestSecretsRedacts(PluginConformance):
    plugin = SecretsPlugin
    harmless = "The key to success is a token of appreciation: sk-etch, AKIA, -----BEGIN"
    finding = SAMPLES["github-token"]


class TestSecretsBlocks(TestSecretsRedacts):
    options = {"action": "block"}


class TestSecretsFindsAPrivateKey(TestSecretsRedacts):
    harmless = "A PEM file begins with a line of five hyphens."
    finding = PEM


def plugin(**options: object) -> SecretsPlugin:
    return SecretsPlugin(SecretsOptions.model_validate(options))


@pytest.mark.parametrize(("kind", "sample"), SAMPLES.items())
async def test_each_kind_is_redacted_by_name(kind: str, sample: str) -> None:
    verdict = await plugin().review_request([f"before {sample} after"], CONTEXT)
    assert isinstance(verdict, Modify)
    assert verdict.texts == (f"before [redacted: {kind}] after",)
    assert kind in verdict.finding


async def test_only_the_password_of_an_address_goes() -> None:
    verdict = await plugin().review_request(["postgres://ann:hunter2@db/app"], CONTEXT)
    assert isinstance(verdict, Modify)
    assert verdict.texts == ("postgres://[redacted: url-password]@db/app",)


async def test_block_refuses() -> None:
    verdict = await plugin(action="block").review_request([SAMPLES["jwt"]], CONTEXT)
    assert isinstance(verdict, Block)


async def test_other_kinds_may_pass() -> None:
    verdict = await plugin(kinds=["jwt"]).review_request([SAMPLES["slack-token"]], CONTEXT)
    assert type(verdict).__name__ == "Allow"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="passwort"):
        plugin(kinds=["passwort"])


def test_a_blocked_reply_stops_before_the_credential() -> None:
    reviewer = plugin(action="block").review_reply(CONTEXT)
    assert reviewer.feed("It is ") == "It is "
    assert reviewer.feed(SAMPLES["github-token"]) == ""
    with pytest.raises(Blocked):
        reviewer.feed(" ok")


@given(
    st.lists(st.sampled_from([*SAMPLES.values(), "word", "-----BEGIN ", "sk-", "a" * 40])),
    st.data(),
)
def test_streamed_equals_whole_however_it_is_cut(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    whole = plugin().review_reply(CONTEXT)
    expected = whole.feed(text) + whole.close()
    reviewer = plugin().review_reply(CONTEXT)
    out = "".join(
        reviewer.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)
    )
    assert out + reviewer.close() == expected
    for sample in SAMPLES.values():
        assert sample not in expected
