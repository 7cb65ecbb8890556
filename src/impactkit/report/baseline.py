"""What Table 1 and the love plot both read: the lines of a balance analysis, and which of their counts are safe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impactkit.report.frames import records
from impactkit.report.rounding import is_missing
from impactkit.report.suppression import THRESHOLD, hide

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BaselineLine", "BaselinePart", "baseline_parts", "split_arm"]

_REST = "the others"


@dataclass(frozen=True, slots=True, eq=False)
class BaselineLine:
    """One line of Table 1 in one population.

    Parameters
    ----------
    covariate, level : str
        The level is "" for a number, and for a characteristic coded 0 and 1.
    numbers : mapping of (arm, measure) to value
    hidden : frozenset of str
        Arms whose count must not be printed, nor anything that gives it away.
    no_share : frozenset of str
        Arms whose share must not be printed: with its count it would give away how many have no value.
    """

    covariate: str
    level: str
    numbers: Mapping[tuple[str, str], float]
    hidden: frozenset[str]
    no_share: frozenset[str]

    def withheld(self, *arms: str) -> bool:
        """Whether a comparison of these arms must be withheld."""
        return bool(set(arms) & (self.hidden | self.no_share))

    @property
    def is_share(self) -> bool:
        """Whether the line counts people."""
        return any(measure == "proportion" for _, measure in self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class BaselinePart:
    """A balance analysis in one population.

    Parameters
    ----------
    population : str
    arms : tuple of str
        Control first.
    sizes : mapping of arm to number of people, "c" where withheld
    lines : tuple of BaselineLine
    tests : tuple of tidy rows
        Joint tests, and those of single covariates.
    """

    population: str
    arms: tuple[str, ...]
    sizes: Mapping[str, Any]
    lines: tuple[BaselineLine, ...]
    tests: tuple[Mapping[str, Any], ...]


def split_arm(term: str, arms: Sequence[str]) -> tuple[str, str]:
    """Split a term into what it is about and the arm; the arm is "" when it names none.

    Examples
    --------
    >>> split_arm("female, IPS", ("usual", "IPS")), split_arm("IPS", ("usual", "IPS")), split_arm("assessed", ("IPS",))
    (('female', 'IPS'), ('', 'IPS'), ('assessed', ''))
    """
    for arm in sorted(arms, key=len, reverse=True):
        if term == arm:
            return "", arm
        if term.endswith(f", {arm}"):
            return term.removesuffix(f", {arm}"), arm
    return term, ""


def baseline_parts(
    tidy: pd.DataFrame, *, threshold: int = THRESHOLD, sealed: Collection[str] = ()
) -> tuple[BaselinePart, ...]:
    """Read the rows of one balance analysis, population by population.

    Parameters
    ----------
    tidy : DataFrame
        Rows as the analysis gives them, with no count withheld yet.
    threshold : int
        Counts under it are withheld, and enough others that none can be worked out.
    sealed : collection of str
        Populations in which the size of each arm must be withheld, since other tables would give a count away.
    """
    rows = records(tidy)
    return tuple(
        _part([row for row in rows if row["population"] == name], threshold, sealed=name in sealed)
        for name in dict.fromkeys(row["population"] for row in rows)
    )


def _part(rows: list[dict[str, Any]], threshold: int, *, sealed: bool) -> BaselinePart:
    sized = [row for row in rows if not row["outcome"] and row["measure"] == "count"]
    arms = tuple(str(row["term"]) for row in sized)
    sizes = {str(row["term"]): row["estimate"] for row in sized}
    found: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    tests = []
    for row in rows:
        if str(row["measure"]).startswith("omnibus"):
            tests.append(row)
        elif row["outcome"]:
            level, arm = split_arm(str(row["term"]), arms)
            found.setdefault((str(row["outcome"]), level), {})[arm, str(row["measure"])] = row["estimate"]
    hidden = _hidden(arms, sizes, found, threshold, sealed=sealed)
    tiny = {arm for arm, size in sizes.items() if not is_missing(size) and size < threshold}
    blocked = {arm for arm in arms if ("", "", arm) in hidden}
    lines = []
    for (covariate, level), numbers in found.items():
        gone = {arm for arm in arms if (covariate, level, arm) in hidden} | tiny
        unshared = blocked | {arm for arm in arms if (covariate, "missing", arm) in hidden}
        share = any(measure == "proportion" for _, measure in numbers)
        lines.append(
            BaselineLine(covariate, level, numbers, frozenset(gone), frozenset(unshared if share else blocked & tiny))
        )
    shown = {arm: "c" if ("", "", arm) in hidden else size for arm, size in sizes.items()}
    return BaselinePart(str(rows[0]["population"]), arms, shown, tuple(lines), tuple(tests))


def _hidden(
    arms: tuple[str, ...],
    sizes: Mapping[str, Any],
    found: Mapping[tuple[str, str], Mapping[tuple[str, str], float]],
    threshold: int,
    *,
    sealed: bool,
) -> set[tuple[str, str, str]]:
    """Choose the cells to withhold: levels and those without a value add to the arm, arms to everybody."""
    if any(is_missing(size) for size in sizes.values()):
        return set()
    counts: dict[tuple[str, str, str], float] = {("", "", arm): float(sizes[arm]) for arm in arms}
    equations: list[dict[tuple[str, str, str], int]] = [{("", "", arm): 1 for arm in arms}]
    known: set[tuple[str, str, str]] = set()
    for covariate in dict.fromkeys(name for name, _ in found):
        levels = {level: numbers for (name, level), numbers in found.items() if name == covariate}
        for arm in arms:
            parts: dict[tuple[str, str, str], float] = {}
            for level, numbers in levels.items():
                count = numbers.get((arm, "count"))
                if count is not None:
                    parts[covariate, level, arm] = float(count)
                    if level == "missing" and not count:
                        known.add((covariate, level, arm))
            if set(levels) <= {"", "missing"}:  # a number, or one share: the rest are not printed, yet follow
                parts[covariate, _REST, arm] = float(sizes[arm]) - sum(parts.values())
            counts |= parts
            equations.append({place: 1 for place in parts} | {("", "", arm): -1})
    first = {place for place, count in counts.items() if count < threshold and place not in known}
    first |= {("", "", arm) for arm in arms if sealed}
    everybody = sum(float(size) for size in sizes.values())
    levels_of = {place[:2] for place in counts}
    size = {level: sum(counts[place] for place in counts if place[:2] == level) for level in levels_of}
    # The same level is withheld in every arm where possible: its difference is then lost once, not several times.
    cost = {place: size[place[:2]] + (0.0 if place[0] else everybody) for place in counts}
    cost |= {place: 0.0 for place in counts if place[1] == _REST}  # not printed in any case
    chosen = hide(equations, first, cost, known=known)
    small = {(covariate, "", arm) for covariate, level, arm in first if level == _REST}
    return chosen | small
