"""Arguments of a tool call that arrive piece by piece, each with the path it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_VALUES = ("numberValue", "boolValue")
ITEMS_MAX = 10_000
STEPS_MAX = 32
"""Paths longer than this, and indices in them beyond `ITEMS_MAX`, are not believed."""


class PartialArguments:
    """Puts `partialArgs` together; `whole` are arguments that came at once."""

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self._value: Any = dict(whole)

    def add(self, piece: Mapping[str, Any]) -> None:
        """Set what `piece` gives at its `jsonPath`; strings are added to, since they come in parts.

        A piece that says nothing that can be placed is passed over.
        """
        path = _steps(piece.get("jsonPath"))
        if not 0 < len(path) <= STEPS_MAX:
            return
        if isinstance(text := piece.get("stringValue"), str):
            before = _get(self._value, path)
            self._value = _set(
                self._value, path, (before if isinstance(before, str) else "") + text
            )
        elif "nullValue" in piece:
            self._value = _set(self._value, path, None)
        else:
            for key in _VALUES:
                if key in piece:
                    self._value = _set(self._value, path, piece[key])

    def text(self) -> str:
        """The arguments as JSON text."""
        return orjson.dumps(self._value).decode()


def _steps(path: object) -> list[str | int]:
    """`$.a[0]['b c']` as `["a", 0, "b c"]`."""
    if not isinstance(path, str):
        return []
    steps: list[str | int] = []
    for match in _STEP.finditer(path):
        if match[2] is not None:
            steps.append(int(match[2][:9]))
        else:
            quoted = match[3] if match[3] is not None else match[4]
            steps.append(match[1] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    believed = all(isinstance(step, str) or step <= ITEMS_MAX for step in steps)
    return steps if believed else []


def _get(value: Any, path: list[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _set(value: Any, path: list[str | int], new: Any) -> Any:
    """`value` with `new` at `path`; objects and lists on the way are made."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        holder = value if isinstance(value, dict) else {}
        holder[step] = _set(holder.get(step), rest, new)
        return holder
    items = value if isinstance(value, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = _set(items[step], rest, new)
    return items
