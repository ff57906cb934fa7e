"""Which files make a configuration: paths, folders, and what they include."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headgate.config.problems import ConfigError, Problem, did_you_mean
from headgate.config.yaml import FILE_BYTES_MAX, Node, read

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """One document as it stands in a file."""

    file: str
    node: Node

    def problem(self, message: str, *path: str | int) -> Problem:
        """A mistake in the value at `path`, or in the nearest one above it."""
        return Problem(message, self.file, self.node.at(*path).mark)

    def key_problem(self, message: str, *path: str | int) -> Problem:
        """A mistake in the key that ends `path`."""
        return Problem(message, self.file, self.node.at(*path[:-1]).key_mark(str(path[-1])))


class Reading:
    """Reads files once each and follows `spec.include`.

    Afterwards `sources` holds the documents in order, `files` what was read, `problems` what could
    not be.
    """

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.files: list[Path] = []
        self.problems: list[Problem] = []
        self._seen: set[str] = set()

    def add(self, path: Path) -> None:
        """Read a file, or all `*.yaml` and `*.yml` files of a folder in the order of their names.

        Hidden entries are left out: the folder of a Kubernetes ConfigMap is full of them.
        """
        if path.is_dir():
            found = documents_in(path)
            if not found:
                self.problems.append(Problem("the folder holds no *.yaml file", str(path)))
            for file in found:
                self._visit(file, path, ())
        elif path.is_file():
            self._visit(path, path.parent, ())
        else:
            self.problems.append(Problem(_absent(path), str(path)))

    def _visit(self, file: Path, root: Path, above: tuple[str, ...]) -> None:
        identity = os.path.realpath(file)
        if identity in self._seen:
            return
        self._seen.add(identity)
        self.files.append(file)
        try:
            nodes = read(_content(file), str(file))
        except ConfigError as error:
            self.problems += error.problems
            return
        sources = [Source(str(file), node) for node in nodes]
        self.sources += sources
        for source in sources:
            self._include(source, file, root, (*above, identity))

    def _include(self, source: Source, file: Path, root: Path, above: tuple[str, ...]) -> None:
        includes = source.node.at("spec", "include").items if _has_include(source.node) else []
        for index, item in enumerate(includes):
            if not isinstance(item.data, str):
                continue  # said by the document's type
            target = file.parent / item.data
            refusal = _refusal(item.data, target, root)
            if refusal is None and os.path.realpath(target) in above:
                refusal = f"`{item.data}` includes this file again; break the cycle"
            if refusal is None:
                self._visit(Path(os.path.normpath(target)), root, above)
            else:
                self.problems.append(source.problem(refusal, "spec", "include", index))


def documents_in(folder: Path) -> list[Path]:
    """The files of a folder that are read, by name."""
    found = (path for path in folder.iterdir() if path.suffix in SUFFIXES)
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


def read_all(paths: Iterable[Path]) -> Reading:
    """Read all paths; what cannot be read is in `problems`."""
    reading = Reading()
    for path in paths:
        reading.add(path)
    return reading


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        message = f"the file cannot be read ({error.strerror})"
        raise ConfigError([Problem(message, str(file))]) from None


def _has_include(node: Node) -> bool:
    spec = node.child("spec")
    return spec is not None and spec.child("include") is not None


def _refusal(text: str, target: Path, root: Path) -> str | None:
    if "://" in text:
        return f"`{text}` is a URL; only files can be included"
    if text.startswith(("/", "~")):
        return f"`{text}` must be relative to the file that includes it"
    if not target.resolve().is_relative_to(root.resolve()):  # through links neither
        return f"`{text}` is outside of the configuration's folder"
    if target.suffix not in SUFFIXES:
        return f"`{text}` must end in .yaml or .yml"
    return None if target.is_file() else _absent(target)


def _absent(path: Path) -> str:
    siblings: Sequence[str] = ()
    if path.parent.is_dir():
        siblings = [file.name for file in documents_in(path.parent)]
    return f"there is no file `{path.name}`{did_you_mean(path.name, siblings)}"
