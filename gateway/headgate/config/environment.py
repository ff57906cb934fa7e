"""What the environment adds to documents: deployments that join, addresses, secrets.

`requires_env` of a deployment names environment variables, separated by spaces: `NAME` must be set
and `!NAME` must not be. A deployment whose condition does not hold is left out silently, and with
it every route whose tiers name such deployments only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgate.config.catalog import Catalog, Deployment
from headgate.config.corpus import Corpus, Place, fits
from headgate.config.kinds import Document
from headgate.config.policy import Policy, Route
from headgate.config.problems import Problem
from headgate.config.secrets import SecretMissing, Secrets, resolve

_WORD = re.compile(r"^!?[A-Za-z_][A-Za-z0-9_]*$")
_FROM_ENVIRONMENT = ("url", "upstream_model")
"""Members of a deployment that may be `env:NAME` though they are no secrets."""


@dataclass(slots=True)
class Joining:
    """The documents as this environment completes them.

    `absent` are the deployments left out, `secrets` the credentials by deployment, `files` those
    that secrets were read from.
    """

    documents: Sequence[Document[Any]]
    absent: frozenset[str] = frozenset()
    secrets: dict[str, Secrets] = field(default_factory=dict, repr=False)
    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def condition_problems(corpus: Corpus) -> Iterator[Problem]:
    """Conditions that cannot be read."""
    for deployment, place in corpus.deployments():
        words = deployment.requires_env
        if words is not None and not (words.split() and all(map(_WORD.match, words.split()))):
            message = "write names of environment variables, `!NAME` for one that must not be set"
            yield place.problem(message, "requires_env")


def joins(deployment: Deployment, environ: Mapping[str, str]) -> bool:
    """Whether its condition holds; a variable that is empty counts as not set."""
    words = (deployment.requires_env or "").split()
    return all(bool(environ.get(word.lstrip("!"))) != word.startswith("!") for word in words)


def join(corpus: Corpus, environ: Mapping[str, str]) -> Joining:
    """Leave out what does not join, and look up what the rest refers to."""
    deployments = list(corpus.deployments())
    absent = frozenset(one.name for one, _ in deployments if not joins(one, environ))
    joining = Joining((), absent)
    present = {
        one.name: _completed(one, place, environ, joining)
        for one, place in deployments
        if one.name not in absent
    }
    kept = (_kept(document, present) for document in corpus.documents)
    joining.documents = [document for document in kept if document is not None]
    return joining


def _completed(
    deployment: Deployment, place: Place, environ: Mapping[str, str], joining: Joining
) -> Deployment:
    """The deployment with its address; its secrets go to `joining`."""
    found: dict[str, str] = {}
    for name, reference in deployment.secret_references.items():
        if reference.startswith("file:"):
            joining.files.append(Path(reference.removeprefix("file:")))
        value = _looked_up(reference, deployment, place, environ, joining, "secret", name)
        if value is not None:
            found[name] = value
    if found:
        joining.secrets[deployment.name] = Secrets(found)
    changes = {}
    for member in _FROM_ENVIRONMENT:
        reference = getattr(deployment, member) or ""
        if reference.startswith("env:"):
            changes[member] = _looked_up(reference, deployment, place, environ, joining, member)
    return deployment.model_copy(update=changes)


def _looked_up(
    reference: str,
    deployment: Deployment,
    place: Place,
    environ: Mapping[str, str],
    joining: Joining,
    *at: str,
) -> str | None:
    try:
        return resolve(reference, environ)
    except SecretMissing as missing:
        message = f"{missing}; `{deployment.name}` takes its {at[0]} from it"
        joining.problems.append(place.problem(message, *at))
        return None


def _kept(document: Document[Any], present: Mapping[str, Deployment]) -> Document[Any] | None:
    """The document without what is absent; `None` if nothing of it is left."""
    content = document.content
    spec = content.spec
    if isinstance(content, Catalog):
        deployments = tuple(
            present[one.name] for one in content.spec.deployments if one.name in present
        )
        spec = content.spec.model_copy(update={"deployments": deployments})
    if isinstance(content, Policy):
        routes = tuple(route for route in content.spec.routes if not _left_out(route, present))
        if not routes:
            return None
        spec = content.spec.model_copy(update={"routes": routes})
    return Document(document.source, content.model_copy(update={"spec": spec}))


def _left_out(route: Route, present: Iterable[str]) -> bool:
    """Whether its tiers name deployments, and none of them is present."""
    named = [tier.select.deployment for tier in route.tiers]
    if not named or None in named:
        return False
    patterns = [pattern for names in named for pattern in names or ()]
    return not any(fits(pattern, name) for pattern in patterns for name in present)
