"""Stop sequences: TGI ends its answer with the one that hit, OpenAI's users expect it cut off."""

from __future__ import annotations

from collections.abc import Sequence


class StopCutter:
    """Passes text on up to the first stop sequence; keeps back what may be the start of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.hit: str | None = None

    def feed(self, text: str) -> str:
        """The text that is certainly no part of a stop sequence."""
        if self.hit is not None:
            return ""
        text = self._held + text
        found = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            at, self.hit = min(found)
            self._held = ""
            return text[:at]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        passed = len(text) - kept
        self._held = text[passed:]
        return text[:passed]

    def close(self) -> str:
        """What was kept back and turned out to be plain text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
