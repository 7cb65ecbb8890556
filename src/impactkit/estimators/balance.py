"""Baseline balance: who was in each arm before anything happened, and whether chance explains the differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from impactkit.analysis import Analysis
from impactkit.compute.balance import Moments, omnibus, permutation_p, weighted_moments
from impactkit.design import Design
from impactkit.errors import NotEstimableError
from impactkit.estimators.allocated import Allocated, allocated_units
from impactkit.estimators.rows import effective_n
from impactkit.estimators.sample import arm_sizes, arms_of, treated_labels
from impactkit.results import Estimates, Note, RowKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import ColumnNeed, StudyData

__all__ = ["MISSING", "Balance", "Standardiser"]

Standardiser = Literal["control", "treated", "pooled", "cohen", "all"]

MISSING = "missing"
"""Level under which people without a value of a covariate are counted."""

WORDS: dict[str, str] = {
    "control": "the standard deviation of the control arm",
    "treated": "the standard deviation of the treated arm",
    "pooled": "the root of the mean of the two arms' variances",
    "cohen": "the standard deviation pooled by degrees of freedom",
    "all": "the standard deviation of both arms together",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """One line of the table: a number, or one level of a characteristic, or those without a value."""

    covariate: str
    level: str  # "" for a number, and for a characteristic coded 0 and 1
    values: NDArray[np.float64]  # NaN where not known
    binary: bool
    tested: bool  # whether the joint test needs it; the first level follows from the others


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Who is described in one population."""

    member: NDArray[np.bool_]
    weights: NDArray[np.float64] | None
    counts: dict[str, Any]


