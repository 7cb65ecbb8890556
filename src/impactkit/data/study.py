"""A design and its data, checked against each other once; every analysis reads from here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from impactkit.data.checks import cell_problems, presence_problems
from impactkit.data.coding import matching_rows, unit_positions
from impactkit.data.columns import Bools, Codes, Column, Factor, Floats, frozen
from impactkit.data.frames import Columns, open_tables
from impactkit.data.needs import ColumnNeed, key_columns, outcome_needs
from impactkit.data.outcomes import OutcomeColumn, read_outcome, resolve_outcome
from impactkit.data.validation import Assignment, validate
from impactkit.design import ALL, Design
from impactkit.errors import DataError, SpecError

__all__ = ["Covariates", "StudyData"]

MOST_LEVELS = 200
"""A text covariate with more levels than this is taken for a mistake (an id, an address)."""


@dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """Covariates as a matrix of numbers.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, p)
        NaN where missing.
    names : tuple of str
        One per column of the matrix, for example ``"age"`` or ``"occupation[sales workers]"``.
    source : tuple of str
        The column of the data each came from.
    """

    matrix: Floats
    names: tuple[str, ...]
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StudyData:
    """A design and its data, checked against each other once and read as numpy arrays.

    Use :meth:`read` to make one. Columns are converted when they are first used; the frames given are
    never changed, and the arrays handed out are read-only. All arrays of people are in the order of the
    person table.

    Parameters
    ----------
    design : Design
    n : int
        Number of rows of the person table.
    units : ndarray, shape (n,)
        Their identifiers: integers, numbers or text.
    data_hash : str
        SHA-256 of the columns that are used, the same from pandas, polars, Arrow, DuckDB, CSV or Parquet.
    seed : int or None
        Seed of everything random that is done with the study.
    notes : tuple of str
        What reading did that a reader of the results should know.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.data import StudyData
    >>> from impactkit.design import Outcome, Population, TrialDesign
    >>> people = pd.DataFrame({
    ...     "person_id": ["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"],
    ...     "arm": ["IPS", "usual"] * 4,
    ...     "site": ["SCR"] * 4 + ["WMCA"] * 4,
    ...     "worked_13_weeks": [1, 0, 1, 1, 0, 0, 1, None],
    ... })
    >>> design = TrialDesign(
    ...     unit="person_id", arm="arm", treated="IPS", control="usual", strata="site",
    ...     outcomes=(Outcome(name="employment", column="worked_13_weeks", kind="binary"),),
    ...     populations=(Population(name="SCR", where=(("site", "SCR"),)),),
    ... )
    >>> study = StudyData.read(people, design, outcomes=["employment"])
    >>> study.arm, study.strata_labels
    (array([1, 0, 1, 0, 1, 0, 1, 0], dtype=int8), ('site=SCR', 'site=WMCA'))
    >>> float(study.outcome("employment").values[study.population("SCR")].mean())
    0.75

    A design that does not fit the data is told about everything at once:

    >>> StudyData.read(people.rename(columns={"site": "area"}), design.replace(treated="ips"))
    Traceback (most recent call last):
    impactkit.errors.DataError: 3 problems with the data:
    ...
    """

    design: Design
    n: int
    units: NDArray[Any]
    data_hash: str
    seed: int | None = None
    notes: tuple[str, ...] = ()
    _tables: dict[str, Columns] = field(default_factory=dict)
    _assignment: Assignment = field(default_factory=Assignment)
    _outcomes: dict[str, OutcomeColumn] = field(default_factory=dict)
    _cache: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls, data: Any, design: Design, *, needs: Sequence[ColumnNeed] = (), outcomes: Sequence[str] = ()
    ) -> StudyData:
        """Open the data and check them in one pass.

        Parameters
        ----------
        data : frame, path, mapping or None
            One frame (pandas, polars, pyarrow, a DuckDB relation, or anything else narwhals reads), the
            path of a ``.csv`` or ``.parquet`` file, or a mapping from table names to those. ``None``
            stands for a study without person data, for example one of published counts.
        design : Design
        needs : sequence of ColumnNeed
            What the analyses need beyond the design and the outcomes.
        outcomes : sequence of str
            Outcomes the analyses read: declared names, or columns whose kind is then inferred (only 0 and
            1, or truth values, is binary; other numbers are continuous). Declared outcomes that are not
            named here are checked when they are asked for.

        Returns
        -------
        StudyData

        Raises
        ------
        DataError
            Listing every problem with counts, never a record.
        """
        tables, problems = open_tables(data, design.table, key_columns(design))
        asked = [_placed(need, design) for need in needs]
        if not tables and not problems:
            asking = dict.fromkeys([*(need.by for need in asked), *(f'outcome "{name}"' for name in outcomes)])
            if asking:
                raise DataError([_no_people(f"needed by {', '.join(asking)}")])
            return cls(design, 0, frozen(np.zeros(0, dtype=object)), hashlib.sha256().hexdigest())
        checked = validate(tables, design, asked, outcomes, several=isinstance(data, Mapping))
        problems += checked.problems
        if problems:
            raise DataError(problems)
        people = tables[""]
        return cls(
            design,
            people.size,
            _identifiers(people.column(design.unit)),
            _digest(tables, checked.used),
            notes=(*checked.notes, *_remarks(tables, checked.used)),
            _tables=tables,
            _assignment=checked.assignment,
            _outcomes=checked.outcomes,
        )

    def __repr__(self) -> str:
        tables = ", ".join(f"{name or self.design.table}: {table.size:,}" for name, table in self._tables.items())
        return f"StudyData({tables or 'no person data'}; seed={self.seed}; hash {self.data_hash[:12]})"

    @property
    def arm(self) -> NDArray[np.int8] | None:
        """Arm of each person: 0 control, j the j-th treated label, -1 an ignored arm; ``None`` without arms."""
        self._people()
        return self._assignment.arm

    @property
    def strata(self) -> Codes | None:
        """Stratum of each person: a position in :attr:`strata_labels`, -1 in ignored arms; ``None`` without strata."""
        self._people()
        return None if self._assignment.strata is None else self._assignment.strata.codes

    @property
    def strata_labels(self) -> tuple[str, ...]:
        """Combinations of stratum columns that occur, such as ``"site=SCR, group=OOW"``, sorted."""
        return () if self._assignment.strata is None else self._assignment.strata.labels

    @property
    def clusters(self) -> Codes | None:
        """Cluster of each person, numbered by sorted label; -1 in ignored arms, ``None`` without clusters."""
        self._people()
        return None if self._assignment.clusters is None else self._assignment.clusters.codes

    def population(self, name: str) -> Bools:
        """Mark the people of a declared population, or of ``"all"``; ignored arms are in none.

        Raises
        ------
        SpecError
            If the population is not declared.
        """
        people = self._people()
        key = ("population", name)
        if key not in self._cache:
            declared = self.design.population(name)
            included = self._assignment.included
            rows = included if declared is None or name == ALL else included & matching_rows(declared.where, people)
            self._cache[key] = frozen(rows)
        found: Bools = self._cache[key]
        return found

    def outcome(self, name: str) -> OutcomeColumn:
        """Give an outcome's values, weights and who is eligible.

        Raises
        ------
        DataError
            If it was not named to :meth:`read` and does not pass the checks.
        """
        people = self._people()
        if name not in self._outcomes:
            spec = resolve_outcome(name, self.design, people)
            if isinstance(spec, str):
                raise DataError([spec])
            weights = self.design.weights_of(spec)
            self._check(outcome_needs(spec, weights))
            column, problems = read_outcome(spec, weights, people, self._assignment.included)
            if column is None:
                raise DataError(problems)
            self._outcomes[name] = column
        return self._outcomes[name]

    def with_outcome(self, column: OutcomeColumn) -> Self:
        """Give the same study with an outcome that was made from its data, under the name in its spec.

        An analysis that needs a derived outcome (receipt of the programme as an outcome, a top-coded amount)
        then estimates it as any other; the data and their hash stay as they are.
        """
        return replace(self, _outcomes={**self._outcomes, column.spec.name: column})

    def with_covariate(self, name: str, values: Floats) -> Self:
        """Give the same study with a covariate that was made from its data: ``covariates((name,))`` then finds it."""
        made = Covariates(frozen(np.asarray(values, dtype=np.float64)[:, None]), (name,), (name,))
        return replace(self, _cache={**self._cache, ("covariates", name): made})

    def plain(self) -> Self:
        """Give the same study without strata, clusters and weights, for an analysis asked to set them aside."""
        design = self.design.replace(strata=(), clusters=None, weights=None)
        return replace(self, design=design, _assignment=replace(self._assignment, strata=None, clusters=None))

    def numeric(self, column: str, table: str = "") -> Floats:
        """Give a column of numbers (truth values as 0 and 1) as float64, NaN where missing.

        Raises
        ------
        DataError
            If the column is missing or does not hold finite numbers.
        """
        return frozen(cast(Floats, self._column(column, table, "numeric").numbers))  # the check saw that it has them

    def factor(self, column: str, table: str = "") -> Factor:
        """Give a column as groups: in the frame's own order of categories if it has one, else sorted."""
        key = ("factor", self._name(table), column)
        if key not in self._cache:
            self._cache[key] = self._column(column, table, "factor").factor()
        factor: Factor = self._cache[key]
        return factor

    def covariates(self, names: Sequence[str]) -> Covariates:
        """Give covariates as a matrix: numbers as they are; text, categories and truth values as dummies.

        The first level that occurs is the reference. Levels that occur only in ignored arms get no dummy.

        Raises
        ------
        DataError
            If a column is missing, holds dates, or is text with so many levels that it must be a mistake.
        """
        key = ("covariates", *names)
        if key not in self._cache:
            blocks: list[Floats] = []
            labels: list[str] = []
            source: list[str] = []
            for name in names:
                for label, values in self._dummies(name):
                    blocks.append(values)
                    labels.append(label)
                    source.append(name)
            matrix = np.column_stack(blocks) if blocks else np.zeros((self._people().size, 0))
            self._cache[key] = Covariates(frozen(matrix), tuple(labels), tuple(source))
        covariates: Covariates = self._cache[key]
        return covariates

    def table(self, name: str) -> Columns:
        """Give a table of the study as a mapping from column names to read-only arrays."""
        key = self._name(name)
        if key not in self._tables:
            if not key:
                raise DataError([_no_people("an analysis asks for them")])
            known = ", ".join(f'"{table or self.design.table}"' for table in self._tables) or "none"
            raise DataError([f'table "{name}" is missing; the data have {known}: give data as a mapping that has it'])
        return self._tables[key]

    def person_rows(self, table: str) -> NDArray[np.int64]:
        """Give, for each row of a linked table, the person's row in the person table (-1 without an id)."""
        link = next((link for link in self.design.links if link.table == table), None)
        unit = self.design.unit if link is None or link.unit is None else link.unit
        self._check([ColumnNeed(unit, "any", f'the link to table "{table}"', table)])
        positions = unit_positions(self._people().column(self.design.unit), self.table(table).column(unit))
        if positions is None:
            raise DataError([f'ids of the person table and of table "{table}" are stored differently: convert one'])
        rows: NDArray[np.int64] = frozen(positions)
        return rows

    def with_seed(self, seed: int) -> Self:
        """Give the same study with a seed.

        Raises
        ------
        SpecError
            If the seed is not a whole number of 0 or more.
        """
        if not _is_whole(seed) or seed < 0:
            raise SpecError(f"a seed should be a whole number of 0 or more; got {seed!r}: choose one and write it down")
        return replace(self, seed=int(seed))

    def rng(self, name: str) -> np.random.Generator:
        """Give a random generator for one purpose; the same seed and name always give the same stream.

        Raises
        ------
        SpecError
            If the study has no seed.
        """
        if self.seed is None:
            raise SpecError(f'"{name}" draws random numbers and no seed was given: pass seed=, for example fit(seed=1)')
        words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=tuple(words.tolist())))

    def _name(self, table: str) -> str:
        return "" if table == self.design.table else table

    def _people(self) -> Columns:
        return self.table("")

    def _check(self, needs: Sequence[ColumnNeed]) -> None:
        """Check columns that nobody announced; those that were announced have passed already."""
        for need in needs:
            self.table(need.table)
        problems, met = presence_problems(self._tables, needs, self.design.table)
        for need in met:
            table = self._tables[need.table]
            problems += cell_problems(table.column(need.column), table.words, [need])
        if problems:
            raise DataError(list(dict.fromkeys(problems)))

    def _column(self, name: str, table: str, role: Any) -> Column:
        where = self._name(table)
        key = ("checked", where, name, role)
        if key not in self._cache:
            self._check([ColumnNeed(name, role, "an analysis", where)])
            self._cache[key] = True
        return self.table(table).column(name)

    def _dummies(self, name: str) -> list[tuple[str, Floats]]:
        column = self._column(name, "", "factor")
        if column.kind == "number" and column.declared is None:
            return [(name, self.numeric(name))]
        words = self._people().words
        if column.kind == "date":
            raise DataError([f"covariate `{name}` of {words} holds dates: give a length of time as a number instead"])
        factor = column.factor()
        if len(factor.labels) > MOST_LEVELS:
            raise DataError(
                [
                    f"covariate `{name}` of {words} should be a number or have few levels; it is text with "
                    f"{len(factor.labels):,} levels (limit {MOST_LEVELS}): group them or leave it out"
                ]
            )
        used = factor.codes[self._assignment.included & (factor.codes >= 0)]
        occurring = np.flatnonzero(np.bincount(used, minlength=len(factor.labels)))
        empty = factor.codes < 0
        return [
            (f"{name}[{factor.labels[code]}]", np.where(empty, np.nan, (factor.codes == code).astype(np.float64)))
            for code in occurring[1:]
        ]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _placed(need: ColumnNeed, design: Design) -> ColumnNeed:
    return replace(need, table="") if need.table == design.table else need


def _no_people(why: str) -> str:
    return f"this study has no person data; {why}: pass data= a frame, a path or a mapping of tables"


def _identifiers(column: Column) -> NDArray[Any]:
    values = column.values()
    if values.dtype == np.float64 and bool((values == np.floor(values)).all()):
        values = frozen(values.astype(np.int64))
    return values


def _digest(tables: Mapping[str, Columns], used: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for table, name in sorted(set(used)):
        digest.update(f"{len(table.encode())}:{table}:".encode())
        tables[table].column(name).update(digest)
    return digest.hexdigest()


def _remarks(tables: Mapping[str, Columns], used: Iterable[tuple[str, str]]) -> list[str]:
    by_table: dict[str, list[str]] = {}
    for table, name in sorted(set(used)):
        by_table.setdefault(table, []).append(name)
    return [remark for table, names in by_table.items() for remark in tables[table].remarks(names)]
