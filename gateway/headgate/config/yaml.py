"""A strict reader of YAML 1.2 that remembers where everything stands.

ruamel.yaml parses; the nodes are built here from its events by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), so that `no` stays text, a duplicate key is an
error, and line and column of each key and value cost nothing extra.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from headgate.config.problems import ConfigError, Mark, Problem

FILE_BYTES_MAX = 2 * 1024 * 1024
DEPTH_MAX = 64
EXPANDED_NODES_MAX = 10_000
"""How many nodes aliases may add to a document."""

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER_CHARACTERS_MAX = 40
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    f"{_TAG}null": (type(None),),
    f"{_TAG}bool": (bool,),
    f"{_TAG}int": (int,),
    f"{_TAG}float": (int, float),
}
_TEXT_TAGS = ("!", f"{_TAG}str")


@dataclass(slots=True)
class Node:
    """A value with its place.

    `data` is plain Python: dict, list, str, int, float, bool or None. `size` counts the nodes
    below and itself, with aliases expanded. `keys` are the places of a mapping's keys.
    """

    data: Any
    mark: Mark
    members: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1

    def child(self, key: str | int) -> Node | None:
        """The member of that name or the item of that index."""
        if isinstance(key, str):
            return self.members.get(key)
        return self.items[key] if 0 <= key < len(self.items) else None

    def at(self, *path: str | int) -> Node:
        """The node at `path`, or the last one on the way there."""
        node = self
        for key in path:
            below = node.child(key)
            if below is None:
                break
            node = below
        return node

    def key_mark(self, key: str) -> Mark:
        """Where the key stands, or the mapping if it has no such key."""
        return self.keys.get(key, self.mark)

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for below in (*self.members.values(), *self.items):
            yield from below.walk()


def read(raw: bytes, file: str) -> list[Node]:
    """The documents of a file; empty ones are left out. Raises `ConfigError`."""
    if len(raw) > FILE_BYTES_MAX:
        message = f"the file is larger than {FILE_BYTES_MAX // 1024} KiB; split it"
        raise ConfigError([Problem(message, file)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _mark_at(raw[: error.start].decode("utf-8-sig", "replace"))
        raise ConfigError([Problem("the file is not UTF-8 text", file, mark)]) from None
    try:
        return _Builder(YAML(typ="safe", pure=True).parse(text), file).documents()
    except MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, file)]) from None
    except ReaderError as error:
        mark = _mark_at(text[: error.position])
        message = "a control character may not stand here; write it as an escape in quotes"
        raise ConfigError([Problem(message, file, mark)]) from None
    except YAMLError:
        raise ConfigError([Problem("this is not YAML", file)]) from None


def _mark_at(before: str) -> Mark:
    lines = before.split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)


def _mark(mark: StringMark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _syntax_problem(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    words = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(f"this is not YAML: {words}", file, _mark(mark) if mark else None)


class _Builder:
    """Builds the nodes of one file from parse events."""

    def __init__(self, events: Iterator[Any], file: str) -> None:
        self._events = events
        self._file = file
        self._anchors: dict[str, Node | None] = {}
        self._aliased = 0
        self._handlers: dict[type, Callable[[Any, int], Node]] = {
            ScalarEvent: lambda event, depth: self._scalar(event),
            AliasEvent: lambda event, depth: self._alias(event),
            MappingStartEvent: self._mapping,
            SequenceStartEvent: self._sequence,
        }

    def documents(self) -> list[Node]:
        """All documents with something in them."""
        found = []
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if event.version not in (None, (1, 2)):
                    raise self._error("write YAML 1.2 and leave out the %YAML line", event)
                self._anchors.clear()
                self._aliased = 0
                found.append(self._node(next(self._events), 0))
        return [node for node in found if node.data is not None]

    def _error(self, message: str, event: Any) -> ConfigError:
        return ConfigError([Problem(message, self._file, _mark(event.start_mark))])

    def _node(self, event: Any, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise self._error(f"the nesting is deeper than {DEPTH_MAX} levels", event)
        anchor = None if isinstance(event, AliasEvent) else event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        node = self._handlers[type(event)](event, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            raise self._error(f"no anchor `&{event.anchor}` stands before this alias", event)
        node = self._anchors[event.anchor]
        if node is None:
            raise self._error(f"the alias `*{event.anchor}` contains itself", event)
        self._aliased += node.size
        if self._aliased > EXPANDED_NODES_MAX:
            raise self._error(f"aliases add more than {EXPANDED_NODES_MAX} values", event)
        return node

    def _mapping(self, event: MappingStartEvent, depth: int) -> Node:
        self._check_tag(event, f"{_TAG}map")
        node = Node({}, _mark(event.start_mark))
        while not isinstance(key_event := next(self._events), MappingEndEvent):
            key = self._key(key_event)
            if key in node.keys:
                first = node.keys[key]
                raise self._error(
                    f"the key `{key}` stands here twice (first on line {first.line})", key_event
                )
            value = self._node(next(self._events), depth + 1)
            node.keys[key] = _mark(key_event.start_mark)
            node.members[key] = value
            node.data[key] = value.data
            node.size += value.size
        return node

    def _sequence(self, event: SequenceStartEvent, depth: int) -> Node:
        self._check_tag(event, f"{_TAG}seq")
        node = Node([], _mark(event.start_mark))
        while not isinstance(item := next(self._events), SequenceEndEvent):
            value = self._node(item, depth + 1)
            node.items.append(value)
            node.data.append(value.data)
            node.size += value.size
        return node

    def _key(self, event: Any) -> str:
        if not isinstance(event, ScalarEvent):
            raise self._error("a key must be text", event)
        if event.value == "<<" and event.style is None:
            raise self._error("merge keys (`<<`) are not part of YAML 1.2; write it out", event)
        key = self._value(event)
        if not isinstance(key, str):
            raise self._error(f'a key must be text; write "{event.value}" in quotes', event)
        if event.anchor is not None:
            self._anchors[event.anchor] = Node(key, _mark(event.start_mark))
        return key

    def _scalar(self, event: ScalarEvent) -> Node:
        return Node(self._value(event), _mark(event.start_mark))

    def _check_tag(self, event: Any, allowed: str) -> None:
        if event.tag not in (None, "!", allowed):
            raise self._error("tags of your own (`!…`) are not allowed", event)

    def _value(self, event: ScalarEvent) -> Any:
        tag = event.tag
        if tag in _TEXT_TAGS or (tag is None and event.style is not None):
            return self._text(event)
        if tag is None:
            return self._resolve(event)
        if tag not in _SCALAR_TAGS:
            raise self._error("tags of your own (`!…`) are not allowed", event)
        value = self._resolve(event)
        if type(value) not in _SCALAR_TAGS[tag]:
            raise self._error(f"this is no !!{tag.removeprefix(_TAG)}", event)
        return float(value) if tag == f"{_TAG}float" else value

    def _text(self, event: ScalarEvent) -> str:
        value: str = event.value
        if not _SURROGATE.search(value):
            return value
        try:  # JSON writes characters beyond U+FFFF as two escapes.
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._error("half of a surrogate pair is no character", event) from None

    def _resolve(self, event: ScalarEvent) -> Any:
        value: str = event.value
        if _NULL.match(value):
            return None
        if _BOOL.match(value):
            return value[0] in "tT"
        if _NOT_FINITE.match(value):
            raise self._error("write a finite number", event)
        whole = _INT.match(value)
        if not whole and not _FLOAT.match(value):
            return self._text(event)
        if len(value) > _NUMBER_CHARACTERS_MAX:
            raise self._error("this number is too long; write text in quotes", event)
        if not whole:
            return self._finite(float(value), event)
        return int(value, 0) if value[:2] in ("0o", "0x") else int(value)

    def _finite(self, number: float, event: ScalarEvent) -> float:
        if number in (float("inf"), float("-inf")):
            raise self._error("this number is too large", event)
        return number
