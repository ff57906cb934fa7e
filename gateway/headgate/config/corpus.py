"""All documents of a configuration together: found by kind, merged, names unique."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from headgate.config.access import Access, AccessSpec
from headgate.config.catalog import Catalog, CatalogSpec, Deployment
from headgate.config.experiment import Experiment
from headgate.config.gateway import Gateway, GatewaySpec
from headgate.config.kinds import Document
from headgate.config.policy import Overlay, Policy, Route
from headgate.config.problems import Problem

Path = tuple[str | int, ...]
D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is defined. `keyed`: its name is the key that ends the path."""

    document: Document[Any]
    path: Path
    keyed: bool = False

    def problem(self, message: str, *below: str | int) -> Problem:
        """A mistake in the value below this place, or in the nearest one above it."""
        return self.document.source.problem(message, *self.path, *below)

    def name_problem(self, message: str) -> Problem:
        """A mistake in the name of what is defined here."""
        if self.keyed:
            return self.document.source.key_problem(message, *self.path)
        return self.problem(message, "name")

    def __str__(self) -> str:
        found = self.name_problem("")
        return f"{found.file}:{found.mark.line}" if found.mark else found.file


class Corpus:
    """The documents in the order they were read."""

    def __init__(self, documents: Sequence[Document[Any]]) -> None:
        self.documents = documents

    def of(self, kind: type[D]) -> list[Document[D]]:
        """The documents of a kind."""
        return [document for document in self.documents if isinstance(document.content, kind)]

    def contents(self, kind: type[D]) -> tuple[D, ...]:
        """The same without their places."""
        return tuple(document.content for document in self.of(kind))

    @property
    def gateway(self) -> GatewaySpec:
        """The gateway document, or the defaults."""
        return next((gateway.spec for gateway in self.contents(Gateway)), GatewaySpec())

    @property
    def catalog(self) -> CatalogSpec:
        """All catalogs as one."""
        specs = [catalog.spec for catalog in self.contents(Catalog)]
        ordered = [spec.sensitivity for spec in specs if "sensitivity" in spec.model_fields_set]
        return CatalogSpec(
            sensitivity=ordered[0] if ordered else CatalogSpec().sensitivity,
            windows={name: window for spec in specs for name, window in spec.windows.items()},
            models={name: model for spec in specs for name, model in spec.models.items()},
            deployments=tuple(one for spec in specs for one in spec.deployments),
        )

    @property
    def access(self) -> AccessSpec:
        """All access documents as one."""
        specs = [access.spec for access in self.contents(Access)]
        return AccessSpec(
            teams=tuple(team for spec in specs for team in spec.teams),
            keys=tuple(key for spec in specs for key in spec.keys),
        )

    def deployments(self) -> Iterator[tuple[Deployment, Place]]:
        """Every deployment with its place."""
        for document in self.of(Catalog):
            for index, deployment in enumerate(document.content.spec.deployments):
                yield deployment, Place(document, ("spec", "deployments", index))

    def routes(self) -> Iterator[tuple[Route, Place]]:
        """Every route with its place."""
        for document in self.of(Policy):
            for index, route in enumerate(document.content.spec.routes):
                yield route, Place(document, ("spec", "routes", index))


def fits(pattern: str, name: str) -> bool:
    """Whether a selection takes this name; `*` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def duplicates(corpus: Corpus) -> list[Problem]:
    """Names that are given twice, at their second place."""
    return [
        *_only_one(corpus),
        *(p for kind in (Policy, Overlay, Experiment) for p in _twice(_titles(corpus, kind))),
        *_twice(_keyed(corpus, "windows", "the window")),
        *_twice(_keyed(corpus, "models", "the model")),
        *_twice(_aliases(corpus)),
        *_twice(_labels(corpus)),
        *_twice(("the deployment", one.name, place) for one, place in corpus.deployments()),
        *_twice(("the route", one.name, place) for one, place in corpus.routes()),
        *_twice(_listed(corpus, "teams", "name", "the team")),
        *_twice(_listed(corpus, "keys", "name", "the key")),
        *_twice(_listed(corpus, "keys", "hash", "the key's hash")),
    ]


Named = tuple[str, str, Place]
"""What it is in words, its name, its place."""


def _twice(entries: Iterable[Named]) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for what, name, place in entries:
        other = first.setdefault(name, place)
        if other is not place:
            shown = "" if what.endswith("hash") else f" `{name}`"
            yield place.name_problem(f"{what}{shown} is defined twice, first at {other}")


def _only_one(corpus: Corpus) -> Iterator[Problem]:
    gateways = [Place(document, ()) for document in corpus.of(Gateway)]
    for place in gateways[1:]:
        message = f"there is a Gateway document already, at {gateways[0]}; merge the two"
        yield place.problem(message, "kind")
    orders = [
        Place(document, ("spec", "sensitivity"), keyed=True)
        for document in corpus.of(Catalog)
        if "sensitivity" in document.content.spec.model_fields_set
    ]
    for place in orders[1:]:
        yield place.name_problem(f"`sensitivity` is defined twice, first at {orders[0]}")


def _labels(corpus: Corpus) -> Iterator[Named]:
    for document in corpus.of(Catalog):
        if "sensitivity" in document.content.spec.model_fields_set:
            for index, label in enumerate(document.content.spec.sensitivity):
                yield "the label", label, Place(document, ("spec", "sensitivity", index))
            return


def _titles(corpus: Corpus, kind: type[BaseModel]) -> Iterator[Named]:
    for document in corpus.of(kind):
        metadata = getattr(document.content, "metadata", None)
        if metadata is not None:
            yield f"the {kind.__name__}", metadata.name, Place(document, ("metadata",))


def _keyed(corpus: Corpus, member: str, what: str) -> Iterator[Named]:
    for document in corpus.of(Catalog):
        for name in getattr(document.content.spec, member):
            yield what, name, Place(document, ("spec", member, name), keyed=True)


def _aliases(corpus: Corpus) -> Iterator[Named]:
    """Model names once each, then the aliases, which must differ from them and each other."""
    yield from {name: (what, name, at) for what, name, at in _keyed(corpus, "models", "")}.values()
    for document in corpus.of(Catalog):
        for name, model in document.content.spec.models.items():
            for index, alias in enumerate(model.aliases):
                place = Place(document, ("spec", "models", name, "aliases", index))
                yield "the model name", alias, place


def _listed(corpus: Corpus, member: str, by: str, what: str) -> Iterator[Named]:
    for document in corpus.of(Access):
        for index, one in enumerate(getattr(document.content.spec, member)):
            yield what, getattr(one, by), Place(document, ("spec", member, index))
