"""Percentages by characteristic with a test of association, from person rows or from published counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.design import ALL, Design, Spec
from impactkit.errors import NotEstimableError, RefusalError
from impactkit.results import Estimates, Influence, Note, RowInfluence, RowKey, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["CountRow", "CrossTab"]

Test = Literal["chi_square", "likelihood_ratio", "fisher_exact", "trend"]


class CountRow(Spec):
    """One published row: how many people are in a category, and how many of them had the outcome.

    Parameters
    ----------
    characteristic : str
        For example ``"Gender"``.
    category : str
        For example ``"Female"``.
    n, count : int
        People in the category, and those with the outcome.
    """

    characteristic: str = Field(min_length=1)
    category: str = Field(min_length=1)
    n: int = Field(strict=True, ge=0)
    count: int = Field(strict=True, ge=0)

    @model_validator(mode="after")
    def _part_of_whole(self) -> Self:
        if self.count > self.n:
            raise ValueError(f"{self.characteristic}, {self.category}: {self.count} of {self.n} is more than all")
        return self


class CrossTab(Analysis):
    r"""Share with an outcome by category, and whether it differs between categories.

    Use it to describe who returned to work, or to recompute a published table of counts. It describes an
    association: it is not an impact.

    Parameters
    ----------
    name : str
    outcome : str
        A binary outcome; with ``counts`` only its name.
    by : str or tuple of str
        Columns with the categories; left out with ``counts``.
    counts : tuple of CountRow
        Published counts instead of person rows.
    test : {"chi_square", "likelihood_ratio", "fisher_exact", "trend"}
        Pearson's chi-square without continuity correction by default; ``"trend"`` is Cochran-Armitage over
        the order of the categories.
    populations : tuple of str, optional
    ignore : tuple of {"strata", "clusters", "weights"}
        What the design declares and this table knowingly sets aside; every result then says so.
    conf_level : float

    Returns
    -------
    Estimates
        Per characteristic a ``proportion`` row for each category, with Wilson limits, then a test row.

    Notes
    -----
    :math:`X^2 = \sum (O - E)^2 / E` on (categories − 1) degrees of freedom. People without the outcome or
    the characteristic are left out of that characteristic and counted.

    References
    ----------
    DWP Research Report 896 (2015), Appendix C: Tables C.3, C.10, C.17 and C.22.

    Examples
    --------
    Return to work by gender in Greater Manchester (Table C.3 prints 58.0, 59.6 and p = 0.83):

    >>> import impactkit as ik
    >>> from impactkit.estimators.crosstab import CountRow
    >>> table = ik.CrossTab(name="c3", outcome="returned to work", counts=(
    ...     CountRow(characteristic="Gender", category="Male", n=69, count=40),
    ...     CountRow(characteristic="Gender", category="Female", n=99, count=59)))
    >>> rows = ik.Evaluation(None, None, [table]).fit().tidy()
    >>> rows["estimate"].round(3).tolist()[:2], round(float(rows["p_value"][2]), 2)
    ([0.58, 0.596], 0.83)
    """

    honours: ClassVar[frozenset[str]] = frozenset({"populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})

    kind: Literal["cross_tab"] = "cross_tab"
    outcome: str = Field(min_length=1)
    by: str | tuple[str, ...] = ()
    counts: tuple[CountRow, ...] = ()
    test: Test = "chi_square"
    populations: tuple[str, ...] | None = None
    ignore: tuple[Literal["strata", "clusters", "weights"], ...] = ()
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.by) == bool(self.counts):
            raise ValueError("give either `by` (columns of person rows) or `counts` (published), not both or neither")
        return self

    def uses_people(self) -> bool:
        return not self.counts

    def outcome_names(self) -> tuple[str, ...]:
        return () if self.counts else (self.outcome,)

    def characteristics(self) -> tuple[str, ...]:
        """Columns with categories."""
        return (self.by,) if isinstance(self.by, str) and self.by else tuple(self.by)

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        return tuple(
            ColumnNeed(column=name, role="factor", by=f'analysis "{self.name}"') for name in self.characteristics()
        )

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        declared = design.outcome(self.outcome) if design is not None and self.uses_people() else None
        if declared is not None and declared.kind != "binary":
            said.append(_not_binary(self, declared.kind))
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        table = _Table(self)
        if self.counts:
            for characteristic in dict.fromkeys(row.characteristic for row in self.counts):
                rows = [row for row in self.counts if row.characteristic == characteristic]
                table.add(
                    ALL,
                    characteristic,
                    labels=[row.category for row in rows],
                    n=np.array([row.n for row in rows]),
                    count=np.array([row.count for row in rows]),
                    influence=None,
                )
            table.glance(ALL, evidence="", n=None)
            return table.estimates(None)
        for population in self.chosen_populations(study.design):
            for characteristic in self.characteristics():
                _count(self, study, population, characteristic, table)
        return table.estimates(study)


def _not_binary(spec: CrossTab, kind: str) -> str:
    return (
        f'CrossTab "{spec.name}" counts people with a binary outcome, and "{spec.outcome}" is {kind}: '
        'declare an outcome of kind="binary", with the value that counts as 1 in `event`.'
    )


def _count(spec: CrossTab, study: StudyData, population: str, characteristic: str, table: _Table) -> None:
    column, factor = study.outcome(spec.outcome), study.factor(characteristic)
    if column.spec.kind != "binary":  # not declared: its kind was read from the column
        raise RefusalError(_not_binary(spec, column.spec.kind))
    inside = study.population(population) & column.eligible
    observed = inside & ~np.isnan(column.values)
    member = observed & (factor.codes >= 0)
    codes, answers = factor.codes[member], column.values[member]
    n = np.bincount(codes, minlength=len(factor.labels))
    count = np.bincount(codes, weights=answers, minlength=len(factor.labels)).astype(int)
    places = np.flatnonzero(member)
    share = np.divide(count, n, out=np.full(len(n), np.nan), where=n > 0)
    influence = [
        RowInfluence(places[codes == level], (answers[codes == level] - share[level]) / n[level]) if n[level] else None
        for level in range(len(n))
    ]
    table.add(population, characteristic, labels=list(factor.labels), n=n, count=count, influence=influence)
    missing = int(observed.sum() - member.sum())
    if missing:
        table.remarks.append(
            spec.note(
                f"{missing} people with an outcome have no value of `{characteristic}` and are left out of it",
                outcome=spec.outcome,
                population=population,
                term=characteristic,
            )
        )
    table.glance(
        population,
        evidence=study.design.evidence,
        n=int(observed.sum()),
        assigned=int(inside.sum()),
        missing_outcome=int(inside.sum() - observed.sum()),
    )


class _Table:
    """Rows under construction."""

    def __init__(self, spec: CrossTab) -> None:
        self.spec = spec
        self.keys: list[RowKey] = []
        self.numbers: list[tuple[float, float, float, float]] = []
        self.influences: list[RowInfluence | None] = []
        self.intervals: dict[int, tuple[float, float]] = {}
        self.tests: dict[int, tuple[float, float, float]] = {}
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = []

    def add(
        self,
        population: str,
        characteristic: str,
        *,
        labels: list[str],
        n: NDArray[Any],
        count: NDArray[Any],
        influence: list[RowInfluence | None] | None,
    ) -> None:
        from impactkit.compute.contingency import wilson_interval

        spec = self.spec
        shown = wilson_interval(count, n, conf_level=spec.conf_level)
        for level, label in enumerate(labels):
            key = RowKey(spec.name, spec.outcome, population, f"{characteristic}: {label}", "proportion", "proportion")
            if not n[level]:
                self._remark(key, "estimate", "nobody is in this category")
            share = float(shown.proportion[level])
            error = float(np.sqrt(share * (1 - share) / n[level])) if n[level] else float("nan")
            self.intervals[len(self.keys)] = (float(shown.low[level]), float(shown.high[level]))
            cell = np.nan if influence is None else float(min(count[level], n[level] - count[level]))
            self._append(key, share, error, float(n[level]), cell, None if influence is None else influence[level])
        key = RowKey(spec.name, spec.outcome, population, characteristic, spec.test, "")
        try:
            self.tests[len(self.keys)] = self._test(key, n, count)
            self._remark(key, "", "a test has no estimate, standard error or limits")
        except NotEstimableError as reason:
            self._remark(key, "p_value", str(reason))
        cell = np.nan if influence is None else float(n.min())
        self._append(key, np.nan, np.nan, float(n.sum()), cell, None)

    def _append(
        self, key: RowKey, value: float, error: float, n: float, cell: float, influence: RowInfluence | None
    ) -> None:
        self.keys.append(key)
        self.numbers.append((value, error, n, cell))
        self.influences.append(influence)

    def _test(self, key: RowKey, n: NDArray[Any], count: NDArray[Any]) -> tuple[float, float, float]:
        from impactkit.compute import contingency
        from impactkit.compute.fisher import fisher_exact

        counts = np.column_stack([count, n - count])
        if self.spec.test == "trend":
            found = contingency.cochran_armitage(count, n)
        elif self.spec.test == "fisher_exact":
            found = fisher_exact(counts)
        elif self.spec.test == "likelihood_ratio":
            found = contingency.likelihood_ratio(counts)
        else:
            found = contingency.pearson_chi_square(counts)
        if self.spec.test in ("chi_square", "likelihood_ratio") and found.smallest_expected < 5:
            self._remark(
                key,
                "",
                f"the smallest expected count is {found.smallest_expected:.1f}: below 5 the approximation is poor",
            )
        return float(found.statistic), float(found.df), float(found.p_value)

    def _remark(self, key: RowKey, column: str, reason: str) -> None:
        self.remarks.append(Note(*key[:4], column, reason))

    def glance(
        self,
        population: str,
        *,
        evidence: str,
        n: int | None,
        assigned: int | None = None,
        missing_outcome: int | None = None,
    ) -> None:
        spec = self.spec
        aside = f", ignoring {', '.join(spec.ignore)} as asked" if spec.ignore else ""
        if any(row["population"] == population for row in self.glances):
            return
        self.glances.append(
            {
                "analysis": spec.name,
                "outcome": spec.outcome,
                "population": population,
                "kind": spec.kind,
                "estimand": "association, not impact",
                "method": f"{spec.test.replace('_', ' ')}, no continuity correction{aside}",
                "inference": "Wilson intervals",
                "evidence": evidence,
                "n_assigned": assigned,
                "n_analysed": n,
                "n_missing_outcome": missing_outcome,
                "missing_rule": "published counts"
                if spec.counts
                else "complete cases, characteristic by characteristic",
                "weights": "none",
                "effective_n": n,
                "conf_level": spec.conf_level,
                "independence_assumed": bool(spec.counts),
            }
        )

    def estimates(self, study: StudyData | None) -> Estimates:
        values, errors, sizes, cells = (np.array(column, dtype=float) for column in zip(*self.numbers, strict=True))
        is_test = np.array([measure(key.measure).is_test for key in self.keys])
        block = (
            []
            if study is None
            else [Influence(study.design.table, study.data_hash, study.units, None, tuple(self.influences))]
        )
        return Estimates.build(
            keys=self.keys,
            working=values,
            working_se=errors,
            df=np.where(is_test, np.nan, np.inf),
            n=sizes,
            conf_level=self.spec.conf_level,
            tests=self.tests,
            intervals=self.intervals,
            influence=block,
            glances=self.glances,
            remarks=self.remarks,
            min_cell=cells,
        )
