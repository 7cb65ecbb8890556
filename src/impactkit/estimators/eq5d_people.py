"""The EQ-5D answers of a study's people before and after, complete at both, with everybody else counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.eq5d import level_table, paretian_classes
from impactkit.data.eq5d.norms import load_population_norms
from impactkit.data.eq5d.reading import Answers, answers_problems, mixed_problems, read_levels, read_profiles
from impactkit.data.eq5d.value_sets import ValueSet, load_value_set
from impactkit.design import ALL
from impactkit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.estimators.eq5d_profile import Eq5dProfile

__all__ = ["Pairs", "read_pairs"]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What each person answered before and after.

    Parameters
    ----------
    before, after : ndarray of int16, shape (n,)
        Positions of the profiles; -1 an answer is missing (or the whole visit), -2 one is impossible.
    levels : int
        3 or 5.
    value_set : ValueSet or None
    expected : ndarray of shape (n,) or None
        The population norm of each person, NaN where age or sex has none.
    remarks : tuple of str
    """

    before: NDArray[np.int16]
    after: NDArray[np.int16]
    levels: int
    value_set: ValueSet | None
    expected: NDArray[np.float64] | None
    remarks: tuple[str, ...]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Who answered everything both times, shape (n,)."""
        return np.asarray((self.before >= 0) & (self.after >= 0))

    def problems(self, place: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Whether each person had any problem on a dimension, before and after; NaN unless complete."""
        return self._both((level_table(self.levels)[:, place] > 1).astype(np.float64))

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Level sum score before and after."""
        return self._both(level_table(self.levels).sum(axis=1, dtype=np.float64))

    def index(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Index before and after."""
        assert self.value_set is not None
        return self._both(self.value_set.values)

    def classes(self) -> NDArray[np.int8]:
        """Paretian class of each person's change; -1 unless complete."""
        found = paretian_classes(np.maximum(self.before, 0), np.maximum(self.after, 0), self.levels)
        return np.where(self.complete, found, np.int8(-1))

    def _both(self, table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        whole = self.complete
        before, after = (np.where(whole, table[np.maximum(states, 0)], np.nan) for states in (self.before, self.after))
        return before, after


def read_pairs(spec: Eq5dProfile, study: StudyData) -> Pairs:
    """Read both visits and check them against each other.

    Raises
    ------
    DataError
        Listing every problem with counts.
    """
    value_set = None if spec.value_set is None else load_value_set(spec.value_set, rounding=spec.rounding)
    levels = 3 if spec.instrument_used == "EQ-5D-3L" else 5
    problems: list[str] = []
    if spec.visit is None:
        before, after = (_read(spec, study, columns, levels, "", problems) for columns in spec.sides(study.design))
    else:
        before, after = _read_long(spec, study, levels, problems)
    remarks: list[str] = []
    names = spec.labels
    groups = {f'{name} ("{spec.name}")': read for name, read in zip(names, (before, after), strict=True)}
    if spec.check_questionnaire and not (problems and levels == 3):
        wrong, remarks = mixed_problems(groups, levels)
        problems += wrong
    if problems:
        raise DataError(list(dict.fromkeys(problems)))
    included = study.population(ALL)
    for name, read in zip(names, (before, after), strict=True):
        odd = int(np.count_nonzero((read.states == -2) & included))
        if odd:
            said = "; ".join(f"{where}: {', '.join(map(repr, wrong))}" for where, wrong in read.impossible.items())
            remarks.append(f"{odd} profiles at {name} have impossible answers and count as missing, as asked ({said})")
    return Pairs(before.states, after.states, levels, value_set, _expected(spec, study), tuple(remarks))


def _read(
    spec: Eq5dProfile, study: StudyData, columns: Sequence[str], levels: int, table: str, problems: list[str]
) -> Answers:
    source = study.table(table)
    taken = [source.column(name) for name in columns]
    read = read_profiles if len(columns) == 1 else read_levels
    answers: Answers = read(taken[0] if len(columns) == 1 else taken, levels, spec.missing)  # type: ignore[arg-type]
    unreadable = [column.name for column in taken if column.kind in ("mixed", "other")]
    if unreadable:
        problems.append(
            f"column `{'`, `'.join(unreadable)}` of {source.words} mixes text and numbers: store it as one of them, "
            "or clean it with score_eq5d() first"
        )
    elif spec.impossible == "error":
        words = ", ".join(f"`{name}`" for name in columns)
        problems += answers_problems(
            answers, levels, f"column{'s' if len(columns) > 1 else ''} {words} of {source.words}"
        )
    return answers


def _read_long(spec: Eq5dProfile, study: StudyData, levels: int, problems: list[str]) -> tuple[Answers, Answers]:
    """Read a linked table with one row per person and visit."""
    table = str(spec.table)
    people, visits = study.person_rows(table), study.factor(str(spec.visit), table)
    answers = _read(spec, study, spec.answer_columns, levels, table, problems)
    found = []
    for label in spec.visit_labels(study.design):
        if label not in visits.labels:
            hint = did_you_mean(label, list(visits.labels))
            problems.append(
                f'column `{spec.visit}` of table "{table}" should hold the visit "{label}"; no row does.{hint} '
                "Correct the label"
            )
            found.append(Answers(np.full(study.n, -1, dtype=np.int16)))
            continue
        rows = np.flatnonzero((visits.codes == visits.labels.index(label)) & (people >= 0))
        owners = people[rows]
        again = rows.size - np.unique(owners).size
        if again:
            problems.append(
                f'each person should have the visit "{label}" once in table "{table}"; {again} rows repeat one: '
                "keep one row each"
            )
        states = np.full(study.n, -1, dtype=np.int16)
        states[owners] = answers.states[rows]
        found.append(Answers(states, answers.missing, answers.impossible))
    return found[0], found[1]


def _expected(spec: Eq5dProfile, study: StudyData) -> NDArray[np.float64] | None:
    if spec.norms is None:
        return None
    sexes = study.factor(str(spec.sex))
    female, male = spec.sexes
    absent = [label for label in (female, male) if label not in sexes.labels]
    others = [label for label in sexes.labels if label not in (female, male)]
    if absent and others:
        raise DataError(
            [
                f"column `{spec.sex}` should say {female!r} or {male!r} for the population norms; "
                f"it has {len(others)} other values: give `sexes=` the words it uses for female and male, in this order"
            ]
        )
    words: dict[str, Any] = {female: "female", male: "male"}
    named = np.array([*(words.get(label) for label in sexes.labels), None], dtype=object)
    return load_population_norms(spec.norms).expected(study.numeric(str(spec.age)), named[sexes.codes])
