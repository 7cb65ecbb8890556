"""Frames made safe to print: no count of fewer than ten people, and no way round it.

Three things give a small count away. The count itself. The other parts of a total it belongs to: hence the
complementary suppression of `impactkit.report.suppression`, over all rows at once. And unrounded results of a
yes/no outcome: with the group sizes known, 16 digits of a difference in proportions are met by one pair of
counts only. So where fewer than ten people stand behind a yes/no outcome its means and its other measures are
withheld, and its difference is rounded to what a table prints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from impactkit.errors import SpecError
from impactkit.report.frames import is_effect, is_test, records
from impactkit.report.rounding import decimal_text, is_missing
from impactkit.report.suppression import THRESHOLD, hide

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Disclosed", "Withheld", "disclose"]

PUBLISHED_NOTE = "From published counts, shown as published."

#: Columns of glance that count people who are not in the analysis; a zero there says nothing about anybody.
_LOST = ("n_missing_outcome", "n_missing_covariates", "n_not_eligible", "n_zero_weight", "n_dropped_strata")
_COUNTS = ("n_assigned", "n_analysed", "n_treated", "n_control", *_LOST)
#: What hiding costs: first those lost, then an arm, then everyone assigned, and the number analysed last.
_COSTS = {"n_assigned": 100.0, "n_analysed": 1000.0, "n_treated": 11.0, "n_control": 10.0}
#: A count of people, or of episodes of theirs, in a sentence of ``notes()``.
_COUNTED = re.compile(
    r"(?<![\w,.–−-])(?<!than )(?<!most )(?<!least )(?P<count>[1-9]\d?)(?: of (?:the )?[\d,]+)? "
    r"(?P<who>people|persons|client is|clients|participants|patients|(?:control )?episodes|fit notes|rows)\b"
)
_TELLING = frozenset({"mcnemar", "mcnemar_exact"})
"""Tests whose p value, however rounded, gives away the few people they rest on."""

_VALUES = ("estimate", "std_error", "conf_low", "conf_high", "statistic", "p_value")
_PLACES = {"estimate": 3, "std_error": 3, "conf_low": 3, "conf_high": 3, "statistic": 2, "p_value": 4}

_CATEGORY = re.compile(r"(?P<of>.+)\[(?P<one>.*)\]|(?P<group>.*: )?(?P<exit>.+) by (?P<time>[0-9.]+)")

Place = tuple[str, str, str]
Risk = tuple[str, str, str]
Variable = tuple[str, ...]


class Withheld(NamedTuple):
    """How many cells of a column were withheld or rounded: counts only, never which."""

    frame: str
    column: str
    under_threshold: int
    complementary: int
    rounded: int


@dataclass(frozen=True, slots=True, eq=False)
class Disclosed:
    """Frames that may be printed or written.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        Copies; columns with a withheld number have dtype object and hold "c" there. ``notes`` says which rows
        rest on published counts.
    withheld : tuple of Withheld
        What was withheld, as numbers of cells.
    """

    tidy: pd.DataFrame
    glance: pd.DataFrame
    notes: pd.DataFrame
    withheld: tuple[Withheld, ...]


def disclose(
    tidy: pd.DataFrame,
    glance: pd.DataFrame,
    notes: pd.DataFrame,
    min_cell: pd.DataFrame,
    *,
    threshold: int = THRESHOLD,
) -> Disclosed:
    """Withhold small counts from the three frames, together.

    Parameters
    ----------
    tidy, glance, notes : DataFrame
        As an evaluation gives them; left as they are.
    min_cell : DataFrame
        Smallest number of people behind each tidy row: analysis, outcome, population, term, ``min_cell``, in
        the order of ``tidy``. NaN marks published counts, which are exempt.
    threshold : int
        Counts under it are withheld.

    Returns
    -------
    Disclosed

    Raises
    ------
    SpecError
        If ``min_cell`` does not go with ``tidy``: a row without its number of people is never printed.

    Notes
    -----
    Equations used: treated + control = analysed; analysed + lost = assigned, where they hold. A count that
    recurs in other rows of the same population counts as one, so it is hidden everywhere or nowhere.
    Populations that differ by a few people can still be subtracted from each other: that is for the author of
    the plan to avoid.

    Examples
    --------
    >>> import pandas as pd
    >>> key = {"analysis": "itt", "outcome": "work", "population": "all"}
    >>> row = {**key, "term": "IPS", "measure": "difference", "unit": "GBP", "estimate": 12.5, "n": 107}
    >>> tidy = pd.DataFrame([row]).reindex(columns=[*row, "std_error", "conf_low", "conf_high", "p_value", "df"])
    >>> glance = pd.DataFrame([{**key, "n_assigned": 107, "n_analysed": 107, "n_treated": 8, "n_control": 99}])
    >>> notes = pd.DataFrame(columns=["analysis", "outcome", "population", "term", "column", "reason"])
    >>> cells = pd.DataFrame([{**key, "term": "IPS", "min_cell": 8.0}])
    >>> disclose(tidy, glance, notes, cells).glance[["n_analysed", "n_treated", "n_control"]].values.tolist()
    [[107, 'c', 'c']]
    """
    from impactkit.report.tables_norms import norm_counts_to_hide

    rows, looks = records(tidy), records(glance)
    people = _people_behind(rows, min_cell)
    published = _published(rows, people)
    hidden, first = _hidden_counts(looks, published, threshold)
    tally: Counter[tuple[str, str, str]] = Counter()

    for look in looks:
        if _place(look) in published:
            continue
        gone = {name for name in _COUNTS if _variable(look, name) in hidden}
        for name in gone:
            small = _variable(look, name) in first
            tally["glance", name, "under" if small else "other"] += 1
            look[name] = "c"
        if "n_analysed" in gone:
            _withhold(look, ("effective_n", "design_df"), "glance", tally)

    originals = {_place(look): look for look in records(glance)}
    for look in records(glance):  # rows of an outcome without a look of its own share that of their population
        originals.setdefault((str(look["analysis"]), "*", str(look["population"])), look)
    risky = _risky_outcomes(rows, people, threshold)
    telling = norm_counts_to_hide([row for row in rows if _place(row) not in published], threshold)
    beside, sizes = _beside_small(rows, people, threshold), _sizes_beside_small(rows, threshold)
    for place, (row, behind) in enumerate(zip(rows, people, strict=True)):
        if _place(row) in published:
            continue
        shared = originals.get((str(row["analysis"]), "*", str(row["population"])), {})
        _protect_count(row, originals.get(_place(row), shared), hidden, first, threshold, tally)
        if (str(row["analysis"]), str(row["outcome"]), str(row["term"])) in telling:
            _withhold(row, ("n",), "tidy", tally)
        if (*_place(row), *_split(str(row["term"]))) in sizes:
            _withhold(row, ("n",), "tidy", tally)
        _protect_values(row, behind, risky, threshold, tally, beside=place in beside)
    return Disclosed(
        tidy=_frame(rows, tidy),
        glance=_frame(looks, glance),
        notes=_with_published(_unsaid(notes, published, threshold), rows, published),
        withheld=_summary(tally),
    )


def _place(row: Any) -> Place:
    return (str(row["analysis"]), str(row["outcome"]), str(row["population"]))


def _people_behind(rows: list[dict[str, Any]], min_cell: pd.DataFrame) -> list[float]:
    cells = records(min_cell)
    names = ("analysis", "outcome", "population", "term")
    if len(cells) != len(rows) or any(
        cell[name] != row[name] for cell, row in zip(cells, rows, strict=True) for name in names
    ):
        raise SpecError(
            f"`min_cell` has {len(cells)} rows and `tidy` {len(rows)}; they must be the same rows in the same order: "
            "take both from the same result"
        )
    return [float("nan") if is_missing(cell["min_cell"]) else float(cell["min_cell"]) for cell in cells]


def _published(rows: list[dict[str, Any]], people: list[float]) -> set[Place]:
    """Give the places all of whose rows rest on published counts."""
    seen: dict[Place, bool] = {}
    for row, behind in zip(rows, people, strict=True):
        seen[_place(row)] = seen.get(_place(row), True) and is_missing(behind)
    return {place for place, exempt in seen.items() if exempt}


def _variable(look: Any, name: str) -> Variable:
    """Name a count so that the same count in another row has the same name."""
    value = look.get(name)
    if is_missing(value) or isinstance(value, str):
        return ()
    outcome = () if name == "n_assigned" else (str(look["outcome"]),)
    return (name, str(look["population"]), str(int(value)), *outcome)


def _hidden_counts(
    looks: list[dict[str, Any]], published: set[Place], threshold: int
) -> tuple[set[Variable], set[Variable]]:
    equations: list[dict[Variable, int]] = []
    first: set[Variable] = set()
    cost: dict[Variable, float] = {}
    zero: set[Variable] = set()
    for look in looks:
        if _place(look) in published:
            continue
        counts = {name: int(look[name]) for name in _COUNTS if _variable(look, name)}
        for name, value in counts.items():
            variable = _variable(look, name)
            cost[variable] = _COSTS.get(name, 1.0)
            if value == 0 and name in _LOST:
                zero.add(variable)
            elif value < threshold:
                first.add(variable)
        for total, parts in (("n_analysed", ("n_treated", "n_control")), ("n_assigned", ("n_analysed", *_LOST))):
            there = [name for name in parts if name in counts]
            if total in counts and there and sum(counts[name] for name in there) == counts[total]:
                equations.append({_variable(look, name): 1 for name in there} | {_variable(look, total): -1})
    return hide(equations, first, cost, known=zero), first


def _split(term: str) -> tuple[str, str]:
    """Part a term such as ``"sex[woman]"`` or ``"job loss by 26"`` into what is shared out and the share."""
    found = _CATEGORY.fullmatch(term)
    if found is None:
        return term, ""
    if found["of"] is not None:
        return found["of"], found["one"]
    return f"{found['group'] or ''}by {found['time']}", found["exit"]


def _risky_outcomes(rows: list[dict[str, Any]], people: list[float], threshold: int) -> set[Risk]:
    """Give yes/no outcomes, by population, with fewer people than the threshold behind any row.

    Categories of one characteristic are a risk to one another, and not to those of another characteristic.
    """
    binary = {
        row["outcome"] for row in rows if row["unit"] == "proportion" or row["measure"] in ("risk_ratio", "odds_ratio")
    }
    return {
        _risk(row) for row, behind in zip(rows, people, strict=True) if row["outcome"] in binary and behind < threshold
    }


def _sizes_beside_small(rows: list[dict[str, Any]], threshold: int) -> set[tuple[str, ...]]:
    """Give the categories whose size must go with the only small size of their characteristic."""
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        characteristic, category = _split(str(row["term"]))
        if category and not is_missing(row["n"]) and not isinstance(row["n"], str):
            groups.setdefault((*_place(row), characteristic), {})[category] = float(row["n"])
    gone = set()
    for group, found in groups.items():
        small = [name for name, size in found.items() if size < threshold]
        others = {name: size for name, size in found.items() if size >= threshold}
        if len(small) == 1 and others:
            gone.add((*group, min(others, key=lambda name: others[name])))
    return gone


def _risk(row: dict[str, Any]) -> Risk:
    characteristic, category = _split(str(row["term"]))
    return (str(row["outcome"]), str(row["population"]), characteristic if category else "")


def _at_risk(row: dict[str, Any], risky: set[Risk]) -> bool:
    """Whether an unrounded number of this row could give a small count of a yes/no outcome away."""
    outcome, population, _ = _risk(row)
    return bool({(outcome, population, ""), (outcome, population, _split(str(row["term"]))[0])} & risky)


def _beside_small(rows: list[dict[str, Any]], people: list[float], threshold: int) -> set[int]:
    """Give, by place, the category that must go with the only small one of its characteristic: the next smallest.

    The total of a characteristic is known, so one withheld share would follow from the others.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        characteristic, category = _split(str(row["term"]))
        if category and not is_effect(str(row["measure"])) and not is_test(str(row["measure"])):
            group = (*_place(row), characteristic, str(row["measure"]))
            groups.setdefault(group, []).append(place)
    gone = set()
    for places in groups.values():
        small = [place for place in places if people[place] < threshold]
        others = [place for place in places if people[place] >= threshold]
        if len(small) == 1 and others:
            gone.add(min(others, key=lambda place: people[place]))
    return gone


