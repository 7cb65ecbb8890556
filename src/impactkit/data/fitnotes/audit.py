"""What every rule did: counts in which each note and each episode is accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "AuditLine"]

Role = Literal["in", "out", "kept", "of which"]
Unit = Literal["notes", "episodes", "patients", "days", "gaps", "diagnoses"]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One count.

    Parameters
    ----------
    item : str
    count : int
    unit : {"notes", "episodes", "patients", "days", "gaps", "diagnoses"}
    role : {"in", "out", "kept", "of which"}
        What comes in equals what is left out, reason by reason, and what is kept; the rest describes.
    rule : str
        The rule that did it, with its value.
    """

    item: str
    count: int
    unit: Unit
    role: Role = "of which"
    rule: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """All counts, in the order in which the rules are applied.

    Parameters
    ----------
    lines : tuple of AuditLine
    warnings : tuple of str
        What the data cannot show and a reader of any result should know.

    Examples
    --------
    >>> audit = Audit((AuditLine("notes in the table", 3, "notes", "in"), AuditLine("copies", 1, "notes", "out"),
    ...                AuditLine("notes used", 2, "notes", "kept")))
    >>> audit["copies"], audit.balance("notes")
    (1, 0)
    """

    lines: tuple[AuditLine, ...]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found = f"{self['notes in the table']:,} notes in, {self['notes used']:,} used"
        return f"<Audit: {found}; {len(self.lines)} counts>"

    def __iter__(self) -> Iterator[AuditLine]:
        return iter(self.lines)

    def __getitem__(self, item: str) -> int:
        """Give one count; 0 when nothing of the kind was found."""
        return next((line.count for line in self.lines if line.item == item), 0)

    def balance(self, unit: str) -> int:
        """Give what came in less what was left out and kept: 0 when everything is accounted for."""
        sign = {"in": 1, "out": -1, "kept": -1, "of which": 0}
        return sum(sign[line.role] * line.count for line in self.lines if line.unit == unit)

    def remarks(self) -> Sequence[str]:
        """Say in one sentence each what was left out and what a reader should know."""
        said = list(self.warnings)
        for unit in ("notes", "episodes"):
            whole = next((line.count for line in self.lines if line.unit == unit and line.role == "in"), 0)
            out = [f"{line.count:,} {line.item}" for line in self.lines if line.unit == unit and line.role == "out"]
            kept = next((line.count for line in self.lines if line.unit == unit and line.role == "kept"), 0)
            if whole:
                left_out = f" ({', '.join(out)} left out)" if out else ""
                said.append(f"fit notes to episodes: {kept:,} of {whole:,} {unit} used{left_out}")
        return said

    def frame(self) -> pd.DataFrame:
        """Give one row per count."""
        import pandas as pd

        columns = ("item", "count", "unit", "role", "rule")
        return pd.DataFrame([[getattr(line, name) for name in columns] for line in self.lines], columns=list(columns))
