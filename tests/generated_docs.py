"""Writes docs/backends.md from the registry and the recordings: `make docs`."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from headgate_providers import registry
from tests.recordings import Recording, index

PAGE = Path(__file__).parents[1] / "docs/backends.md"
FAILS = "FAILS:"
BACKENDS = ("openai_compat", "anthropic", "google", "bedrock", "cohere", "tgi")

HEAD = """# Backends

Written by `make docs`; do not edit.

## What is installed

A deployment names one as its `provider`. Features are what the protocol can express; what a model
can do is the catalog's to say. A client that speaks one of the relayed dialects gets the vendor's
bytes untouched. `headgate providers list` prints what is installed at your place.

| Provider | Usual address | Key variable | Operations | Relays | Features |
| --- | --- | --- | --- | --- | --- |
"""

MIDDLE = """
## What recorded traffic shows

Recorded replies of real vendors, read by the backend (streamed ones also cut into small pieces):
text, tool calls, finish reason, usage and errors must come out as the recording says. Files,
batches, images, audio and reranking are not counted.

| Vendor | Recordings | Pass | Why the others do not |
| --- | ---: | ---: | --- |
"""


def providers() -> Iterator[str]:
    """A row per provider of ours, whatever else is installed."""
    for installed in registry.installed():
        if installed.distribution not in (None, "headgate-providers"):
            continue
        known = registry.resolve(installed.name)
        claims = known.capabilities
        cells = (
            f"`{known.name}`",
            known.url or "",
            known.secret_env or "",
            *(", ".join(sorted(x)) for x in (claims.operations, claims.dialects, claims.features)),
        )
        yield f"| {' | '.join(cells)} |"


def recordings() -> Iterator[str]:
    """A row per recorded vendor: each recording read by the checks of its backend's tests."""
    found: dict[str, list[str | None]] = {}
    for backend in BACKENDS:
        expectations = importlib.import_module(f"tests.providers.{backend}.expectations")
        for recording in expectations.cases():
            reason = _reason(expectations.check, expectations.EXCEPTIONS, recording)
            found.setdefault(recording.vendor, []).append(reason)
    for vendor, reasons in sorted(found.items()):
        failing = Counter(reason for reason in reasons if reason is not None)
        why = "; ".join(f"{count}: {reason}" for reason, count in failing.items())
        yield f"| {vendor} | {len(reasons)} | {reasons.count(None)} | {why} |"


def _reason(
    check: Callable[[Recording], None], exceptions: Mapping[str, str], recording: Recording
) -> str | None:
    """Why a recording does not pass; `None` if it does."""
    for pattern, reason in exceptions.items():
        if fnmatch(recording.id, pattern) or fnmatch(recording.name, pattern):
            return reason
    try:
        check(recording)
    except AssertionError as error:
        return f"{FAILS} {recording.name}: {str(error).splitlines()[0][:80]}"
    return None


def provider_part() -> str:
    """What the registry alone tells."""
    return HEAD + "".join(f"{row}\n" for row in providers())


def recording_part() -> str:
    """What the recordings tell; where they are not here, what the page said before."""
    if not index():
        _, middle, rows = PAGE.read_text().partition(MIDDLE)
        return middle + rows
    return MIDDLE + "".join(f"{row}\n" for row in recordings())


if __name__ == "__main__":
    PAGE.write_text(provider_part() + recording_part())
