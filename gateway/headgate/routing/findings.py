"""What is wrong, or doubtful, in the documents that routing is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headgate.config.budget import Budget
from headgate.config.catalog import Catalog
from headgate.config.experiment import Experiment
from headgate.config.policy import Overlay, Policy

Document: TypeAlias = Catalog | Policy | Overlay | Experiment | Budget

Severity: TypeAlias = Literal["error", "warning", "note"]
"""An error or a warning fails `headgate policy lint`; a note is something to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark: the document, the path of keys and indices to the place in it, a sentence."""

    document: Document
    place: tuple[str | int, ...]
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        document = self.document
        name = document.metadata.name if document.metadata else ""
        where = " ".join(filter(None, (document.kind, name)))
        return f"{where}: {'.'.join(map(str, self.place))}: {self.message}"


class PolicyError(Exception):
    """Documents that contradict each other or themselves."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, self.findings)))
