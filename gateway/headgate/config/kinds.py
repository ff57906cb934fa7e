"""All kinds of documents, and how one of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from headgate.config.access import Access
from headgate.config.budget import Budget
from headgate.config.catalog import Catalog
from headgate.config.experiment import Experiment
from headgate.config.files import Source
from headgate.config.gateway import Gateway
from headgate.config.policy import Overlay, Policy
from headgate.config.problems import ConfigError, Problem, did_you_mean
from headgate.config.secrets import looks_like_credential
from headgate.config.validation import describe, validate

API_VERSION = "headgate/v1"

KINDS: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (Gateway, Catalog, Policy, Overlay, Budget, Experiment, Access)
}

D_co = TypeVar("D_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Document(Generic[D_co]):
    """A valid document and where it stands."""

    source: Source
    content: D_co


def parse(source: Source) -> Document[Any]:
    """The document in its type. Raises `ConfigError`."""
    model = KINDS[_kind(source)]
    leaks = [
        Problem(
            "this looks like a credential; write a reference, env:NAME or file:/path",
            source.file,
            node.mark,
        )
        for node in source.node.walk()
        if isinstance(node.data, str) and looks_like_credential(node.data)
    ]
    if leaks:
        raise ConfigError(leaks)
    return Document(source, validate(model, source.node, source.file))


def _kind(source: Source) -> str:
    """The kind, after the envelope is known to be right."""
    if not isinstance(source.node.data, dict):
        message = f"a document is a mapping with apiVersion, kind and spec, not {_found(source)}"
        raise ConfigError([source.problem(message)])
    version = source.node.data.get("apiVersion")
    kind = source.node.data.get("kind")
    problems = []
    if version is None:
        problems.append(source.problem(f"`apiVersion: {API_VERSION}` is missing"))
    elif version != API_VERSION:
        found = describe(version, ("apiVersion",))
        message = f"`apiVersion` must be {API_VERSION}, not {found}"
        problems.append(source.problem(message, "apiVersion"))
    if kind is None:
        problems.append(source.problem(f"`kind` is missing; it is one of {', '.join(KINDS)}"))
    elif not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(str(kind), KINDS)
        message = f"unknown kind {describe(kind, ('kind',))}{hint or '; it is one of '}"
        message += "" if hint else ", ".join(KINDS)
        problems.append(source.problem(message, "kind"))
    if problems:
        raise ConfigError(problems)
    return str(kind)


def _found(source: Source) -> str:
    return describe(source.node.data, ())
