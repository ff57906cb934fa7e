"""The plugin: whole texts of a request at once, the text of a reply as it streams."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from headgate_plugins.sdk import ALLOW, Block, Blocked, Context, Modify, Plugin, Verdict
from headgate_plugins.secrets.patterns import KINDS, compiled, kind_of

HOLD_CHARACTERS_MAX = 512
"""The longest run without white space that is held back: longer than any listed credential."""
KEY_CHARACTERS_MAX = 16_384
"""The longest private key that is held back until its end is seen."""

_OPEN_KEY = re.compile(
    r"-----BEGIN (?:[A-Z ]*-{0,4}\Z|"
    r"[A-Z ]*PRIVATE KEY-----(?![\s\S]*-----END [A-Z ]*PRIVATE KEY-----))"
)
_LAST_RUN = re.compile(r"\S*\Z")


class SecretsOptions(BaseModel):
    """What to look for and what to do about it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    action: Literal["redact", "block"] = "redact"
    """`redact` puts `[redacted: KIND]` in its place, `block` refuses the request or reply."""
    kinds: tuple[str, ...] = KINDS
    """The kinds of credentials to look for; all of them by default."""
    requests: bool = True
    """Look at prompts."""
    replies: bool = True
    """Look at replies; they are then translated instead of relayed."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown or not kinds:
            raise ValueError(f"{', '.join(unknown) or 'an empty list'}: use {', '.join(KINDS)}")
        return kinds


class SecretsPlugin(Plugin):
    """Finds credentials that their issuers made recognisable."""

    name = "secrets"
    Options = SecretsOptions
    options: SecretsOptions

    def __init__(self, options: SecretsOptions) -> None:
        """See `Plugin`."""
        super().__init__(options)
        self.reviews_requests = options.requests
        self.reviews_replies = options.replies
        self._pattern = compiled(options.kinds)

    async def review_request(self, texts: Sequence[str], context: Context) -> Verdict:
        """See `Plugin.review_request`."""
        kinds: set[str] = set()

        def redact(match: re.Match[str]) -> str:
            kinds.add(kind_of(match))
            return _mark(match)

        redacted = tuple(self._pattern.sub(redact, text) for text in texts)
        if not kinds:
            return ALLOW
        finding = f"the request holds a credential ({', '.join(sorted(kinds))}); take it out"
        return Block(finding) if self.options.action == "block" else Modify(redacted, finding)

    def review_reply(self, context: Context) -> SecretsReviewer:
        """See `Plugin.review_reply`."""
        return SecretsReviewer(self._pattern, self.options.action == "block")


class SecretsReviewer:
    """Holds back the last run without white space, and a private key until its end."""

    def __init__(self, pattern: re.Pattern[str], block: bool) -> None:
        self.findings = 0
        self._pattern = pattern
        self._block = block
        self._held = ""

    def feed(self, text: str) -> str:
        """See `ReplyReviewer.feed`."""
        self._held += text
        cut = self._safe_end()
        released, self._held = self._held[:cut], self._held[cut:]
        return self._reviewed(released)

    def close(self) -> str:
        """See `ReplyReviewer.close`."""
        rest, self._held = self._held, ""
        return self._reviewed(rest)

    def _safe_end(self) -> int:
        """Up to where nothing that follows can turn the text into a finding."""
        held = self._held
        open_key = _OPEN_KEY.search(held)
        if open_key is not None and len(held) - open_key.start() <= KEY_CHARACTERS_MAX:
            return open_key.start()
        run = _LAST_RUN.search(held)
        end = max(run.start() if run else len(held), len(held) - HOLD_CHARACTERS_MAX)
        for match in self._pattern.finditer(held):
            if match.start() < end < match.end():
                return match.start()
        return end

    def _reviewed(self, text: str) -> str:
        redacted, count = self._pattern.subn(_mark, text)
        self.findings += count
        if count and self._block:
            raise Blocked("the reply holds a credential")
        return redacted


def _mark(match: re.Match[str]) -> str:
    return f"[redacted: {kind_of(match)}]"
