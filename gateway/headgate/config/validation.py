"""From a node to a document type; pydantic's errors become sentences with a place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from headgate.config import shapes
from headgate.config.problems import ConfigError, Problem, did_you_mean
from headgate.config.yaml import Node

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "nothing",
    "date_type": "a date such as 2027-03-31",
    "date_parsing": "a date such as 2027-03-31",
    "date_from_datetime_parsing": "a date such as 2027-03-31",
    "datetime_type": "a moment such as 2027-03-31T12:00:00Z",
    "datetime_parsing": "a moment such as 2027-03-31T12:00:00Z",
    "datetime_from_date_parsing": "a moment such as 2027-03-31T12:00:00Z",
    "timezone_naive": "a moment with its time zone, such as 2027-03-31T12:00:00Z",
    "url_type": "a URL",
    "url_parsing": "a URL such as https://host/path",
}
"""Errors that say: something else should stand here."""

_LIMITS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} in it",
    "too_long": "may have at most {max_length} in it",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "string_pattern_mismatch": "must look like {pattern}",
    "finite_number": "must be a finite number",
}
_SCALARS = {bool: "true or false", int: "a whole number", float: "a number"}
_CONFIDENTIAL = re.compile(
    r"secret|key|token|passw|credential|authori[sz]ation|cookie|hash|dsn", re.IGNORECASE
)
_SHOWN_CHARACTERS_MAX = 60


def validate(model: type[M], node: Node, file: str) -> M:
    """The node as `model`; raises `ConfigError` with one problem per mistake."""
    try:
        document = model.model_validate(node.data)
    except ValidationError as error:
        raise ConfigError(translate(error, model, node, file)) from None
    loose = list(_loose_scalars([(model, False)], node, (), file))
    if loose:
        raise ConfigError(loose)
    return document


def translate(error: ValidationError, model: Any, node: Node, file: str) -> list[Problem]:
    """One problem for each place that is wrong, in the order of the file."""
    findings = _likely([_Finding.of(item, node) for item in error.errors(include_url=False)])
    findings = [finding for finding in findings if not finding.follows_from(findings)]
    groups: dict[Path, list[_Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.path, []).append(finding)
    problems = [_problem(group, model, node, file) for group in groups.values()]
    return sorted(problems, key=lambda p: (p.mark.line, p.mark.column) if p.mark else (0, 0))


@dataclass(frozen=True, slots=True)
class _Member:
    """A step of pydantic's location that is no key of the document: a member of a union."""

    name: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """One error of pydantic; `steps` are keys and indices of the document, and union members."""

    steps: tuple[str | int | _Member, ...]
    error: ErrorDetails

    @classmethod
    def of(cls, error: ErrorDetails, root: Node) -> _Finding:
        """Tell the steps of pydantic's location that lead into the document from the others."""
        steps: list[str | int | _Member] = []
        node = root
        last = len(error["loc"]) - 1
        for index, step in enumerate(error["loc"]):
            child = node.child(step)
            if child is not None:
                node = child
                steps.append(step)
            elif index == last and error["type"] == "missing":
                steps.append(step)
            else:
                steps.append(_Member(str(step)))
        return cls(tuple(steps), error)

    @property
    def path(self) -> Path:
        """Where in the document."""
        return tuple(step for step in self.steps if not isinstance(step, _Member))

    @property
    def type(self) -> str:
        """Pydantic's name of the error."""
        return self.error["type"]

    @property
    def context(self) -> dict[str, Any]:
        """Pydantic's details of the error."""
        return self.error.get("ctx") or {}

    @property
    def is_mismatch(self) -> bool:
        """Whether it only says that another type of value should stand here."""
        return self.type in _EXPECTED or self.type == "literal_error"

    def follows_from(self, others: Iterable[_Finding]) -> bool:
        """Whether a list is too short only because pydantic leaves out its wrong items."""
        depth = len(self.path)
        return self.type == "too_short" and any(
            len(other.path) > depth and other.path[:depth] == self.path for other in others
        )


def _likely(findings: Sequence[_Finding], index: int = 0) -> list[_Finding]:
    """Leave out what is said about union members that were not meant."""
    kept = [finding for finding in findings if len(finding.steps) <= index]
    branches: dict[str | int | _Member, list[_Finding]] = {}
    for finding in findings:
        if len(finding.steps) > index:
            branches.setdefault(finding.steps[index], []).append(finding)
    rivals = []
    for step, branch in branches.items():
        rest = _likely(branch, index + 1)
        if isinstance(step, _Member):
            rivals.append(rest)
        else:
            kept += rest
    return kept + _meant(rivals, index + 1)


def _meant(rivals: list[list[_Finding]], index: int) -> list[_Finding]:
    """The member whose own rules were broken; all, if the value is of none of their types."""
    close = [
        rival
        for rival in rivals
        if any(len(finding.steps) > index or not finding.is_mismatch for finding in rival)
    ]
    if not close:
        return [finding for rival in rivals for finding in rival]
    fewest = min(close, key=len)
    tied = sum(len(rival) == len(fewest) for rival in close) > 1
    present = [finding for finding in fewest if finding.type != "missing"]
    return present if tied and present else fewest