def _protect_count(
    row: dict[str, Any],
    look: dict[str, Any],
    hidden: set[Variable],
    first: set[Variable],
    threshold: int,
    tally: Counter[tuple[str, str, str]],
) -> None:
    count: Any = row.get("n")
    if is_missing(count) or isinstance(count, str):
        return
    same = {_variable(look, name) for name in _COUNTS if look.get(name) == count and _variable(look, name)}
    if count < threshold or same & hidden:
        tally["tidy", "n", "under" if count < threshold or same & first else "other"] += 1
        row["n"] = "c"
    if look and _variable(look, "n_analysed") in hidden:
        _withhold(row, ("df",), "tidy", tally)


def _protect_values(
    row: dict[str, Any],
    behind: float,
    risky: set[Risk],
    threshold: int,
    tally: Counter[tuple[str, str, str]],
    *,
    beside: bool,
) -> None:
    measure = str(row["measure"])
    level = not is_effect(measure) and not is_test(measure)
    at_risk = _at_risk(row, risky)
    category = bool(_split(str(row["term"]))[1])
    if level and category:
        at_risk = beside and at_risk  # its own count, or the one that a small one beside it would be given back by
    if level and (behind < threshold or at_risk):
        _withhold(row, (*_VALUES, "df"), "tidy", tally, small=behind < threshold)
    elif at_risk and measure not in _TELLING and (measure == "difference" or is_test(measure)):
        for name in _VALUES:
            value: Any = row.get(name)
            if not is_missing(value) and not isinstance(value, str):
                text = decimal_text(float(value), _PLACES[name], thousands="", minus="-")
                row[name] = float(text.replace("∞", "inf"))
                tally["tidy", name, "rounded"] += 1
    elif at_risk:
        _withhold(row, (*_VALUES, "df"), "tidy", tally)


