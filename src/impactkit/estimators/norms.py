"""Norms of certified absence from local control episodes, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis, ConfLevel
from impactkit.design import ALL, Design, NormDesign
from impactkit.errors import SpecError, did_you_mean
from impactkit.results import Estimates, Influence, Note, RowInfluence, RowKey
from impactkit.results.curves import Curve

if TYPE_CHECKING:
    from impactkit.data import ControlData, Norm, NormTable, StudyData

__all__ = ["ABSENCE", "FitNoteNorms", "controls_by", "norm_term"]

ABSENCE = "duration of certified absence"
_WORDS = {
    "complete": "length of all episodes",
    "adjusted_total": "length of episodes longer than {cut:g} {unit}",
    "adjusted_residual": "what is left of episodes longer than {cut:g} {unit}, beyond that",
    "conditional": "what is left of episodes that have lasted {cut:g} {unit}",
}
_Share = Annotated[float, Field(strict=True, gt=0.0, lt=1.0)]


class FitNoteNorms(Analysis):
    """What local episodes say an absence of each cause lasts: median, quartiles and restricted mean, by cell.

    Use it to see the norms that clients are set against, how few episodes and practices some rest on, and how far
    their limits reach. The norms are of the design's control episodes; clients only choose which cells a population
    shows.

    Parameters
    ----------
    name : str
        What tables call this analysis.
    populations : tuple of str, optional
        Which declared populations; all of them when left out. A population shows the norms of the cells its clients
        are in (the whole study, all cells); the numbers do not depend on it.
    by : tuple of str, optional
        Columns of the cells: the design's ``norm_by``, or some of them.
    reading : {"complete", "adjusted_total", "adjusted_residual", "conditional"}
        All episodes; those longer than ``threshold_weeks``; the same less the threshold; what is left of those that
        have lasted ``elapsed``.
    threshold_weeks : float, default 4
        What counts as long in the adjusted readings.
    elapsed : float, optional
        For the conditional reading: time already absent, in the design's unit of time.
    horizon : float, optional
        Adds restricted means so far, in the design's unit; counted from the threshold or ``elapsed`` in a residual
        reading.
    quantiles : tuple of float
        Besides the median; the quartiles when left out.
    interval : {"practice", "bootstrap"}
        Limits from the influence of each practice with t on practices − 1 degrees of freedom, or percentiles over
        resamples of an area's practices. With the four to nine practices of a pilot area the second is too narrow.
    replications : int, default 999
        Resamples of practices.
    shrink_below : int, default 50
        Cells with fewer episodes also get a shrunken median; 0 for none.
    ignore_censoring : bool, default False
        True counts open episodes as ended, as simple medians of fit notes do.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    Estimates
        For each population and cell a ``median``, a ``quantile`` for each share (term ``"25%: ..."``), a
        ``restricted_mean`` if a horizon is given, and a ``shrunken_median`` (term ``"shrunken: ..."``) for small
        cells; then the same over all
        cells of each area. Curves (measure ``norm_survival``) hold S(t) of each cell with pointwise limits.

    Notes
    -----
    Numbers are of the product limit with delayed entry, ``S(t) = Π (1 − d_j / n_j)``: open episodes and those that
    were running when observation began count for what is known of them. The median is the first t with
    ``S(t) ≤ 1/2`` (the middle, if S stays at 1/2), the restricted mean ``∫_0^τ S``; readings beyond a threshold c use
    ``S(t) / S(c)``.

    The influence of an episode is the derivative in its weight; summed within the G practices of the area, squared,
    summed and multiplied by G / (G − 1) it gives the variance. Limits of a quantile are the times at which the
    pointwise limits of S (log(−log), t with G − 1 degrees of freedom) cross it; its standard error is that width over
    twice the critical value, and its influence values are those of S in proportion. An area is what does not vary
    within a practice among the columns of the cells. Without practices episodes count as independent, and a note says
    so.

    References
    ----------
    Brookmeyer, R. and Crowley, J. (1982). A confidence interval for the median survival time. *Biometrics* 38.
    Woodruff, R. S. (1952). Confidence intervals for medians and other position measures. *Journal of the American
    Statistical Association* 47.
    DWP Research Report 896 (2015), Appendix C, whose norms these are.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": [1, 2], "cause": "back", "seen": [3.0, 5.0], "off": [9.0, 7.0], "back": [1, 1]})
    >>> episodes = pd.DataFrame({"episode": range(6), "cause": "back", "duration": [1.0, 3, 5, 9, 12, 30],
    ...                          "ended": [1, 1, 1, 1, 1, 0], "practice": ["a", "b", "c"] * 2})
    >>> design = ik.NormDesign(unit="id", entry="seen", duration="off", returned="back", norm_by=("cause",),
    ...                        controls=ik.ControlEpisodes(practice="practice"))
    >>> data = {"people": people, "episodes": episodes}
    >>> norms = ik.Evaluation(design, data, [ik.FitNoteNorms(name="norms", shrink_below=0)]).fit(seed=1)
    >>> norms.tidy().loc[:2, ["term", "measure", "estimate", "n"]]
                  term   measure  estimate    n
    0       cause=back    median       7.0  6.0
    1  25%: cause=back  quantile       3.0  6.0
    2  75%: cause=back  quantile      12.0  6.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["fit_note_norms"] = "fit_note_norms"
    populations: tuple[str, ...] | None = None
    by: tuple[str, ...] | None = None
    reading: Literal["complete", "adjusted_total", "adjusted_residual", "conditional"] = "complete"
    threshold_weeks: float = Field(default=4.0, gt=0.0)
    elapsed: float | None = Field(default=None, ge=0.0)
    horizon: float | None = Field(default=None, gt=0.0)
    quantiles: tuple[_Share, ...] = (0.25, 0.75)
    interval: Literal["practice", "bootstrap"] = "practice"
    replications: int = Field(default=999, strict=True, ge=99)
    shrink_below: int = Field(default=50, strict=True, ge=0)
    ignore_censoring: bool = False
    conf_level: ConfLevel = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.reading == "conditional") != (self.elapsed is not None):
            raise ValueError('`elapsed` belongs to, and is needed by, reading="conditional"')
        if len(set(self.quantiles)) < len(self.quantiles) or 0.5 in self.quantiles:
            raise ValueError("`quantiles` should be different shares besides the median")
        if self.by is not None and len(set(self.by)) < len(self.by):
            raise ValueError("`by` names a column twice")
        return self

    def refusals(self, design: Design | None) -> list[str]:
        """Say what the design declares and this analysis cannot honour, or lacks and this analysis needs."""
        said = super().refusals(design)
        if not isinstance(design, NormDesign):
            return said
        who = f'FitNoteNorms "{self.name}"'
        if design.controls is None:
            said.append(f"{who} needs control episodes, and the design declares no `controls`: name their table.")
        elif self.interval == "bootstrap" and getattr(design.controls, "practice", "") is None:
            said.append(
                f'{who} asks for interval="bootstrap", which resamples practices: name `practice` in `controls`.'
            )
        said += [
            f'{who} asks for norms by "{name}", which is not in the design\'s `norm_by`.'
            f"{did_you_mean(name, design.norm_by)} There: {', '.join(design.norm_by) or 'nothing'}."
            for name in self.by or ()
            if name not in design.norm_by
        ]
        return said

    def table(self, study: StudyData) -> NormTable:
        """Make the table of norms, for analyses that set clients against it."""
        return self._made(study)[0]

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Make the norms and show those of every population's cells."""
        from impactkit.data import clients

        table, controls = self._made(study)
        rows = _Rows(self, study, controls, table)
        cells = clients(study).cells
        for population in self.chosen_populations(study.design):
            member = study.population(population)
            labels = {cells.labels[code] for code in np.unique(cells.codes[member]) if code >= 0}
            rows.population(population, None if population == ALL else _kept(table, labels, _columns(study)))
        return rows.estimates()

    def _made(self, study: StudyData) -> tuple[NormTable, ControlData]:
        from impactkit.data import control_episodes, norms_from_episodes

        by = _columns(study)
        unit: Literal["weeks", "days"] = "days" if getattr(study.design, "time_unit", "") == "days" else "weeks"
        controls = control_episodes(study)
        if self.by is not None:
            controls = controls_by(controls, by, self.by)
        table = norms_from_episodes(
            controls,
            by=by if self.by is None else self.by,
            reading=self.reading,
            time_unit=unit,
            threshold=self.threshold_weeks * (7.0 if unit == "days" else 1.0),
            elapsed=self.elapsed,
            horizon=self.horizon,
            shares=self.quantiles,
            interval=self.interval,
            replications=self.replications,
            draws=lambda: study.rng(f"{self.name}: practices"),
            shrink_below=self.shrink_below,
            ignore_censoring=self.ignore_censoring,
            conf_level=self.conf_level,
        )
        return table, controls


