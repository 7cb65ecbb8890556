"""Display names for the names in a frame: data keep snake_case, tables show words."""

from __future__ import annotations

from dataclasses import dataclass

from impactkit.report.rounding import is_missing

__all__ = ["Labels", "readable"]

Pairs = tuple[tuple[str, str], ...]


def readable(name: object) -> str:
    """Turn a column-like name into words; leave a name that already has capitals or spaces alone.

    Examples
    --------
    >>> readable("worked_13_weeks"), readable("SCR OOW"), readable("IPS")
    ('Worked 13 weeks', 'SCR OOW', 'IPS')
    """
    if is_missing(name):
        return ""
    text = str(name)
    if text != text.lower() or " " in text:
        return text
    words = text.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True)
class Labels:
    """Names to show, kept apart by kind since an outcome and an analysis may share a name.

    Parameters
    ----------
    outcomes, populations, analyses, terms : tuple of (name, label) pairs
        A name not listed is made readable: ``worked_13_weeks`` prints as "Worked 13 weeks".

    Examples
    --------
    >>> labels = Labels.of(outcomes={"work": "In paid work"}, analyses={"lin": "Lin"})
    >>> labels.outcome("work"), labels.analysis("lin"), labels.analysis("ancova")
    ('In paid work', 'Lin', 'Ancova')
    """

    outcomes: Pairs = ()
    populations: Pairs = ()
    analyses: Pairs = ()
    terms: Pairs = ()

    @classmethod
    def of(
        cls,
        outcomes: dict[str, str] | None = None,
        populations: dict[str, str] | None = None,
        analyses: dict[str, str] | None = None,
        terms: dict[str, str] | None = None,
    ) -> Labels:
        """Build labels from dictionaries."""
        return cls(*(tuple((given or {}).items()) for given in (outcomes, populations, analyses, terms)))

    def outcome(self, name: object) -> str:
        """Give the label of an outcome."""
        return _look_up(self.outcomes, name)

    def population(self, name: object) -> str:
        """Give the label of a population; "all" is everyone in the study."""
        return _look_up((*self.populations, ("all", "Everyone")), name)

    def analysis(self, name: object) -> str:
        """Give the label of an analysis."""
        return _look_up(self.analyses, name)

    def term(self, name: object) -> str:
        """Give the label of a term."""
        return _look_up((*self.terms, ("control_mean", "Control mean")), name)


def _look_up(pairs: Pairs, name: object) -> str:
    return next((label for known, label in pairs if known == name), None) or readable(name)
