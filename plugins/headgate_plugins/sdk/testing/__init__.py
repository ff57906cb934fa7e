"""A conformance kit for plugins: what every plugin must keep, whatever it does.

from headgate_plugins.sdk.testing import PluginConformance

class TestMine(PluginConformance):
    plugin = MyPlugin
    harmless = "Nothing to see here."
    finding = "my-secret-1234"
"""

from __future__ import annotations

from typing import Any, ClassVar

from headgate_plugins.sdk import Allow, Block, Blocked, Context, Modify, Plugin

CONTEXT = Context("0" * 32, "team", "route", "model", "chat")


class PluginConformance:
    """Subclass it in a test module and set the attributes."""

    plugin: ClassVar[type[Plugin]]
    options: ClassVar[dict[str, Any]] = {}
    harmless: ClassVar[str]
    """A text without any finding."""
    finding: ClassVar[str]
    """A text that is a finding as a whole; it must not reach the other side."""

    def make(self) -> Plugin:
        """The plugin with the options of the test."""
        return self.plugin(self.plugin.Options.model_validate(self.options))

    async def test_opens_and_closes(self) -> None:
        """The life of a plugin, also twice in a row."""
        for _ in range(2):
            plugin = self.make()
            await plugin.open()
            await plugin.close()

    async def test_a_harmless_request_passes(self) -> None:
        """What is harmless is allowed, not modified into the same."""
        plugin = self.make()
        if plugin.reviews_requests:
            verdict = await plugin.review_request([self.harmless, ""], CONTEXT)
            assert isinstance(verdict, Allow)

    async def test_a_finding_does_not_pass_a_request(self) -> None:
        """It is blocked or modified, and the words for logs do not repeat it."""
        plugin = self.make()
        if not plugin.reviews_requests:
            return
        texts = [self.harmless, f"see {self.finding} here"]
        verdict = await plugin.review_request(texts, CONTEXT)
        assert isinstance(verdict, Modify | Block)
        assert self.finding not in verdict.finding
        if isinstance(verdict, Modify):
            assert len(verdict.texts) == len(texts)
            assert verdict.texts[0] == self.harmless
            assert self.finding not in verdict.texts[1]

    def test_a_harmless_reply_is_unchanged_however_it_is_cut(self) -> None:
        """Nothing is lost, added or reordered by holding text back."""
        plugin = self.make()
        if not plugin.reviews_replies:
            return
        text = f"{self.harmless}\n\n{self.harmless} — ü 🙂"
        for size in (1, 2, 7, len(text)):
            reviewer = plugin.review_reply(CONTEXT)
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            assert "".join(map(reviewer.feed, pieces)) + reviewer.close() == text
            assert reviewer.findings == 0

    def test_a_finding_does_not_pass_a_reply_however_it_is_cut(self) -> None:
        """Also when it arrives in single characters."""
        plugin = self.make()
        if not plugin.reviews_replies:
            return
        text = f"{self.harmless} {self.finding} {self.harmless}"
        for size in (1, 3, len(text)):
            reviewer = plugin.review_reply(CONTEXT)
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            try:
                out = "".join(map(reviewer.feed, pieces)) + reviewer.close()
            except Blocked as blocked:
                assert self.finding not in blocked.finding
            else:
                assert self.finding not in out
                assert reviewer.findings == 1