class Balance(Analysis):
    r"""Baseline characteristics by arm, standardised differences, and one joint test of balance.

    Use it for Table 1 of a trial, for everybody assigned or for those analysed for one outcome with its
    response weights. It describes; nothing in it is an effect.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    covariates : tuple of str
        Baseline columns. Numbers give a mean and a standard deviation; text, categories and truth values a
        share for each level; numbers that are only 0 and 1 a share.
    outcome : str, optional
        Describe those with this outcome known (and a weight above zero), with its weights. Left out: everybody
        assigned, with the design's default weights if it has any.
    populations : tuple of str, optional
        Which declared populations; all of them when left out.
    standardiser : {"pooled", "control", "treated", "cohen", "all"}
        Denominator of the standardised difference, below.
    p_values : bool, default False
        Also test each covariate. In a trial such a p value tests whether chance is chance, and it depends on the
        sample size; report it only when asked to.
    permutations : int, default 0
        Also give the joint test by this many re-draws of the allocation (needs a seed); 1,999 or more. When fewer
        allocations exist they are all gone through.

    Returns
    -------
    Estimates
        For each population the people in each arm (``count``); for each covariate by arm ``mean`` and ``sd``, or
        for each level ``proportion`` and ``count``; for each treated arm ``standardised_mean_difference`` and
        ``variance_ratio``, and the difference without weights where there are weights; last the joint test
        (``omnibus_f``, ``omnibus_permutation``) of each treated arm against control. The covariate stands in the
        column ``outcome``; the term is the arm, after the level where there is one (``"female, IPS"``).

    Notes
    -----
    The standardised difference is :math:`(\bar x_1 - \bar x_0)/s`, with means weighted if the people are, and with
    :math:`s` of the same people without weights, so that before and after weighting can be compared:

    - ``"pooled"``: :math:`\sqrt{(s_1^2 + s_0^2)/2}` (Austin 2009; the default of cobalt for an average effect, and
      of tableone, which weights it);
    - ``"control"``: :math:`s_0`; ``"treated"``: :math:`s_1` (the default of MatchIt);
    - ``"cohen"``: :math:`\sqrt{\{(n_1-1)s_1^2 + (n_0-1)s_0^2\}/(n_1+n_0-2)}`;
    - ``"all"``: both arms as one sample.

    The variance of a share is :math:`p(1-p)`. People without a value of a covariate are a line of their own, with
    a difference of its own, and stay in every other line.

    The joint test re-draws the allocation that was declared: people, or clusters if each was allocated as one,
    within strata, with the numbers in each arm that came out. It refers
    :math:`d'V^{+}d` to an F distribution (:func:`impactkit.compute.balance.omnibus`), where d holds the differences
    of all covariates within strata (of weighted totals around the stratum mean), a missing value counts as the mean
    and has an indicator of its own. Its size holds with many covariates, where a Wald test from a regression of the
    arm on the covariates with robust errors rejects too often (``docs/balance-and-flow.md`` has the table). With
    several treated arms each is tested against control among the people of the two.

    References
    ----------
    Austin, P. C. (2009). Balance diagnostics for comparing the distribution of baseline covariates between treatment
    groups in propensity-score matched samples. *Statistics in Medicine* 28(25), 3083-3107.
    Hansen, B. B. and Bowers, J. (2008). Covariate balance in simple, stratified and clustered comparative studies.
    *Statistical Science* 23(2), 219-236.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(8), "arm": ["IPS", "usual"] * 4, "age": [30, 41, 25, 38, 52, 47, 33, 60]})
    >>> design = ik.TrialDesign(unit="id", arm="arm", treated="IPS", control="usual")
    >>> result = ik.Evaluation(design, people, [ik.Balance(name="baseline", covariates=("age",))]).fit()
    >>> result.tidy()[["outcome", "term", "measure", "estimate"]].round(3)
      outcome   term                       measure  estimate
    0           usual                         count     4.000
    1             IPS                         count     4.000
    2     age   usual                          mean    46.500
    3     age   usual                            sd     9.747
    4     age     IPS                          mean    35.000
    5     age     IPS                            sd    11.804
    6     age     IPS  standardised_mean_difference    -1.062
    7     age     IPS                variance_ratio     1.467
    8             IPS                     omnibus_f       NaN
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison"})

    kind: Literal["balance"] = "balance"
    covariates: tuple[str, ...] = Field(min_length=1)
    outcome: str | None = None
    populations: tuple[str, ...] | None = None
    standardiser: Standardiser = "pooled"
    p_values: bool = False
    permutations: int = Field(default=0, ge=0, strict=True)

    def outcome_names(self) -> tuple[str, ...]:
        return () if self.outcome is None else (self.outcome,)

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        from impactkit.data import ColumnNeed

        return tuple(ColumnNeed(column=name, role="any", by=f'analysis "{self.name}"') for name in self.covariates)

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        rows = _Rows(self, study)
        for population in self.chosen_populations(study.design):
            try:
                people = _people(self, study, population)
            except NotEstimableError as reason:
                rows.fail(population, str(reason))
                continue
            rows.describe(
                population, people, [line for name in self.covariates for line in _lines(study, name, people)]
            )
        return rows.estimates()


def _people(spec: Balance, study: StudyData, population: str) -> _People:
    arm = arms_of(study)
    everyone = study.population(population)
    weights: NDArray[np.float64] | None
    if spec.outcome is not None:
        column = study.outcome(spec.outcome)
        assigned = everyone & column.eligible
        observed: NDArray[np.bool_] = np.asarray(assigned & ~np.isnan(column.values))
        weights = column.weights
    else:
        assigned = observed = everyone
        weights = None if study.design.weights is None else study.numeric(study.design.weights)
    member = observed
    if weights is not None:
        unknown = np.count_nonzero(observed & np.isnan(weights))
        if unknown:
            raise NotEstimableError(
                f"the weights `{study.design.weights}` are not known for {unknown} of {np.count_nonzero(observed)} "
                "people assigned: name the `outcome` they belong to, or declare them as that outcome's weights"
            )
        if (weights[observed] < 0).any():
            raise NotEstimableError(f"the weights `{study.design.weights}` are negative for somebody: correct them")
        member = observed & (np.nan_to_num(weights) > 0)
    sizes = arm_sizes(member, arm, len(treated_labels(study)) + 1)
    counts: dict[str, Any] = {
        "n_assigned": np.count_nonzero(assigned),
        "n_not_eligible": np.count_nonzero(everyone & ~assigned),
        "n_missing_outcome": np.count_nonzero(assigned & ~observed),
        "n_zero_weight": np.count_nonzero(observed & ~member),
        "n_missing_covariates": 0,
        "n_dropped_strata": 0,
        "n_analysed": int(sizes.sum()),
        "n_treated": int(sizes[1:].sum()),
        "n_control": int(sizes[0]),
    }
    if not sizes.any():
        raise NotEstimableError(f"nobody is left to describe (of {counts['n_assigned']} assigned)")
    return _People(member, weights, counts)


def _lines(study: StudyData, name: str, people: _People) -> list[_Line]:
    """Split a covariate into lines; the line of people without a value is there only if there are any."""
    coded = study.covariates((name,))
    lines: list[_Line] = []
    if coded.names == (name,):
        values = coded.matrix[:, 0]
        known = values[people.member & ~np.isnan(values)]
        binary = bool(known.size) and bool(((known == 0) | (known == 1)).all())
        lines.append(_Line(name, "", values, binary, tested=True))
        empty = np.isnan(values)
    else:
        factor = study.factor(name)
        empty = factor.codes < 0
        occurring = np.bincount(factor.codes[people.member & ~empty], minlength=len(factor.labels)) > 0
        for place, code in enumerate(np.flatnonzero(occurring)):
            values = np.where(empty, np.nan, (factor.codes == code).astype(float))
            lines.append(_Line(name, factor.labels[code], values, binary=True, tested=place > 0))
    if (empty & people.member).any():
        lines.append(_Line(name, MISSING, empty.astype(float), binary=True, tested=True))
    return lines


class _Rows:
    """Rows under construction."""

    def __init__(self, spec: Balance, study: StudyData) -> None:
        self.spec, self.study = spec, study
        self.arm = arms_of(study)
        self.labels = (str(getattr(study.design, "control", "control")), *treated_labels(study))
        self.keys: list[RowKey] = []
        self.values: list[float] = []
        self.n: list[float] = []
        self.cells: list[float] = []
        self.tests: dict[int, tuple[float, float, float]] = {}
        self.glances: list[dict[str, Any]] = []
        self.remarks: list[Note] = []

    def describe(self, population: str, people: _People, lines: list[_Line]) -> None:
        sizes = arm_sizes(people.member, self.arm, len(self.labels))
        total = float(sizes.sum())
        for label, size in zip(self.labels, sizes, strict=True):
            self._add(("", population, label, "count", "people"), float(size), total, float(sizes.min()))
        for name in self.spec.covariates:
            own = [line for line in lines if line.covariate == name]
            cell = self._smallest(own, people, sizes)
            for line in own:
                self._line(population, people, line, total, cell)
            if self.spec.p_values:
                self._test(population, people, own, outcome=name, cell=cell)
        self._test(population, people, lines, outcome="", cell=float(sizes.min()))
        self._glance(population, people)

    def _line(self, population: str, people: _People, line: _Line, total: float, cell: float) -> None:
        """Add one line: each arm, then each treated arm against control."""
        unit = "proportion" if line.binary else ""
        weighted: list[Moments] = []
        plain: list[Moments] = []
        sizes: list[int] = []
        known = people.member & ~np.isnan(line.values)
        for place, label in enumerate(self.labels):
            inside = np.flatnonzero(known & (self.arm == place))
            values = line.values[inside]
            own = None if people.weights is None else people.weights[inside]
            weighted.append(weighted_moments(values, own, binary=line.binary))
            plain.append(weighted_moments(values, binary=line.binary))
            sizes.append(len(inside))
            term = f"{line.level}, {label}" if line.level else label
            if line.binary:
                self._add((line.covariate, population, term, "proportion", unit), weighted[-1].mean, total, cell)
                self._add((line.covariate, population, term, "count", "people"), float(values.sum()), total, cell)
            else:
                self._add((line.covariate, population, term, "mean", unit), weighted[-1].mean, total, cell)
                self._add((line.covariate, population, term, "sd", unit), math.sqrt(weighted[-1].variance), total, cell)
        for place, label in enumerate(self.labels[1:], start=1):
            term = f"{line.level}, {label}" if line.level else label
            pair = known & ((self.arm == 0) | (self.arm == place))
            scale = self._standardiser(plain[place], plain[0], sizes[place], sizes[0], line, pair)
            key = (line.covariate, population, term)
            difference = _over(weighted[place].mean - weighted[0].mean, scale)
            self._add((*key, "standardised_mean_difference", "sd"), difference, total, cell)
            if people.weights is not None:
                before = _over(plain[place].mean - plain[0].mean, scale)
                self._add((*key, "standardised_mean_difference_unweighted", "sd"), before, total, cell)
            if not line.binary:
                ratio = _over(weighted[place].variance, weighted[0].variance)
                self._add((*key, "variance_ratio", "ratio"), ratio, total, cell)

    def _standardiser(
        self, treated: Moments, control: Moments, n1: int, n0: int, line: _Line, pair: NDArray[np.bool_]
    ) -> float:
        kind = self.spec.standardiser
        if kind == "control":
            variance = control.variance
        elif kind == "treated":
            variance = treated.variance
        elif kind == "pooled":
            variance = (treated.variance + control.variance) / 2
        elif kind == "cohen":
            variance = _over((n1 - 1) * treated.variance + (n0 - 1) * control.variance, n1 + n0 - 2)
        else:
            variance = weighted_moments(line.values[pair], binary=line.binary).variance
        return math.sqrt(variance) if variance >= 0 else math.nan

    def _smallest(self, lines: list[_Line], people: _People, sizes: NDArray[np.int64]) -> float:
        """Give the smallest head count in any cell of a covariate: one small cell withholds all its rows."""
        found = [float(sizes.min())]
        for line in lines:
            for place in range(len(self.labels)):
                values = line.values[people.member & (self.arm == place)]
                count = float(np.nansum(values)) if line.binary else float(np.count_nonzero(~np.isnan(values)))
                if line.level != MISSING or count:  # that nobody's value is missing tells nothing about anybody
                    found.append(count)
                if line.binary and not line.level:
                    found.append(float(np.count_nonzero(values == 0)))
        return min(found)

    # --- the joint test -------------------------------------------------------------------------------

    def _test(self, population: str, people: _People, lines: list[_Line], *, outcome: str, cell: float) -> None:
        columns = [line for line in lines if line.tested]
        kinds = ["omnibus_f", *(["omnibus_permutation"] if self.spec.permutations and not outcome else [])]
        for place, label in enumerate(self.labels[1:], start=1):
            key = (outcome, population, label)
            try:
                pair = people.member & ((self.arm == 0) | (self.arm == place))
                units = allocated_units(
                    self.study,
                    member=pair,
                    treated=self.arm == place,
                    columns=_filled(columns, pair, people.weights),
                    weights=people.weights,
                )
                self._joint(key, kinds, units, columns, cell)
            except NotEstimableError as reason:
                for kind in kinds:
                    self._remark(key, "p_value", str(reason))
                    self._add((*key, kind, ""), math.nan, math.nan, cell)

    def _joint(
        self, key: tuple[str, str, str], kinds: list[str], units: Allocated, columns: list[_Line], cell: float
    ) -> None:
        outcome, population, label = key
        found = omnibus(treated=units.treated, strata=units.strata, totals=units.totals)
        if not found.rank or found.rest <= 0:
            why = (
                "no covariate varies within strata"
                if not found.rank
                else f"{found.rank} covariates for {found.rank + found.rest} degrees of freedom of the allocation "
                "leave nothing to test with: name fewer covariates"
            )
            raise NotEstimableError(why)
        self.tests[len(self.keys)] = (found.statistic, float(found.rank), found.p_value)
        self._add((*key, "omnibus_f", ""), math.nan, float(units.people), cell)
        if not outcome:
            self._remark(
                key,
                "",
                f"the joint test against {self.labels[0]} re-draws {units.words} and refers to F on {found.rank} and "
                f"{found.rest} degrees of freedom",
            )
            aliased = list(
                dict.fromkeys(_named(line) for line, gone in zip(columns, found.aliased, strict=True) if gone)
            )
            if aliased:
                self._remark(
                    key,
                    "",
                    f"the joint test leaves out what follows from other columns or strata: {', '.join(aliased)}",
                )
        if "omnibus_permutation" in kinds:
            rng = self.study.rng(f"{self.spec.name}/{population}/{label}")
            p_value, used = permutation_p(found, draws=self.spec.permutations, rng=rng)
            self.tests[len(self.keys)] = (found.distance, float(found.rank), p_value)
            self._add((*key, "omnibus_permutation", ""), math.nan, float(units.people), cell)
            exact = "re-drawn" if used == self.spec.permutations else "(all)"
            self._remark(key, "", f"the permutation test goes over {used:,} {exact} allocations of {units.words}")

    # --- bookkeeping ----------------------------------------------------------------------------------

    def _add(self, key: tuple[str, str, str, str, str], value: float, n: float, cell: float) -> None:
        self.keys.append(RowKey(self.spec.name, *key))
        self.values.append(value)
        self.n.append(n)
        self.cells.append(cell)
        if math.isnan(value) and not key[3].startswith("omnibus"):
            why = "fewer than two people have a value" if key[3] == "sd" else "does not vary, or nobody has a value"
            self._remark(key[:3], "estimate", f"`{key[0]}`: {why}")

    def _remark(self, key: tuple[str, str, str], column: str, reason: str) -> None:
        outcome, population, term = key
        note = Note(self.spec.name, outcome, population, term, column, reason)
        if note not in self.remarks:
            self.remarks.append(note)

    def fail(self, population: str, reason: str) -> None:
        key = ("", population, self.labels[0])
        self._remark(key, "estimate", reason)
        self.keys.append(RowKey(self.spec.name, "", population, self.labels[0], "count", "people"))
        self.values.append(math.nan)
        self.n.append(math.nan)
        self.cells.append(math.nan)

    def _glance(self, population: str, people: _People) -> None:
        spec, design = self.spec, self.study.design
        weights = None if people.weights is None else people.weights[people.member]
        column = None
        if weights is not None:
            column = (
                design.weights if spec.outcome is None else design.weights_of(self.study.outcome(spec.outcome).spec)
            )
        clusters = None if self.study.clusters is None else len(np.unique(self.study.clusters[people.member]))
        self.glances.append(
            {
                "analysis": spec.name,
                "outcome": spec.outcome or "",
                "population": population,
                "kind": spec.kind,
                "estimand": "none: baseline is described",
                "method": f"standardised by {WORDS[spec.standardiser]}, without weights",
                "inference": "re-drawing the allocation",
                "evidence": design.evidence,
                **people.counts,
                "clusters": clusters,
                "missing_rule": "a line of its own for each covariate",
                "weights": column or "none",
                "effective_n": effective_n(weights, people.counts["n_analysed"]),
                "independence_assumed": False,
            }
        )

    def estimates(self) -> Estimates:
        empty = np.full(len(self.keys), np.nan)
        about = "baseline rows describe the people in hand and carry no standard error"
        for column in ("std_error", "conf_low", "df"):
            self.remarks.append(self.spec.note(about, column=column))
        return Estimates.build(
            keys=self.keys,
            working=self.values,
            working_se=empty,
            df=empty,
            n=self.n,
            tests=self.tests,
            glances=self.glances,
            remarks=self.remarks,
            min_cell=self.cells,
        )


def _filled(lines: list[_Line], member: NDArray[np.bool_], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Give the columns of the joint test; who has no value gets the mean, and an indicator elsewhere says so."""
    columns = []
    for line in lines:
        known = member & ~np.isnan(line.values)
        own = None if weights is None else weights[known]
        columns.append(np.where(np.isnan(line.values), weighted_moments(line.values[known], own).mean, line.values))
    stacked: NDArray[np.float64] = np.nan_to_num(np.stack(columns, axis=1))
    return stacked


def _named(line: _Line) -> str:
    return f"{line.covariate}: {line.level}" if line.level else line.covariate


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.nan
