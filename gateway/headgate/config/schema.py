"""JSON Schemas (draft 2020-12) of all kinds of documents, for editors; made from the types.

An editor with the YAML language server takes them from a comment in the first line of a file:
`# yaml-language-server: $schema=…/document.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headgate.config.kinds import API_VERSION, KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY_KIND = "document"
"""The name of the schema for files that hold documents of several kinds."""

_DEPLOYMENT = {
    "name": "openai",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "secret": "env:OPENAI_API_KEY",
}
_ROUTE = {
    "name": "assistant",
    "match": {"model": "assistant"},
    "tiers": [{"select": {"deployment": "openai"}}],
    "otherwise": {"reject": 503, "code": "no_capacity"},
}
_KEY = {"hash": f"sha256:{'0' * 64}", "name": "web-backend", "team": "web"}
_ARMS = {
    "control": {"select": {"model": "chat-small"}},
    "treat": {"select": {"model": "chat-new"}, "percent": 5},
}
_LIMIT = {"scope": "team", "limit": "4000 USD", "per": "month"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Gateway": {"spec": {"server": {"port": 8080}, "telemetry": {"log_format": "console"}}},
    "Catalog": {"spec": {"deployments": [_DEPLOYMENT]}},
    "Policy": {"spec": {"routes": [_ROUTE]}},
    "Overlay": {
        "metadata": {"name": "legal-stricter"},
        "spec": {"for": {"team": "legal"}, "over": ["assistant"], "must": {"operator": "self"}},
    },
    "Budget": {"metadata": {"name": "team-budgets"}, "spec": {"scopes": [_LIMIT]}},
    "Experiment": {
        "metadata": {"name": "canary"},
        "spec": {"route": "assistant", "salt": "canary-1", "arms": _ARMS},
    },
    "Access": {"spec": {"teams": [{"name": "web"}], "keys": [_KEY]}},
}
"""The smallest useful document of each kind, without its envelope."""


def schemas() -> dict[str, dict[str, Any]]:
    """All schemas by file name without `.json`: one per kind, and one for any kind."""
    return {kind.lower(): _schema(kind) for kind in KINDS} | {ANY_KIND: _any_kind()}


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema to `folder` as `<name>.json`; the files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        file = folder / f"{name}.json"
        file.write_text(as_text(schema), encoding="utf-8")
        written.append(file)
    return written


def as_text(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema(kind: str) -> dict[str, Any]:
    raw = KINDS[kind].model_json_schema(by_alias=True)
    example = {"apiVersion": API_VERSION, "kind": kind, **EXAMPLES[kind]}
    definitions = {name: _tidy(one) for name, one in raw.pop("$defs", {}).items()}
    head = {"$schema": DIALECT, "title": f"Headgate {kind}"}
    return {**head, **_tidy(raw), "examples": [example], "$defs": definitions}


def _tidy(schema: Any) -> Any:
    """Without what pydantic adds and no reader needs: titles, and defaults in other units."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: _tidy(one) for name, one in value.items()}
        elif key == "description":
            kept[key] = " ".join(value.split())
        elif key != "title" and not (key == "default" and _is_no_help(schema, value)):
            kept[key] = _tidy(value)
    return kept


def _is_no_help(schema: dict[str, Any], default: Any) -> bool:
    """Whether a default says nothing, or 30.0 where a document writes `30s`."""
    other_unit = schema.get("type") == "string" and not isinstance(default, str)
    return other_unit or not isinstance(default, str | int | float)


def _any_kind() -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "title": "Headgate document",
        "description": "A document of any kind; `kind` says which.",
        "type": "object",
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"enum": list(KINDS)}},
        "required": ["apiVersion", "kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"{kind.lower()}.json"},
            }
            for kind in KINDS
        ],
    }
