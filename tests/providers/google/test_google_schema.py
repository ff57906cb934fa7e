"""JSON Schema of tools in Gemini's subset, and what stays JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_providers.google.schema import declared


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": "string", "const": "a"}, {"type": "STRING", "enum": ["a"]}),
        (
            {"anyOf": [{"type": "string", "description": "in"}, {"type": "null"}], "title": "T"},
            {"type": "STRING", "description": "in", "title": "T", "nullable": True},
        ),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
        ),
        (
            {"allOf": [{"type": "string", "description": "in"}], "description": "out"},
            {"type": "STRING", "description": "out"},
        ),
        (
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$defs": {"Item": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                "type": "object",
                "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}},
                "additionalProperties": False,
            },
            {
                "type": "OBJECT",
                "properties": {
                    "items": {
                        "type": "ARRAY",
                        "items": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}},
                    }
                },
            },
        ),
    ],
)
def test_expressible(schema: dict[str, Any], made: dict[str, Any]) -> None:
    assert declared(schema) == {"parameters": made}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "integer"]},
        {"type": "integer", "enum": [1, 2]},
        {"type": "string", "enum": ["", "a"]},
        {"type": "array"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "string", "format": "uuid"},
        {"not": {"type": "string"}},
        {"exclusiveMinimum": 3},
        {"allOf": [{"type": "object"}, {"type": "object"}]},
        {"$ref": "https://example.org/schema.json"},
        {"$ref": "#/$defs/Missing"},
        {"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
        {
            "$defs": {
                "T": {"properties": {"l": {"$ref": "#/$defs/T"}, "r": {"$ref": "#/$defs/T"}}}
            },
            "$ref": "#/$defs/T",
        },
    ],
)
def test_inexpressible_stays_json_schema(schema: dict[str, Any]) -> None:
    assert declared(schema) == {"parametersJsonSchema": schema}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "$ref", "enum", "allOf", "format", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$ref"]), json_values))
def test_any_object_gives_one_declaration(schema: dict[str, Any]) -> None:
    assert len(declared(schema)) == 1