def controls_by(controls: ControlData, columns: tuple[str, ...], by: tuple[str, ...]) -> ControlData:
    """Give the same episodes with cells by some of the columns only."""
    from impactkit.data.columns import Factor
    from impactkit.data.norms import cell_label, label_values

    unknown = [name for name in by if name not in columns]
    if unknown:
        raise SpecError(f"norms by {', '.join(unknown)} were asked for; the design's `norm_by` is {', '.join(columns)}")
    if not by:
        return replace(
            controls, cells=Factor(np.where(controls.cells.codes < 0, -1, 0).astype(np.int32), ("everyone",))
        )
    values = [dict(zip(columns, label_values(columns, label), strict=True)) for label in controls.cells.labels]
    texts = [cell_label(by, [own[name] for name in by]) for own in values]
    labels = tuple(dict.fromkeys(texts))
    codes = np.array([labels.index(text) for text in texts] + [-1], dtype=np.int32)[controls.cells.codes]
    return replace(controls, cells=Factor(codes, labels))


def norm_term(label: str, statistic: str, share: float) -> str:
    """Write the term of a row: the cell, with the share of a quantile (or the word shrunken) before it.

    Examples
    --------
    >>> norm_term("cause=back", "quantile", 0.25)
    '25%: cause=back'
    """
    if statistic == "shrunken_median":
        return f"shrunken: {label}"
    return f"{100 * share:g}%: {label}" if statistic == "quantile" else label