def _problem(group: list[_Finding], model: Any, root: Node, file: str) -> Problem:
    first = group[0]
    path = first.path
    if first.type in ("missing", "extra_forbidden") and path:
        return _key_problem(first, model, root, file)
    member = first.context.get("member")
    node = root.at(*path)
    mark = node.key_mark(member) if isinstance(member, str) else node.mark
    return Problem(_sentence(group, node), file, mark)


def _key_problem(finding: _Finding, model: Any, root: Node, file: str) -> Problem:
    *parents, key = finding.path
    parent = root.at(*parents)
    if finding.type == "missing":
        return Problem(f"`{key}` is missing{_inside(parents)}", file, parent.mark)
    known = [name for name in shapes.keys_of(shapes.at(model, parents)) if name not in parent.keys]
    message = f"unknown key `{key}`{_inside(parents)}{did_you_mean(str(key), known)}"
    return Problem(message, file, parent.key_mark(str(key)))


def _inside(path: Sequence[str | int]) -> str:
    """Where a key stands, in words; nothing at the top."""
    text = dotted(path)
    return f" in `{text}`" if text else ""


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: `spec.routes[0].match`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _sentence(group: list[_Finding], node: Node) -> str:
    path = group[0].path
    name = _name(path)
    special = next((finding for finding in group if not finding.is_mismatch), None)
    if special is not None:
        member = special.context.get("member")
        return f"{f'`{member}`' if member else name}: {_rule(special)}"
    words = list(dict.fromkeys(word for finding in group for word in _expected(finding)))
    choices = [word for finding in group for word in _literals(finding)]
    hint = did_you_mean(node.data, choices) if isinstance(node.data, str) else ""
    found = describe(node.data, path)
    return f"{name} must be {_either(words)}, not {found}{hint}"


def _name(path: Path) -> str:
    """What a sentence calls the value at `path`: its key, or the list and its index."""
    start = len(path) - 1
    while start > 0 and isinstance(path[start], int):
        start -= 1
    return f"`{dotted(path[max(start, 0) :])}`" if path else "the document"


def _expected(finding: _Finding) -> list[str]:
    if finding.type == "literal_error":
        return [f"`{choice}`" for choice in _literals(finding)] or [finding.context["expected"]]
    return [_EXPECTED[finding.type]]


def _literals(finding: _Finding) -> list[str]:
    if finding.type != "literal_error":
        return []
    return re.findall(r"'([^']*)'", finding.context["expected"])


def _either(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _rule(finding: _Finding) -> str:
    """What a rule says that is more than a type."""
    if finding.type in _LIMITS:
        return _LIMITS[finding.type].format(**finding.context)
    if finding.type == "union_tag_invalid":
        tags = re.findall(r"'([^']*)'", finding.context["expected_tags"])
        key = _quoted(finding.context["discriminator"])
        tag = str(finding.context["tag"])
        choices = _either([f"`{name}`" for name in tags])
        return f"its {key} must be {choices}{did_you_mean(tag, tags)}"
    if finding.type == "union_tag_not_found":
        return f"{_quoted(finding.context['discriminator'])} is missing"
    return finding.error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _quoted(words: str) -> str:
    return words.replace("'", "`")


def describe(value: Any, path: Path) -> str:
    """A value in words; text is quoted only where no secret can stand."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        private = any(_CONFIDENTIAL.search(step) for step in path if isinstance(step, str))
        shown = not private and len(value) <= _SHOWN_CHARACTERS_MAX and value.isprintable()
        return f'"{value}"' if shown else "text"
    return "a list" if isinstance(value, list) else "a mapping"


def _loose_scalars(
    allowed: list[tuple[Any, bool]], node: Node, path: Path, file: str
) -> Iterator[Problem]:
    """Values that pydantic converts and YAML 1.2 does not: `"5"` is no number, `yes` no truth."""
    known = [shape for shape, _ in allowed if shape is not type(None)]
    if not any(custom for _, custom in allowed) and known and all(s in _SCALARS for s in known):
        if node.data is not None and not any(_is_exactly(node.data, s) for s in known):
            words = _either([_SCALARS[shape] for shape in known])
            found = describe(node.data, path)
            yield Problem(f"{_name(path)} must be {words}, not {found}", file, node.mark)
        return
    children: list[tuple[str | int, Node]] = [*node.members.items(), *enumerate(node.items)]
    for key, child in children:
        inner = [shapes.below(shape, key) for shape in known]
        nexts = [pair for one in inner if one is not None for pair in shapes.alternatives(one)]
        yield from _loose_scalars(nexts, child, (*path, key), file)


def _is_exactly(value: Any, shape: Any) -> bool:
    if shape is bool or isinstance(value, bool):
        return shape is bool and isinstance(value, bool)
    return isinstance(value, int | float) if shape is float else isinstance(value, int)


def misplaced(member: str, message: str) -> PydanticCustomError:
    """For validators: a mistake in one member of the mapping that is validated."""
    return PydanticCustomError("headgate", "{text}", {"text": message, "member": member})
