"""A whole configuration: all documents, checked against each other and completed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from headgate.config.access import AccessSpec
from headgate.config.budget import Budget
from headgate.config.catalog import Catalog, CatalogSpec
from headgate.config.corpus import Corpus
from headgate.config.environment import Joining
from headgate.config.experiment import Experiment
from headgate.config.gateway import GatewaySpec
from headgate.config.kinds import Document
from headgate.config.policy import Overlay, Policy
from headgate.config.problems import Problem
from headgate.config.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the gateway runs by. Never changed; a reload makes a new one.

    `documents` are all documents with their places; `gateway`, `catalog` and `access` are those of
    one kind as one. `secrets` holds the credentials by deployment. `absent` names the deployments
    left out because of their `requires_env`. `notices` are worth saying and no mistakes. `files`
    are all files it was read from, those of secrets included. The digests are SHA-256
    (hexadecimal) over what the documents say, whatever their layout.
    """

    documents: tuple[Document[Any], ...]
    gateway: GatewaySpec
    catalog: CatalogSpec
    policies: tuple[Policy, ...]
    overlays: tuple[Overlay, ...]
    budgets: tuple[Budget, ...]
    experiments: tuple[Experiment, ...]
    access: AccessSpec
    secrets: Mapping[str, Secrets] = field(repr=False)
    absent: frozenset[str]
    notices: tuple[Problem, ...]
    files: tuple[Path, ...]
    catalog_digest: str
    policy_digest: str

    @classmethod
    def of(cls, joining: Joining, files: Sequence[Path]) -> Configuration:
        """Put together what was read and checked."""
        corpus = Corpus(joining.documents)
        rules = (Policy, Overlay, Experiment)
        return cls(
            documents=tuple(joining.documents),
            gateway=corpus.gateway,
            catalog=corpus.catalog,
            policies=corpus.contents(Policy),
            overlays=corpus.contents(Overlay),
            budgets=corpus.contents(Budget),
            experiments=corpus.contents(Experiment),
            access=corpus.access,
            secrets=joining.secrets,
            absent=joining.absent,
            notices=_notices(joining.documents),
            files=tuple(files),
            catalog_digest=digest(corpus.contents(Catalog)),
            policy_digest=digest(content for kind in rules for content in corpus.contents(kind)),
        )

    def problem(self, content: BaseModel, place: Iterable[str | int], message: str) -> Problem:
        """A mistake in one of the documents (`content`), with its file and line."""
        document = next(one for one in self.documents if one.content is content)
        return document.source.problem(message, *place)


def _notices(documents: Iterable[Document[Any]]) -> tuple[Problem, ...]:
    """What a kind of document says about itself when it is used."""
    said = ((one, getattr(one.content, "notice", None)) for one in documents)
    return tuple(one.source.problem(notice, "kind") for one, notice in said if notice)


def digest(contents: Iterable[BaseModel]) -> str:
    """SHA-256 (hexadecimal) over the contents as canonical JSON: keys sorted, no spaces."""
    data = [one.model_dump(mode="json", by_alias=True, exclude_defaults=True) for one in contents]
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