def _columns(study: StudyData) -> tuple[str, ...]:
    return tuple(getattr(study.design, "norm_by", ()))


def _kept(table: NormTable, labels: set[str], columns: tuple[str, ...]) -> set[str]:
    """Choose the cells that clients are in, and the areas those belong to."""
    from impactkit.data.norms import label_values

    own = [dict(zip(columns, label_values(columns, label), strict=True)) for label in labels]
    return {
        norm.label
        for norm in table.norms
        if any(
            all(value in (None, client[name]) for name, value in zip(table.by, norm.values, strict=True))
            for client in own
        )
    }


class _Rows:
    """Collects the rows of every population."""

    def __init__(self, spec: FitNoteNorms, study: StudyData, controls: ControlData, table: NormTable) -> None:
        self.spec, self.study, self.controls, self.table = spec, study, controls, table
        self.keys: list[RowKey] = []
        self.numbers: list[tuple[float, float, float, float]] = []
        self.intervals: dict[int, tuple[float, float]] = {}
        self.influence: list[RowInfluence | None] = []
        self.remarks: list[Note] = []
        self.glances: list[dict[str, Any]] = []
        self.curves: list[Curve] = []

    def population(self, population: str, kept: set[str] | None) -> None:
        """Add the norms of a population's cells."""
        table = self.table
        shown = [norm for norm in table.norms if kept is None or norm.label in kept]
        for norm in shown:
            self._norm(norm, population)
        if not shown:
            key = RowKey(self.spec.name, ABSENCE, population, "norm", "median", table.time_unit)
            self._add(key, (np.nan, np.nan, np.nan, np.nan), None, None)
            self.remarks.append(Note(*key[:4], "estimate", "no control episode is in a cell of this population"))
        for reason in table.notes:
            self.remarks.append(self.spec.note(reason, outcome=ABSENCE, population=population))
        if self.controls.practices is None:
            reason = "the controls name no practice: episodes count as independent, so limits are too narrow"
            self.remarks.append(self.spec.note(reason, outcome=ABSENCE, population=population))
        self.glances.append(self._glance(population, shown))

    def _norm(self, norm: Norm, population: str) -> None:
        spec, unit = self.spec, self.table.time_unit
        by_practice = self.controls.practices is not None
        df = float(norm.practices - 1) if by_practice else np.inf
        for number in norm.statistics:
            term = norm_term(norm.label, number.name, number.share)
            key = RowKey(spec.name, ABSENCE, population, term, number.name, unit)
            freedom = df if np.isfinite(number.std_error) else np.nan
            carried = None
            if number.influence is not None and norm.rows is not None:
                used = np.flatnonzero(number.influence)
                carried = RowInfluence(norm.rows[used], number.influence[used], people=norm.rows)
            limits = (number.conf_low, number.conf_high)
            self._add(key, (number.estimate, number.std_error, freedom, norm.n), carried, limits)
            self.remarks += [Note(*key[:4], column, reason) for column, reason in number.notes]
        self.remarks += [
            spec.note(said, outcome=ABSENCE, population=population, term=norm.label) for said in norm.notes
        ]
        curve = norm.curve
        if curve is None or not curve.time.size or norm.risk is None:
            return
        shift = norm.risk.landmark if spec.reading in ("adjusted_residual", "conditional") else 0.0
        low, high = norm.band or (np.full(curve.time.size, np.nan),) * 2
        self.curves.append(
            Curve(
                spec.name, ABSENCE, population, norm.label, "norm_survival", unit,
                curve.time - shift, curve.survival.copy(), np.array(low), np.array(high),
                curve.at_risk.copy(), np.cumsum(curve.events),
            )
        )  # fmt: skip

    def _add(
        self,
        key: RowKey,
        numbers: tuple[float, float, float, float],
        carried: RowInfluence | None,
        limits: tuple[float, float] | None,
    ) -> None:
        if limits is not None:
            self.intervals[len(self.keys)] = limits
        self.keys.append(key)
        self.numbers.append(numbers)
        self.influence.append(carried)

    def _glance(self, population: str, shown: list[Norm]) -> dict[str, Any]:
        spec, controls = self.spec, self.controls
        cut = (shown[0].risk.landmark if shown and shown[0].risk is not None else 0.0) if shown else 0.0
        words = _WORDS[spec.reading].format(cut=cut, unit=self.table.time_unit)
        rows = [norm.rows for norm in shown if norm.rows is not None]
        used = np.unique(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)
        practices = None if controls.practices is None else len(np.unique(controls.practices.codes[used]))
        how = "influence by practice" if controls.practices is not None else "influence by episode"
        if spec.interval == "bootstrap":
            how = f"percentiles of {spec.replications} resamples of practices; std_error from {how}"
        return {
            "analysis": spec.name,
            "outcome": ABSENCE,
            "population": population,
            "kind": spec.kind,
            "estimand": words,
            "method": "simple quantiles, censoring ignored"
            if spec.ignore_censoring
            else "product limit, delayed entry",
            "inference": how,
            "evidence": self.study.design.evidence,
            "n_analysed": int(used.size),
            "n_control": int(used.size),
            "clusters": practices,
            "missing_rule": "episodes without a length, an ending or a practice left out",
            "weights": "none",
            "conf_level": spec.conf_level,
            "independence_assumed": False,
        }

    def estimates(self) -> Estimates:
        controls = self.controls
        columns = np.array(self.numbers, dtype=np.float64).reshape(-1, 4)
        block = Influence(
            table=controls.table,
            token=self.study.data_hash,
            units=controls.units,
            clusters=None if controls.practices is None else controls.practices.codes,
            rows=tuple(self.influence),
        )
        return Estimates.build(
            keys=self.keys,
            working=columns[:, 0],
            working_se=columns[:, 1],
            df=columns[:, 2],
            n=columns[:, 3],
            conf_level=self.spec.conf_level,
            intervals=self.intervals,
            influence=[block],
            glances=self.glances,
            remarks=self.remarks,
            min_cell=columns[:, 3],
            curves=self.curves,
        )
