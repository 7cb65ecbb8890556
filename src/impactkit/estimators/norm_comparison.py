"""The published comparison of clients with a norm of fit notes, with the ledger of its biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.data import Clients, clients
from impactkit.design import Design, NormDesign, Outcome
from impactkit.design.base import Label
from impactkit.errors import did_you_mean
from impactkit.estimators.bias_ledger import LEDGER, ledger_rows
from impactkit.estimators.norm_rows import NormRows
from impactkit.estimators.odds_ratios import ModelBased, OddsRatios
from impactkit.estimators.published_norms import ALL_RECORDED, ClientNorms, NormReading, NormValue, client_norms
from impactkit.results import Estimates

if TYPE_CHECKING:
    from impactkit.data import ColumnNeed, StudyData

__all__ = [
    "ANY_RETURN",
    "BIAS_LEDGER",
    "BIAS_SHARES",
    "PARTIAL",
    "PARTIAL_SHORTER",
    "TOTAL",
    "TOTAL_SHORTER",
    "NormComparison",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ANY_RETURN = "any return to work"
TOTAL = "total episode"
PARTIAL = "partial episode"
TOTAL_SHORTER = "total episode shorter than norm"
PARTIAL_SHORTER = "partial episode shorter than adjusted norm"
BIAS_LEDGER = "bias ledger"
BIAS_SHARES = "bias ledger, shares"
SAME = 1e-9  # durations this close to the norm are at it, not shorter

_METHODS = {
    ANY_RETURN: "share who returned; Pearson chi-square by characteristic, no continuity correction",
    TOTAL: "published method: whole absence of returned clients against the norm, signed-rank test",
    PARTIAL: "published method: time from assessment to return against the adjusted norm, signed-rank test",
    TOTAL_SHORTER: "published method: share of returned clients below the norm; Pearson chi-square",
    PARTIAL_SHORTER: "published method: share of returned clients below the adjusted norm; Pearson chi-square",
    BIAS_LEDGER: "known biases of the published method, with their size on these data where that can be measured",
    BIAS_SHARES: "known biases of the published method whose size is a share of people or episodes",
}


class NormComparison(Analysis):
    r"""Clients who returned to work against a norm of local fit notes, as DWP Research Report 896 compared them.

    Use it to reproduce a published comparison, never alone: with no programme effect at all its tests call clients
    different from the norm nearly always. Every result carries a ledger of the reasons. For an estimate that a decision
    can rest on, compare with the *residual* norm at each client's own time (weeks saved).

    Parameters
    ----------
    name : str
        What tables call this analysis.
    by : str, optional
        Column of the clients' diagnosis groups; the last of the design's ``norm_by`` when left out.
    characteristics : tuple of str
        Columns whose categories are compared by chi-square.
    covariates : tuple of str
        Columns of the three logistic models; none are fitted without any.
    reference : tuple of (column, level) pairs
        Reference categories of the models, as in :class:`OddsRatios`.
    reading : {"adjusted_total", "adjusted_residual"}
        The adjusted norm: median whole length of control episodes over four weeks (the report's words), or what is left
        of them after four weeks.
    adjusted_after_weeks : float, default 4
        The four weeks.
    all_norm : {"overall", "own"}
        What the row of all diagnoses is compared with: the median over all control episodes of the client's area
        (printed in the report), or each client's own norm.
    norms : tuple of NormValue
        Typed norms, in place of the design's controls.
    exact : bool, default True
        Also give the exact signed-rank p value.
    continuity : bool, default False
        Correct the asymptotic p value for continuity; the report does not.
    exit, exit_to_work : str and label, optional
        Column of why an absence ended, and its label for a return to work, for the ledger.
    populations : tuple of str, optional
    ignore : tuple of {"strata", "clusters", "weights"}
        What the design declares and the published method does not honour; each must be named to go on.
    conf_level : float

    Returns
    -------
    Estimates
        By population: outcomes "any return to work", "total episode shorter than norm" and "partial episode shorter
        than adjusted norm" (shares, chi-square, ``conditional_odds_ratio``); "total episode" and "partial episode"
        (client median, ``norm_median``, ``signed_rank`` and ``signed_rank_exact``, ``pseudomedian``); and "bias
        ledger" with "bias ledger, shares". Times are in the design's unit. The ``statistic`` of a signed-rank row is z,
        of an exact one the rank sum of positive differences. No row is an effect: none can carry stars or money.

    Notes
    -----
    Client i with a known return has total duration :math:`T_i` and partial duration :math:`T_i-e_i`. With norm
    :math:`m_i`, the median recorded length of the control episodes of the client's cell, and adjusted norm
    :math:`m_i^*`, that of those longer than four weeks, the tests are signed-rank tests of :math:`T_i-m_i` and
    :math:`T_i-e_i-m_i^*` against zero. Norms are taken as known. A signed-rank test tests symmetry, not medians; the
    ``pseudomedian`` is the shift it estimates. Clients at the norm count as not shorter. Medians have limits between
    order statistics.

    Clients with an unknown outcome are left out, as in the report; every count is in ``glance()`` and ``notes()``.
    Ledger rows: positive weeks make clients look quicker than a fair comparison would.

    References
    ----------
    Evaluation of the 2010-13 Fit for Work Service pilots: final report. DWP Research Report 896 (2015), Appendix C,
    Tables C.4 to C.7, C.11 to C.14, C.18 to C.24.
    Wilcoxon, F. (1945). Individual comparisons by ranking methods. *Biometrics Bulletin* 1(6), 80-83.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(6), "diagnosis": "back", "entry": [2.0, 3, 4, 5, 6, 7],
    ...                        "absent": [5.0, 9, 6, 20, 12, 30], "returned": [1, 1, 1, 1, 1, 0]})
    >>> episodes = pd.DataFrame({"episode": range(5), "diagnosis": "back", "duration": [1.0, 3, 5, 8, 13], "ended": 1})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="absent", returned="returned",
    ...                        norm_by=("diagnosis",), controls=ik.ControlEpisodes())
    >>> comparison = ik.NormComparison(name="published", exact=False)
    >>> rows = ik.Evaluation(design, {"people": people, "episodes": episodes}, [comparison]).fit(seed=1).tidy()
    >>> whole = rows[(rows.outcome == "total episode") & (rows.term == "diagnosis[back]")]
    >>> whole[["measure", "estimate", "p_value", "n"]].round(3).reset_index(drop=True)
            measure  estimate  p_value    n
    0        median       9.0      NaN  5.0
    1   norm_median       5.0      NaN  5.0
    2   signed_rank       NaN    0.068  5.0
    3  pseudomedian       4.0      NaN  5.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["norm_comparison"] = "norm_comparison"
    by: str | None = Field(default=None, min_length=1)
    characteristics: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    reference: tuple[tuple[str, Label], ...] = ()
    reading: NormReading = "adjusted_total"
    adjusted_after_weeks: float = Field(default=4.0, strict=True, ge=0.0)
    all_norm: Literal["overall", "own"] = "overall"
    norms: tuple[NormValue, ...] = ()
    exact: bool = True
    continuity: bool = False
    exit: str | None = Field(default=None, min_length=1)
    exit_to_work: Label = "work"
    populations: tuple[str, ...] | None = None
    ignore: tuple[Literal["strata", "clusters", "weights"], ...] = ()
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, names in (("characteristics", self.characteristics), ("covariates", self.covariates)):
            repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
            if repeated:
                raise ValueError(f"`{what}` names {', '.join(repeated)} more than once")
        for name, _ in self.reference:
            if name not in self.covariates:
                hint = did_you_mean(name, self.covariates)
                raise ValueError(f"`reference` names `{name}`, which is not among the covariates.{hint}")
        cells = [value.cell for value in self.norms]
        if len(set(cells)) < len(cells):
            raise ValueError("`norms` gives a cell more than once: keep one")
        return self

    def columns(self, design: Design) -> tuple[ColumnNeed, ...]:
        """Give the columns read besides those the design names."""
        from impactkit.data import ColumnNeed

        said = f'analysis "{self.name}"'
        factors = dict.fromkeys([*filter(None, [self.by, self.exit]), *self.characteristics])
        needs = [ColumnNeed(column=name, role="factor", by=said) for name in factors]
        return (*needs, *(ColumnNeed(column=name, role="any", by=said) for name in self.covariates))

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if isinstance(design, NormDesign) and design.controls is None and not self.norms:
            said.append(
                f'NormComparison "{self.name}" needs a norm: declare `controls` in the design, or give `norms`.'
            )
        return said

    def _declares_weights(self, design: Design) -> bool:
        return design.weights is not None

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Compare every population."""
        return _Run.of(self, study.plain() if self.ignore else study).estimates()


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    spec: NormComparison
    study: StudyData
    people: Clients
    norms: ClientNorms
    by: str | None
    rows: NormRows

    @classmethod
    def of(cls, spec: NormComparison, study: StudyData) -> _Run:
        design = study.design
        assert isinstance(design, NormDesign)
        people = clients(study)
        by = spec.by or (design.norm_by[-1] if design.norm_by else None)
        norms = client_norms(
            study, people, by=by, shift_weeks=spec.adjusted_after_weeks, reading=spec.reading, norms=spec.norms
        )
        return cls(spec, study, people, norms, by, NormRows(spec.name, design.time_unit, spec.conf_level))

    def estimates(self) -> Estimates:
        spec, rows = self.spec, self.rows
        names = spec.chosen_populations(self.study.design)
        for population in names:
            self._returns(population)
            for outcome in (TOTAL, PARTIAL):
                self._episodes(outcome, population)
            self._ledger(population)
        self._remarks()
        parts = [rows.estimates(self.study)]
        if spec.covariates:
            parts += [self._model(outcome, names) for outcome in (ANY_RETURN, TOTAL_SHORTER, PARTIAL_SHORTER)]
        return Estimates.concat(parts)

    # --- who ----------------------------------------------------------------------------------------------

    @property
    def _returned(self) -> Bools:
        back: Bools = self.people.returned == 1.0
        return back

    def _lengths(self, outcome: str) -> tuple[Floats, Floats, Floats]:
        """Give durations, the own norm and the norm over all diagnoses, each of shape (n,)."""
        if outcome == TOTAL:
            return self.people.duration, self.norms.complete, self.norms.whole_complete
        return self.people.duration - self.people.entry, self.norms.adjusted, self.norms.whole_adjusted

    def _answers(self, outcome: str) -> Floats:
        """Give 1 for yes, 0 for no, NaN where it is not known or does not apply, shape (n,)."""
        if outcome == ANY_RETURN:
            return self.people.returned
        lengths, own, _ = self._lengths(TOTAL if outcome == TOTAL_SHORTER else PARTIAL)
        known = self._returned & np.isfinite(lengths) & np.isfinite(own)
        found: Floats = np.where(known, (lengths < own - SAME).astype(np.float64), np.nan)
        return found

    # --- rows ---------------------------------------------------------------------------------------------

    def _returns(self, population: str) -> None:
        member = self.study.population(population)
        answers = self._answers(ANY_RETURN)
        known = member & ~np.isnan(answers)
        self._shares(ANY_RETURN, population, answers)
        self._glance(ANY_RETURN, population, int(member.sum()), int(known.sum()), int(member.sum() - known.sum()))

    def _shares(self, outcome: str, population: str, answers: Floats) -> None:
        """Add shares by diagnosis group and by characteristic, and of everybody."""
        rows, member = self.rows, self.study.population(population) & ~np.isnan(answers)
        for column in [*([self.by] if self.by else []), *self.spec.characteristics]:
            factor = self.study.factor(column)
            inside = np.flatnonzero(member & (factor.codes >= 0))
            tested = column in self.spec.characteristics
            rows.shares(
                outcome, population, column, factor.labels, factor.codes[inside], answers[inside], inside, test=tested
            )
            lost = int(member.sum()) - inside.size
            if lost:
                rows.note(f"{lost} clients have no value of `{column}` and are left out of it", outcome, population)
        place = np.flatnonzero(member)
        rows.share((outcome, population, ALL_RECORDED), answers[place], place)

    def _episodes(self, outcome: str, population: str) -> None:
        member, rows, spec = self.study.population(population), self.rows, self.spec
        lengths, own, whole = self._lengths(outcome)
        back = member & self._returned
        known = back & np.isfinite(lengths)
        usable = known & np.isfinite(own)
        if self.by is not None:
            factor = self.study.factor(self.by)
            for code, label in enumerate(factor.labels):
                inside = usable & (factor.codes == code)
                place = (outcome, population, f"{self.by}[{label}]")
                rows.durations(place, lengths[inside], own[inside], continuity=spec.continuity, exact=spec.exact)
        norm = whole if spec.all_norm == "overall" else own
        everybody = usable & np.isfinite(norm)
        rows.durations(
            (outcome, population, ALL_RECORDED), lengths[everybody], norm[everybody],
            continuity=spec.continuity, exact=spec.exact,
        )  # fmt: skip
        shorter = TOTAL_SHORTER if outcome == TOTAL else PARTIAL_SHORTER
        self._shares(shorter, population, self._answers(shorter))
        for lost, why in (
            (int(back.sum() - known.sum()), "returned, and the length is not known"),
            (int(known.sum() - usable.sum()), "returned, and have no norm"),
        ):
            if lost:
                rows.note(f"{lost} clients {why}: they are left out", outcome, population)
        for name in (outcome, shorter):
            self._glance(name, population, int(back.sum()), int(usable.sum()), int(back.sum() - usable.sum()))

    def _ledger(self, population: str) -> None:
        rows = self.rows
        member = self.study.population(population)
        for entry in ledger_rows(self.spec, self.study, self.people, self.norms, member):
            outcome = BIAS_SHARES if entry.unit == "proportion" else BIAS_LEDGER
            place = (outcome, population, entry.term)
            cell = entry.n if np.isnan(entry.least) else entry.least
            rows.add(place, "bias", entry.size, unit=entry.unit, n=entry.n, cell=cell)
            rows.note(
                f"{LEDGER[entry.key].direction}: {entry.said}", *place, "" if np.isfinite(entry.size) else "estimate"
            )
        known = member & ~np.isnan(self.people.returned)
        for outcome in (BIAS_LEDGER, BIAS_SHARES):
            self._glance(outcome, population, int(member.sum()), int(known.sum()), int(member.sum() - known.sum()))

    def _remarks(self) -> None:
        rows, spec = self.rows, self.spec
        reading = "whole lengths" if spec.reading == "adjusted_total" else "what is left after them"
        rows.note(
            "comparison with a norm by the published method, biased: read it with the bias ledger, never as an impact"
        )
        rows.note(
            f"the adjusted norm is the median of control episodes over {spec.adjusted_after_weeks:g} weeks, {reading}"
        )
        for said in self.norms.notes:
            rows.note(said)
        for outcome in (TOTAL, PARTIAL):
            rows.note(
                "medians, norms and shifts are given as published, without a standard error",
                outcome,
                "",
                "",
                "std_error",
            )
            rows.note("the published method takes a norm as known: see the bias ledger", outcome, "", "", "conf_low")
        for outcome in (BIAS_LEDGER, BIAS_SHARES):
            rows.note("the size of a bias describes these data", outcome, "", "", "std_error")
        if spec.ignore:
            rows.note(f"the design's {', '.join(spec.ignore)} are set aside as asked: the published method has none")

    # --- models -------------------------------------------------------------------------------------------

    def _model(self, outcome: str, populations: tuple[str, ...]) -> Estimates:
        """Fit one of the three logistic models with the model's own errors, as published."""
        from impactkit.data.outcomes import OutcomeColumn

        spec, answers = self.spec, self._answers(outcome)
        eligible = np.ones(self.study.n, dtype=bool) if outcome == ANY_RETURN else self._returned
        declared = Outcome(name=outcome, column=self._column(), kind="binary", weights=None)
        study = self.study.with_outcome(OutcomeColumn(declared, answers, None, eligible))
        model = OddsRatios(
            name=spec.name, outcome=outcome, covariates=spec.covariates, reference=spec.reference,
            populations=populations, inference=ModelBased(), conf_level=spec.conf_level,
        )  # fmt: skip
        found = model.run(study, {})
        sizes = {str(row["population"]): int(row["n_analysed"]) for row in found.glances}
        said = tuple(
            spec.note(
                f"{n} clients have the outcome and every covariate of the model", outcome=outcome, population=name
            )
            for name, n in sizes.items()
        )
        keys = tuple(key._replace(measure="conditional_odds_ratio") for key in found.keys)
        return replace(found, keys=keys, glances=(), remarks=(*found.remarks, *said))

    def _column(self) -> str:
        design = self.study.design
        assert isinstance(design, NormDesign)
        return design.returned

    def _glance(self, outcome: str, population: str, assigned: int, analysed: int, missing: int) -> None:
        spec = self.spec
        aside = f"; {', '.join(spec.ignore)} of the design set aside" if spec.ignore else ""
        describes = outcome == ANY_RETURN
        self.rows.glances.append(
            {
                "analysis": spec.name,
                "outcome": outcome,
                "population": population,
                "kind": spec.kind,
                "estimand": "association, not impact"
                if describes
                else "difference from a norm, biased: see the ledger",
                "method": _METHODS[outcome] + aside,
                "inference": "the norm taken as known; models with their own errors",
                "evidence": self.study.design.evidence,
                "n_assigned": assigned,
                "n_analysed": analysed,
                "n_missing_outcome": missing,
                "missing_rule": "clients with a known outcome, as published",
                "weights": "none",
                "effective_n": analysed,
                "conf_level": spec.conf_level,
                "independence_assumed": False,
            }
        )