def _withhold(
    row: dict[str, Any],
    names: Iterable[str],
    frame: str,
    tally: Counter[tuple[str, str, str]],
    *,
    small: bool = False,
) -> None:
    for name in names:
        if not is_missing(row.get(name)) and not isinstance(row[name], str):
            row[name] = "c"
            tally[frame, name, "under" if small else "other"] += 1


def _frame(rows: list[dict[str, Any]], like: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for name in like.columns:
        values = [row[name] for row in rows]
        changed = any(isinstance(value, str) and value == "c" for value in values)
        columns[name] = pd.Series(values, index=like.index, dtype=object if changed else like[name].dtype)
    return pd.DataFrame(columns, columns=like.columns, index=like.index)


def small_counts_unsaid(text: str, threshold: int = THRESHOLD) -> str:
    """Replace small counts of people, or of their episodes, in a sentence.

    Examples
    --------
    >>> small_counts_unsaid("3 of 150 clients have no known outcome; 12 people and 1 client is elsewhere")
    'fewer than 10 clients have no known outcome; 12 people and fewer than 10 clients are elsewhere'
    """

    def fewer(found: re.Match[str]) -> str:
        if int(found["count"]) >= threshold:
            return found[0]
        return f"fewer than {threshold} {'clients are' if found['who'] == 'client is' else found['who']}"

    return _COUNTED.sub(fewer, text)


def _unsaid(notes: pd.DataFrame, published: set[Place], threshold: int) -> pd.DataFrame:
    """Take small counts out of what notes say; the denominator goes too, since neighbouring ones differ by them."""
    told = notes.copy()
    if len(told):
        told["reason"] = [
            row["reason"] if _place(row) in published else small_counts_unsaid(str(row["reason"]), threshold)
            for row in records(notes)
        ]
    return told


def _with_published(notes: pd.DataFrame, rows: list[dict[str, Any]], published: set[Place]) -> pd.DataFrame:
    import pandas as pd

    counted = dict.fromkeys(_place(row) for row in rows if _place(row) in published and not is_missing(row.get("n")))
    extra = [(*place, "", "n", PUBLISHED_NOTE) for place in counted]
    if not extra:
        return notes.copy()
    names = ["analysis", "outcome", "population", "term", "column", "reason"]
    marks = pd.DataFrame(extra, columns=names)
    return pd.concat([notes[names], marks], ignore_index=True) if len(notes) else marks


def _summary(tally: Counter[tuple[str, str, str]]) -> tuple[Withheld, ...]:
    places = sorted({(frame, column) for frame, column, _ in tally})
    return tuple(
        Withheld(
            frame,
            column,
            under_threshold=tally[frame, column, "under"],
            complementary=tally[frame, column, "other"],
            rounded=tally[frame, column, "rounded"],
        )
        for frame, column in places
    )
