"""Score EQ-5D profiles: the index of each, with what could not be scored counted and the value set named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.eq5d import DIMENSIONS, level_table
from impactkit.data.eq5d.reading import (
    Answers,
    Impossible,
    answers_problems,
    mixed_problems,
    read_levels,
    read_profiles,
)
from impactkit.data.eq5d.value_sets import Rounding, ValueSet, load_value_set
from impactkit.data.frames import Columns, read_table
from impactkit.errors import DataError, SpecError, did_you_mean

__all__ = ["Eq5dScores", "score_eq5d"]

Where = str | Sequence[str]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Eq5dScores:
    """The index of each profile, and where it comes from.

    Parameters
    ----------
    value_set : ValueSet
        With its version and citation.
    index : ndarray of shape (n,)
        NaN where not scored. With wide visits the visits follow one another: n is visits times people.
    states : ndarray of int16, shape (n,)
        Position of the profile in ``value_set.profiles``; -1 an answer is missing, -2 one is impossible.
    visits : tuple of str
        The visits in order; empty without visits.
    visit : ndarray of int, shape (n,), or None
        Position in ``visits``; -1 where the visit itself is not given.
    units : ndarray of shape (n,), or None
        Identifiers, as given.
    missing, impossible : mapping
        Answers that are missing or impossible, by visit and dimension.
    remarks : tuple of str
        What a reader of the results should know.

    Examples
    --------
    >>> from impactkit.econ import score_eq5d
    >>> scores = score_eq5d(["11111", "21232", None], "uk_3l_1997")
    >>> scores.index.tolist()
    [1.0, 0.088, nan]
    >>> scores.counts
    {'profiles': 3, 'scored': 2, 'missing': 1, 'impossible': 0}
    """

    value_set: ValueSet
    index: NDArray[np.float64]
    states: NDArray[np.int16]
    visits: tuple[str, ...] = ()
    visit: NDArray[np.integer] | None = None
    units: NDArray[Any] | None = None
    missing: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    impossible: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = self.counts
        return f"<Eq5dScores: {counts['scored']:,} of {counts['profiles']:,} profiles, {self.value_set.id}>"

    @property
    def counts(self) -> dict[str, int]:
        """How many profiles there are, were scored, miss an answer, and have an impossible one."""
        gone, odd = int(np.count_nonzero(self.states == -1)), int(np.count_nonzero(self.states == -2))
        return {
            "profiles": self.states.size,
            "scored": self.states.size - gone - odd,
            "missing": gone,
            "impossible": odd,
        }

    @property
    def level_sum(self) -> NDArray[np.float64]:
        """Sum of the five levels (5 is no problem at all), NaN where not scored; a count, not a value of health."""
        sums = np.append(level_table(self.value_set.levels).sum(axis=1, dtype=np.float64), np.nan)
        return np.asarray(sums[np.where(self.states >= 0, self.states, -1)])

    @property
    def profiles(self) -> NDArray[np.object_]:
        """Each profile as five digits, ``None`` where not scored."""
        names = np.array([*self.value_set.profiles, None], dtype=object)
        return np.asarray(names[np.where(self.states >= 0, self.states, -1)])

    def frame(self) -> Any:
        """Give one row per profile: unit, visit, profile, index, level sum, value set and version."""
        import pandas as pd

        columns: dict[str, Any] = {}
        if self.units is not None:
            columns["unit"] = self.units
        if self.visit is not None:
            columns["visit"] = pd.Categorical.from_codes(self.visit.astype(np.int64), categories=pd.Index(self.visits))
        columns |= {"profile": self.profiles, "index": self.index, "level_sum": self.level_sum}
        frame = pd.DataFrame(columns)
        return frame.assign(value_set=self.value_set.id, version=self.value_set.version)

    def wide(self) -> Any:
        """Give one row per unit and one column of the index per visit."""
        if self.units is None or self.visit is None:
            raise SpecError("wide() needs visits and `unit`: give both to score_eq5d()")
        frame = self.frame()
        wide = frame.pivot(index="unit", columns="visit", values="index")
        wide.columns = [str(name) for name in wide.columns]
        return wide.reindex(columns=list(self.visits))

    def summary(self) -> Any:
        """Give one row per visit: how many were scored, the mean, the spread, and the value set with its citation."""
        import pandas as pd

        groups = [("all", np.ones(self.index.size, dtype=bool))]
        if self.visit is not None:
            groups = [(name, self.visit == place) for place, name in enumerate(self.visits)]
        rows = []
        for name, member in groups:
            states, index = self.states[member], self.index[member]
            index = index[~np.isnan(index)]
            n = index.size
            rows.append(
                {
                    "visit": name,
                    "profiles": states.size,
                    "scored": n,
                    "missing": int(np.count_nonzero(states == -1)),
                    "impossible": int(np.count_nonzero(states == -2)),
                    "mean": index.mean() if n else np.nan,
                    "sd": index.std(ddof=1) if n > 1 else np.nan,
                    "median": np.median(index) if n else np.nan,
                    "lowest": index.min() if n else np.nan,
                    "highest": index.max() if n else np.nan,
                    "full_health": float((states[states >= 0] == 0).mean()) if n else np.nan,
                    "worse_than_dead": float((index < 0).mean()) if n else np.nan,
                    "value_set": self.value_set.id,
                    "version": self.value_set.version,
                    "citation": self.value_set.citation,
                }
            )
        return pd.DataFrame(rows)


def score_eq5d(
    data: Any,
    value_set: str | ValueSet,
    *,
    levels: Sequence[str] | None = None,
    profile: str | None = None,
    visits: Mapping[str, Where] | None = None,
    visit: str | None = None,
    unit: str | None = None,
    impossible: Impossible = "error",
    missing: Sequence[Any] = (),
    rounding: Rounding = "published",
    check_questionnaire: bool = True,
) -> Eq5dScores:
    """Score EQ-5D profiles with a named value set.

    Parameters
    ----------
    data : frame, path, sequence or array
        A frame or file whose columns are named below; or profiles themselves (a list, a Series, a 1-D array); or an
        array of shape (n, 5) of levels.
    value_set : str or ValueSet
        There is no default: :func:`list_value_sets` names them.
    levels : sequence of five str, optional
        Columns of the levels, in the order mobility, self-care, usual activities, pain/discomfort,
        anxiety/depression.
    profile : str, optional
        Column of five-digit profiles (text or whole numbers), in place of ``levels``.
    visits : mapping of str to column or five columns, optional
        A wide table: for each visit its profile column or its five columns of levels.
    visit : str, optional
        A long table: the column that says which visit a row is.
    unit : str, optional
        Column of the person's identifier. In a long table each person may have each visit once.
    impossible : {"error", "missing"}
        What to do with answers that no questionnaire has (6, 0, "2a", 2.5): one error that counts them, or count them
        and leave those profiles unscored.
    missing : sequence, optional
        Codes that mean "no answer", for example ``(9,)``. Empty cells always do.
    rounding : {"published", "exact"}
        See :func:`load_value_set`.
    check_questionnaire : bool
        Refuse data that look like answers to the other questionnaire.

    Returns
    -------
    Eq5dScores

    Raises
    ------
    DataError
        Listing everything that is wrong, with counts.
    SpecError
        If the value set is not known, or it is not clear which columns are meant.

    Notes
    -----
    A profile with one answer missing has no index: nothing is filled in. Answers at level 4 or 5 are not scored with
    a 3L set, whatever ``impossible`` says, because leaving them out would leave out the worst health. Fifty or more
    profiles with a problem and none at level 4 or 5, at one visit, are taken for 3L answers and refused under a 5L set.

    References
    ----------
    Each value set carries its own; see :func:`list_value_sets`.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.econ import score_eq5d
    >>> people = pd.DataFrame({"id": ["a", "b", "c"], "entry": [21345, 11211, 55555], "exit": [11121, 11111, None]})
    >>> scores = score_eq5d(people, "uk_5l_2026", visits={"entry": "entry", "exit": "exit"}, unit="id")
    >>> scores.wide().round(3)
          entry   exit
    unit
    a     0.120  0.944
    b     0.951  1.000
    c    -0.567    NaN
    """
    tariff = load_value_set(value_set, rounding=rounding)
    if impossible not in ("error", "missing"):
        raise SpecError(f'`impossible` must be "error" or "missing", found {impossible!r}')
    table, places, units, visit_codes = _open(data, levels, profile, visits, visit, unit)
    answers, problems = [], list[str]()
    for what, columns in places:
        single = isinstance(columns, str) or len(columns) == 1
        taken = [table[name] for name in ([columns] if isinstance(columns, str) else columns)]
        read = read_profiles(taken[0], tariff.levels, missing) if single else read_levels(taken, tariff.levels, missing)
        answers.append(read)
        if impossible == "error":
            problems += answers_problems(read, tariff.levels, what)
    names = tuple(visits) if visits else ()
    if visit_codes is None:
        groups = dict(zip(names or ("data",), answers, strict=True))
    else:
        names, codes = visit_codes
        groups = _by_visit(answers[0], names, codes) if tariff.levels == 5 else {"data": answers[0]}
    remarks: list[str] = []
    if check_questionnaire and not (problems and tariff.levels == 3):
        wrong, remarks = mixed_problems(groups, tariff.levels)
        problems += wrong
    if visit_codes is not None and units is not None:
        problems += _repeated(units, visit_codes[1])
    if problems:
        raise DataError(problems)
    remarks += [f"{tariff.title}: {tariff.note}"] if tariff.note else []
    if visit_codes is not None and (unnamed := int(np.count_nonzero(visit_codes[1] < 0))):
        remarks.append(f"{unnamed} rows do not say which visit they are; they are scored and in no visit's summary")
    states = answers[0].states if len(answers) == 1 else np.concatenate([read.states for read in answers])
    value = np.append(tariff.values, [np.nan, np.nan])  # the positions -1 and -2 pick the appended NaN
    index = value.take(states, mode="wrap") if states.size else np.empty(0)
    label = names if visits else ("all",)
    return Eq5dScores(
        value_set=tariff,
        index=index,
        states=states,
        visits=names,
        visit=_visit_codes(visits, visit_codes, answers),
        units=None if units is None else (np.tile(units, len(answers)) if len(answers) > 1 else units),
        missing={name: dict(read.missing) for name, read in zip(label, answers, strict=True)},
        impossible={
            name: {dimension: dict(wrong) for dimension, wrong in read.impossible.items()}
            for name, read in zip(label, answers, strict=True)
        },
        remarks=tuple(remarks),
    )


_LongVisits = tuple[tuple[str, ...], NDArray[Any]]
_Places = list[tuple[str, Where]]


def _open(
    data: Any,
    levels: Sequence[str] | None,
    profile: str | None,
    visits: Mapping[str, Where] | None,
    visit: str | None,
    unit: str | None,
) -> tuple[Mapping[str, Any], _Places, NDArray[Any] | None, _LongVisits | None]:
    """Give the columns, which of them to read (with words for them), identifiers, and the visits of a long table."""
    if isinstance(data, list | tuple) or (hasattr(data, "ndim") and not hasattr(data, "columns")):
        given = {"levels": levels, "profile": profile, "visits": visits, "visit": visit, "unit": unit}
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise SpecError(
                f"{', '.join(named)} name columns, and the data are no frame: leave them out or give a frame"
            )
        array = data if hasattr(data, "dtype") else np.array(data, dtype=object)
        if array.ndim == 2 and array.shape[1] == 5:
            taken: dict[str, Any] = {name: array[:, place] for place, name in enumerate(DIMENSIONS)}
            return taken, [("the levels", DIMENSIONS)], None, None
        if array.ndim != 1:
            raise SpecError(f"profiles should be one column, or an array of five columns; found shape {array.shape}")
        return {"profile": array}, [("the profiles", "profile")], None, None
    if sum(asked is not None for asked in (levels, profile, visits)) != 1:
        raise SpecError(
            "say which columns hold the answers, in one way: `levels=` five columns, `profile=` one column of five "
            'digits, or `visits={"entry": ..., "exit": ...}` with either for each visit'
        )
    if visits is not None and visit is not None:
        raise SpecError("`visits` is for a wide table and `visit` for a long one: give one of them")
    places: _Places = []
    for name, where in (visits or {"": profile if profile is not None else tuple(levels or ())}).items():
        if not isinstance(where, str) and len(where) != 5:
            raise SpecError(
                f"levels should name five columns (mobility, self-care, usual activities, pain, anxiety); "
                f"found {len(where)}{f' for visit {name!r}' if name else ''}"
            )
        columns = (where,) if isinstance(where, str) else tuple(where)
        start = f"visit {name!r}: " if name else ""
        places.append(
            (f"{start}{'columns' if len(columns) > 1 else 'column'} {', '.join(f'`{c}`' for c in columns)}", where)
        )
    frame = _Frame(data)
    wanted = [c for _, where in places for c in ((where,) if isinstance(where, str) else where)]
    wanted += [c for c in (unit, visit) if c is not None]
    known = list(frame.names)
    absent = [c for c in dict.fromkeys(wanted) if c not in known]
    if absent:
        raise DataError(
            [f"column `{c}` is missing from the data.{did_you_mean(c, known)} Correct the name" for c in absent]
        )
    units = None if unit is None else np.asarray(frame.values(unit))
    if visit is None:
        return frame, places, units, None
    import pandas as pd

    codes, uniques = pd.factorize(frame.series(visit), sort=True)
    return frame, places, units, (tuple(str(u) for u in uniques), codes)


class _Frame(Mapping[str, Any]):
    """Columns of any frame: pandas Series as they are, others in canonical form."""

    def __init__(self, data: Any) -> None:
        self._pandas = data if _is_pandas(data) else None
        self._columns: Columns | None = None if self._pandas is not None else read_table(data)
        self.names = tuple(str(name) for name in (data.columns if self._columns is None else self._columns.names))

    def __getitem__(self, name: str) -> Any:
        return (
            self._pandas[name] if self._columns is None and self._pandas is not None else self._canonical().column(name)
        )

    def __iter__(self) -> Any:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def values(self, name: str) -> Any:  # type: ignore[override]
        return self._pandas[name].to_numpy() if self._pandas is not None else self._canonical()[name]

    def series(self, name: str) -> Any:
        import pandas as pd

        return self._pandas[name] if self._pandas is not None else pd.Series(self._canonical()[name])

    def _canonical(self) -> Columns:
        assert self._columns is not None
        return self._columns


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.startswith("pandas") and hasattr(data, "columns")


def _by_visit(answers: Answers, names: tuple[str, ...], codes: NDArray[Any]) -> dict[str, Answers]:
    return {f"visit {name!r}": Answers(answers.states[codes == place]) for place, name in enumerate(names)}


def _visit_codes(
    visits: Mapping[str, Where] | None, found: _LongVisits | None, answers: Sequence[Answers]
) -> NDArray[np.integer] | None:
    if found is not None:
        return found[1]
    if not visits:
        return None
    return np.repeat(np.arange(len(answers)), [read.states.size for read in answers])


def _repeated(units: NDArray[Any], codes: NDArray[Any]) -> list[str]:
    import pandas as pd

    extra = int(pd.DataFrame({"unit": units, "visit": codes}).duplicated().sum())
    if not extra:
        return []
    return [f"each person should have each visit once; {extra} rows repeat a person and visit: keep one row each"]
