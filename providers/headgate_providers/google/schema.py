"""A tool's JSON Schema as Gemini takes it.

`parameters` is an OpenAPI 3.0 subset that every Gemini model knows; `parametersJsonSchema` takes
JSON Schema itself. The first is used wherever it says the same.
https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate_providers.sdk.types import JsonObject

DEPTH_MAX = 64
NODES_MAX = 10_000
"""A schema that grows beyond this when its references are put in stays JSON Schema."""

_KEPT = frozenset(
    {
        "title",
        "description",
        "default",
        "required",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "pattern",
        "nullable",
        "propertyOrdering",
    }
)
"""Keywords that mean the same in both languages."""

_NOTES = frozenset(
    {
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "strict",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    }
)
"""Keywords that constrain nothing by themselves (definitions are put in where they are used)."""

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_FORMATS = frozenset({"date-time", "enum", "float", "double", "int32", "int64"})


class _Inexpressible(Exception):
    """The schema says something that the subset cannot."""


def declared(schema: JsonObject) -> dict[str, Any]:
    """The members of a function declaration that state the schema of its parameters."""
    try:
        return {"parameters": _Subset(schema).of(schema)}
    except _Inexpressible:
        return {"parametersJsonSchema": schema}


class _Subset:
    """Rewrites one schema, with the definitions of its root at hand."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._nodes = 0

    def of(self, schema: object, depth: int = 0) -> dict[str, Any]:
        """`schema` in the subset; raises `_Inexpressible`."""
        self._nodes += 1
        if not isinstance(schema, Mapping) or depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise _Inexpressible
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.of({**self._resolved(schema["$ref"]), **rest}, depth + 1)
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _KEPT:
                made[key] = value
            elif key not in _NOTES:
                self._keyword(made, key, value, schema, depth + 1)
        return made

    def _keyword(
        self, made: dict[str, Any], key: str, value: Any, schema: JsonObject, depth: int
    ) -> None:
        match key:
            case "type":
                made.update(self._type(value, schema))
            case "properties" if isinstance(value, Mapping):
                made[key] = {name: self.of(inner, depth) for name, inner in value.items()}
            case "items":
                made[key] = self.of(value, depth)
            case "enum" if _strings(value):
                made[key] = list(value)
            case "const" if isinstance(value, str):
                made["enum"] = [value]
            case "format" if value in _FORMATS:
                made[key] = value
            case "anyOf" | "oneOf" if isinstance(value, list):
                _fill(made, self._any_of(value, depth))
            case "allOf" if isinstance(value, list) and len(value) == 1:
                _fill(made, self.of(value[0], depth))
            case "additionalProperties" if isinstance(value, bool):
                pass
            case _:
                raise _Inexpressible

    def _resolved(self, reference: object) -> JsonObject:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise _Inexpressible
        found: Any = self._root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise _Inexpressible
        return found

    def _type(self, value: object, schema: JsonObject) -> dict[str, Any]:
        """`["string", "null"]` is a nullable string; other lists are left to JSON Schema."""
        names = value if isinstance(value, list) else [value]
        real = [name.lower() for name in names if isinstance(name, str) and name.lower() != "null"]
        if len(real) != 1 or real[0] not in _TYPES:
            raise _Inexpressible
        if ("enum" in schema and real[0] != "string") or (
            "items" not in schema and real[0] == "array"
        ):
            raise _Inexpressible
        null = {"nullable": True} if len(names) > 1 else {}
        return {"type": real[0].upper(), **null}

    def _any_of(self, options: list[Any], depth: int) -> dict[str, Any]:
        real = [option for option in options if option != {"type": "null"}]
        null = {"nullable": True} if len(real) < len(options) else {}
        made = [self.of(option, depth) for option in real]
        return {**(made[0] if len(made) == 1 else {"anyOf": made}), **null}


def _fill(made: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what `made` does not say itself: the outer description wins."""
    for key, value in more.items():
        made.setdefault(key, value)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
