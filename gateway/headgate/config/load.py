"""From files to a configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from headgate.config.configuration import Configuration
from headgate.config.corpus import Corpus, duplicates
from headgate.config.environment import Joining, condition_problems, join
from headgate.config.extensions import Extensions
from headgate.config.files import Reading, Source, read_all
from headgate.config.kinds import Document, parse
from headgate.config.problems import ConfigError, Problem
from headgate.config.references import option_problems, unknown_names
from headgate.config.yaml import read

DEFAULT_FILE = "built-in/default.yaml"
"""What messages call the configuration that is used when none is given."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Documents that are right by themselves and together, and the files they were read from."""

    documents: tuple[Document[Any], ...]
    files: tuple[Path, ...]
    extensions: Extensions

    def offline(self) -> Configuration:
        """With every deployment and without secrets: the same on every machine.

        Raises `ConfigError` for options that are wrong.
        """
        problems = list(option_problems(Corpus(self.documents), self.extensions, None))
        if problems:
            raise ConfigError(problems, self.files)
        return Configuration.of(Joining(self.documents), self.files)

    def complete(self, environ: Mapping[str, str]) -> Configuration:
        """With what environment variables and secret files add. Raises `ConfigError`."""
        corpus = Corpus(self.documents)
        joining = join(corpus, environ)
        files = (*self.files, *joining.files)
        problems = [*option_problems(corpus, self.extensions, environ), *joining.problems]
        if problems:
            raise ConfigError(problems, files)
        return Configuration.of(joining, files)


def load(
    paths: Iterable[str | Path],
    extensions: Extensions,
    environ: Mapping[str, str] | None = None,
    *,
    offline: bool = False,
) -> Configuration:
    """The configuration in these files and folders; without any, the one that is built in.

    Reads the environment variables and files that references point to, in `environ` instead of the
    process's own where it is given; `offline` looks at neither. Raises `ConfigError` with all
    problems that were found.
    """
    found = draft(paths, extensions)
    if offline:
        return found.offline()
    return found.complete(os.environ if environ is None else environ)


def draft(paths: Iterable[str | Path], extensions: Extensions) -> Draft:
    """Read and check the documents in these files and folders. Raises `ConfigError`."""
    reading = _read(list(paths))
    documents, problems = _parse(reading.sources)
    problems = reading.problems + problems
    if not problems and not documents:
        problems = [Problem("there is no document in it", str(reading.files[0]))]
    if not problems:
        corpus = Corpus(documents)
        problems = [
            *duplicates(corpus),
            *unknown_names(corpus, extensions),
            *condition_problems(corpus),
        ]
    if problems:
        raise ConfigError(problems, reading.files)
    return Draft(tuple(documents), tuple(reading.files), extensions)


def _read(paths: Sequence[str | Path]) -> Reading:
    if paths:
        return read_all(Path(path) for path in paths)
    reading = Reading()
    nodes = read(default_document(), DEFAULT_FILE)
    reading.sources = [Source(DEFAULT_FILE, node) for node in nodes]
    return reading


def default_document() -> bytes:
    """The configuration that is used when none is given; `policies/default.yaml` is a copy."""
    return resources.files("headgate.config").joinpath("default.yaml").read_bytes()


def _parse(sources: Iterable[Source]) -> tuple[list[Document[Any]], list[Problem]]:
    documents = []
    problems: list[Problem] = []
    for source in sources:
        try:
            documents.append(parse(source))
        except ConfigError as error:
            problems += error.problems
    return documents, problems
