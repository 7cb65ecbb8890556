"""Norms from episodes of certified absence, with an interval that knows the episodes come from a few practices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.practices import (
    GroupedRisk,
    curve_band,
    episode_influence,
    group_survival_influence,
    grouped_risk,
    mean_slopes,
    quantile_interval,
    quantiles,
    resampled_survival,
    restricted_means,
    survival_slopes,
    tied,
)
from impactkit.compute.survival.shrinkage import between_variance, shrink
from impactkit.data.coding import stratum_codes
from impactkit.data.columns import Bools, Factor, Floats, frozen
from impactkit.data.controls import DAYS_A_WEEK, ControlData
from impactkit.data.norms import READINGS, Norm, NormTable, Reading, Statistic, cell_label, label_values
from impactkit.errors import DataError, SpecError

__all__ = ["FEW_REPLICATES", "THRESHOLD_WEEKS", "NormRules", "norms_from_episodes"]

Interval = Literal["practice", "bootstrap"]
Draws = Callable[[], np.random.Generator]

THRESHOLD_WEEKS = 4.0
FEW_REPLICATES = 0.05
"""A resampled interval is refused when more than this share of resamples cannot give the number."""


@dataclass(frozen=True, slots=True)
class NormRules:
    """How a norm is made of episodes; every number in the controls' unit of time.

    Parameters
    ----------
    reading : str
    landmark, shift : float
        Only episodes longer than ``landmark`` count, and ``shift`` is taken off their length.
    horizon : float or None
        How far the restricted mean goes, from the shift on.
    shares : tuple of float
        Quantiles besides the median.
    interval : {"practice", "bootstrap"}
    replications : int
    shrink_below : int
    conf_level : float
    """

    reading: Reading
    landmark: float
    shift: float
    horizon: float | None
    shares: tuple[float, ...]
    interval: Interval
    replications: int
    shrink_below: int
    conf_level: float


@dataclass(frozen=True, slots=True, eq=False)
class _Area:
    """The practices that are drawn together, and the resamples of them."""

    codes: NDArray[np.int64]
    size: int
    weights: Floats | None


def norms_from_episodes(
    controls: Any,
    *,
    by: Sequence[str],
    reading: Reading,
    time_unit: Literal["weeks", "days"] = "weeks",
    threshold: float | None = None,
    elapsed: float | None = None,
    horizon: float | None = None,
    shares: Sequence[float] = (0.25, 0.75),
    interval: Interval = "practice",
    replications: int = 999,
    draws: Draws | None = None,
    shrink_below: int = 50,
    ignore_censoring: bool = False,
    conf_level: float = 0.95,
    duration: str = "duration",
    ended: str = "ended",
    late_entry: str | None = None,
    practice: str | None = None,
) -> NormTable:
    """Make norms of control episodes: medians, quantiles and restricted means, by cell.

    Parameters
    ----------
    controls : ControlData or table
        Control episodes of a study, or any frame or file with one row per episode.
    by : sequence of str
        Columns whose combinations are the cells; for ControlData those of the design's ``norm_by``.
    reading : {"complete", "adjusted_total", "adjusted_residual", "conditional"}
        What the norm is of; see :class:`NormTable`.
    time_unit : {"weeks", "days"}
        Unit of the lengths, and of the norms.
    threshold : float, optional
        What counts as long in the adjusted readings, in ``time_unit``; four weeks when left out.
    elapsed : float, optional
        Time already absent, in ``time_unit``; needed by, and only by, the conditional reading.
    horizon : float, optional
        Gives restricted means so far, in ``time_unit``; counted from the threshold (or ``elapsed``) in a residual
        reading.
    shares : sequence of float
        Quantiles besides the median; 0.25 for the lower quartile.
    interval : {"practice", "bootstrap"}
        ``"practice"``: from the influence of each practice, with t on practices − 1 degrees of freedom.
        ``"bootstrap"``: percentiles over resamples of the practices of an area; too narrow with few practices.
    replications : int
        Resamples.
    draws : callable, optional
        Gives a fresh random generator; needed by ``interval="bootstrap"``.
    shrink_below : int
        Cells with fewer episodes also get a shrunken median; 0 for none.
    ignore_censoring : bool
        True counts open episodes as ended and late entered ones as seen from the start, as the simple medians of a
        report do. They are too short as a rule.
    conf_level : float
    duration, ended, late_entry, practice : str, optional
        Columns of a table that is not ControlData.

    Returns
    -------
    NormTable
        One norm per cell, then one over all cells of each area, an area being the columns of ``by`` that do not vary
        within a practice.

    Raises
    ------
    SpecError
        If options contradict each other.
    DataError
        If the table lacks a column or holds no usable episode.

    Notes
    -----
    Quantiles and means are of the product limit with delayed entry, so that open episodes and those already running
    when observation began count for what is known of them. Standard errors sum the influence of the episodes within
    practice and take G / (G − 1) for G practices of the area. The interval of a quantile is where the pointwise limits
    of the curve cross it (Brookmeyer and Crowley 1982), its standard error that width over twice the critical value
    (Woodruff 1952). Shrunken medians pull log medians towards the mean over the area's cells, with the variance
    between cells by restricted maximum likelihood.

    References
    ----------
    Brookmeyer, R. and Crowley, J. (1982). A confidence interval for the median survival time. *Biometrics* 38.
    Woodruff, R. S. (1952). Confidence intervals for medians and other position measures. *Journal of the American
    Statistical Association* 47.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.data import norms_from_episodes
    >>> episodes = pd.DataFrame({"diagnosis": ["back"] * 5, "duration": [1, 2, 6, 8, 20], "ended": [1] * 5})
    >>> table = norms_from_episodes(episodes, by=("diagnosis",), reading="adjusted_total", shrink_below=0)
    >>> table.norm_for("diagnosis=back", "adjusted_total")
    8.0
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    long = (THRESHOLD_WEEKS * (DAYS_A_WEEK if time_unit == "days" else 1.0)) if threshold is None else float(threshold)
    _check(reading, long, elapsed, horizon, shares, interval, replications, draws, conf_level)
    landmark = {"complete": 0.0, "conditional": elapsed}.get(reading, long) or 0.0
    rules = NormRules(
        reading=reading,
        landmark=landmark,
        shift=landmark if reading in ("adjusted_residual", "conditional") else 0.0,
        horizon=horizon,
        shares=tuple(shares),
        interval=interval,
        replications=replications,
        shrink_below=shrink_below,
        conf_level=conf_level,
    )
    data = controls if isinstance(controls, ControlData) else _read(controls, by, duration, ended, late_entry, practice)
    if not data.stop.size:
        raise DataError(["control episodes were expected and none is usable: check their lengths and practices"])
    stop, start = tied(data.stop, data.start)
    over = data.ended
    notes = list(data.notes)
    open_, late = int((~over).sum()), int((start > 0).sum())
    if ignore_censoring:
        start, over = np.zeros(start.size), np.ones(stop.size, dtype=bool)
        if open_ or late:
            notes.append(
                f"{open_:,} open episodes count as ended and {late:,} entered late as seen from the start, as asked"
            )
    data = replace(data, stop=stop, start=start, ended=over)
    norms = _Maker(data, by, rules, draws).norms()
    return NormTable(
        by=by,
        norms=tuple(norms),
        time_unit=time_unit,
        threshold=long,
        horizon=float("nan") if horizon is None else float(horizon),
        source=f"{stop.size:,} control episodes",
        notes=tuple(notes),
    )


def _check(
    reading: str,
    threshold: float,
    elapsed: float | None,
    horizon: float | None,
    shares: Sequence[float],
    interval: str,
    replications: int,
    draws: Draws | None,
    conf_level: float,
) -> None:
    faults = []
    if reading not in READINGS:
        faults.append(f"`reading` should be one of {', '.join(READINGS)}; got {reading!r}")
    if (reading == "conditional") != (elapsed is not None):
        faults.append('`elapsed` belongs to, and is needed by, reading="conditional"')
    if not threshold > 0:
        faults.append(f"`threshold` should be more than 0; got {threshold}")
    if elapsed is not None and not elapsed >= 0:
        faults.append(f"`elapsed` should be 0 or more; got {elapsed}")
    floor = threshold if reading == "adjusted_total" else 0.0
    if horizon is not None and not horizon > floor:
        faults.append(f"`horizon` should be more than {floor:g} in this reading; got {horizon}")
    if any(not 0 < share < 1 for share in shares):
        faults.append("`shares` should lie between 0 and 1")
    if interval not in ("practice", "bootstrap"):
        faults.append(f'`interval` should be "practice" or "bootstrap"; got {interval!r}')
    if interval == "bootstrap" and draws is None:
        faults.append('interval="bootstrap" draws random numbers: give `draws`, which makes a seeded generator')
    if replications < 99:
        faults.append(f"`replications` should be 99 or more; got {replications}")
    if not 0 < conf_level < 1:
        faults.append(f"`conf_level` should lie between 0 and 1; got {conf_level}")
    if faults:
        raise SpecError.listing(faults, "the options of the norms")


def _read(
    source: Any, by: Sequence[str], duration: str, ended: str, late_entry: str | None, practice: str | None
) -> ControlData:
    """Read episodes from any table, leaving out none that can be used."""
    from impactkit.data.frames import read_table

    table = read_table(source, keys=[practice] if practice else [])
    wanted = [*by, duration, ended, *filter(None, (late_entry, practice))]
    absent = [table.absent(name, "the norms") for name in wanted if name not in table]
    if absent:
        raise DataError(absent)
    numbers = {name: table.column(name).numbers for name in (duration, ended, *filter(None, (late_entry,)))}
    problems = [f"column `{name}` should hold numbers: convert it" for name, found in numbers.items() if found is None]
    flags = numbers[ended]
    if flags is not None and not np.isin(flags[~np.isnan(flags)], (0.0, 1.0)).all():
        problems.append(f"column `{ended}` should hold 1 (ended) and 0 (still open) only: recode it")
    lengths = numbers[duration]
    if lengths is not None and (lengths <= 0).any():
        problems.append(f"column `{duration}` should be more than 0, and is not in {int((lengths <= 0).sum()):,} rows")
    if problems:
        raise DataError(problems)
    assert lengths is not None and flags is not None
    late = np.zeros(table.size) if late_entry is None else np.nan_to_num(np.asarray(numbers[late_entry]), nan=0.0)
    everybody = np.ones(table.size, dtype=bool)
    cells = (
        stratum_codes([table.column(name) for name in by], everybody)
        if by
        else Factor(frozen(np.zeros(table.size, dtype=np.int32)), ("everyone",))
    )
    practices = None if practice is None else table.column(practice).factor(declared=False)
    usable = ~(np.isnan(lengths) | np.isnan(flags)) & (lengths > late)
    if practices is not None:
        usable &= practices.codes >= 0
    said = []
    if not usable.all():
        said.append(
            f"{int((~usable).sum()):,} of {table.size:,} control episodes have no length, no practice or no known "
            "ending and were left out"
        )
    return ControlData(
        table="episodes",
        units=np.flatnonzero(usable),
        start=late[usable],
        stop=lengths[usable],
        ended=flags[usable] == 1.0,
        cells=Factor(frozen(cells.codes[usable]), cells.labels),
        practices=None if practices is None else Factor(frozen(practices.codes[usable]), practices.labels),
        notes=tuple(said),
    )


class _Maker:
    """Makes the norms of one table, sharing the resamples of an area's practices."""

    def __init__(self, data: ControlData, by: tuple[str, ...], rules: NormRules, draws: Draws | None) -> None:
        self.data, self.by, self.rules, self.draws = data, by, rules, draws
        self.values = [label_values(by, label) for label in data.cells.labels]
        self.nested = self._nested()
        self._areas: dict[tuple[str | None, ...], _Area] = {}

    def norms(self) -> list[Norm]:
        codes = self.data.cells.codes
        cells = [
            self._norm(label, self.values[code], np.flatnonzero(codes == code))
            for code, label in enumerate(self.data.cells.labels)
        ]
        norms = self._shrunken(cells)
        for area in dict.fromkeys(self._area_of(values) for values in self.values):
            label = cell_label(self.by, area)
            if self.by and label not in self.data.cells.labels:
                inside = [code for code, values in enumerate(self.values) if self._area_of(values) == area]
                norms.append(self._norm(label, area, np.flatnonzero(np.isin(codes, inside))))
        return norms

    # --- practices and areas ------------------------------------------------------------------------

    def _nested(self) -> tuple[int, ...]:
        """Find the columns that do not vary within a practice: an area, of which a practice belongs to one."""
        practices, codes = self.data.practices, self.data.cells.codes
        if practices is None:
            return ()
        known = codes >= 0
        found = []
        for place in range(len(self.by)):
            texts = sorted({str(values[place]) for values in self.values})
            own = np.array([texts.index(str(values[place])) for values in self.values] + [-1])[codes[known]]
            pairs = np.unique(practices.codes[known].astype(np.int64) * len(texts) + own)
            if pairs.size == np.unique(practices.codes[known]).size:
                found.append(place)
        return tuple(found)

    def _area_of(self, values: tuple[str | None, ...]) -> tuple[str | None, ...]:
        return tuple(value if place in self.nested else None for place, value in enumerate(values))

    def _area(self, values: tuple[str | None, ...]) -> _Area:
        key = self._area_of(values)
        if key not in self._areas:
            practices = self.data.practices
            if practices is None:
                self._areas[key] = _Area(np.zeros(self.data.stop.size, dtype=np.int64), 1, None)
            else:
                inside = [code for code, own in enumerate(self.values) if self._area_of(own) == key]
                member = np.isin(self.data.cells.codes, inside)
                used = np.unique(practices.codes[member])
                place = np.full(len(practices.labels), -1, dtype=np.int64)
                place[used] = np.arange(used.size)
                self._areas[key] = _Area(place[practices.codes], int(used.size), self._weights(key, int(used.size)))
        return self._areas[key]

    def _weights(self, key: tuple[str | None, ...], size: int) -> Floats | None:
        if self.rules.interval != "bootstrap" or size < 2 or self.draws is None:
            return None
        areas = sorted({self._area_of(values) for values in self.values}, key=str)
        generator = self.draws()
        for area in areas:  # every area has its own stream, whichever is asked for first
            child = generator.spawn(1)[0]
            if area == key:
                drawn: Floats = child.multinomial(size, np.full(size, 1.0 / size), self.rules.replications).astype(
                    float
                )
                return drawn
        return None

    # --- one cell -----------------------------------------------------------------------------------

    def _norm(self, label: str, values: tuple[str | None, ...], rows: NDArray[np.int64]) -> Norm:
        data, rules = self.data, self.rules
        area = self._area(values)
        rows = rows[data.stop[rows] > rules.landmark]
        stop, ended, start = data.stop[rows], data.ended[rows], data.start[rows]
        risk = grouped_risk(stop, ended, area.codes[rows], area.size, start=start, landmark=rules.landmark)
        base = Norm(
            label, values, rules.reading, float(rows.size), float((~ended).sum()),
            area.size if data.practices is not None else 0, (), rows=rows, risk=risk,
        )  # fmt: skip
        groups = area.codes[rows]
        cell = _Cell(rules, area, risk, (stop, ended, start, groups), data.practices is not None)
        statistics, notes, band = cell.numbers()
        present = int((risk.last > risk.landmark).sum())
        if data.practices is not None and rows.size and present < area.size:
            notes.append(f"{present} of the {area.size} practices of the area have such episodes")
        return replace(base, statistics=tuple(statistics), notes=tuple(notes), band=band)

    def _shrunken(self, norms: list[Norm]) -> list[Norm]:
        below = self.rules.shrink_below
        found = list(norms)
        for area in dict.fromkeys(self._area_of(norm.values) for norm in norms):
            places = [place for place, norm in enumerate(norms) if self._area_of(norm.values) == area]
            if not any(0 < norms[place].n < below for place in places):
                continue
            usable = [place for place in places if _log_variance(norms[place]) > 0]
            logs = np.log([norms[place].statistics[0].estimate for place in usable])
            variances = np.array([_log_variance(norms[place]) for place in usable])
            between = between_variance(logs, variances)
            shrunk = shrink(logs, variances, between) if np.isfinite(between) else None
            for place in places:
                if 0 < norms[place].n < below:
                    seat = usable.index(place) if place in usable else None
                    number = _shrunken_median(shrunk, seat, below)
                    found[place] = replace(norms[place], statistics=(*norms[place].statistics, number))
        return found


def _log_variance(norm: Norm) -> float:
    """Give the variance of a log median: by practice or by episode, whichever is larger; NaN where not known."""
    median = norm.statistics[0]
    if not np.isfinite(median.estimate) or median.estimate <= 0 or norm.risk is None:
        return float("nan")
    curve = norm.risk.curve()
    low, high = quantile_interval(norm.risk, 0.5, _greenwood(curve.at_risk, curve.events, curve.survival), 1.0)
    alone = 0.5 * (high - low)
    errors = [error for error in (alone, median.std_error) if np.isfinite(error)]
    return float(max(errors) / median.estimate) ** 2 if np.isfinite(alone) else float("nan")


def _shrunken_median(shrunk: tuple[Floats, Floats, float] | None, seat: int | None, below: int) -> Statistic:
    if shrunk is None or seat is None:
        why = (
            "fewer than three cells of the area have a median and a variance"
            if shrunk is None
            else "the cell's median or its variance is not known"
        )
        return Statistic("shrunken_median", np.nan, np.nan, notes=(("estimate", f"not shrunken: {why}"),))
    means, own, centre = shrunk
    return Statistic(
        "shrunken_median",
        float(own[seat]),
        float(np.exp(means[seat])),
        notes=(
            (
                "",
                f"fewer than {below} episodes: the shrunken median keeps {own[seat]:.0%} of the cell's own log median "
                f"and takes the rest from {np.exp(centre):.1f}, the mean over the area's cells",
            ),
            ("std_error", "a shrunken median trades bias for variance, so limits around it would say too much"),
        ),
    )


def _greenwood(at_risk: Floats, events: Floats, survival: Floats) -> Floats:
    left = at_risk - events
    parts = np.where(left > 0, events / (at_risk * np.where(left > 0, left, 1.0)), 0.0)
    return survival * np.sqrt(np.cumsum(parts))


class _Cell:
    """The numbers of one cell."""

    def __init__(
        self,
        rules: NormRules,
        area: _Area,
        risk: GroupedRisk,
        episodes: tuple[Floats, Bools, Floats, NDArray[np.int64]],
        by: bool,
    ) -> None:
        from scipy.special import ndtri, stdtrit

        self.rules, self.risk, self.area, self.by_practice = rules, risk, area, by
        self.stop, self.ended, self.start, self._groups = episodes
        self.curve = risk.curve()
        upper = 0.5 * (1.0 + rules.conf_level)
        present = int((risk.last > risk.landmark).sum())
        self.factor, self.critical, self.reason = 1.0, float(ndtri(upper)), ""
        if by:
            if area.size < 2:
                self.reason = "the episodes come from one practice, so how practices differ is not known"
            elif present < 2:
                self.reason = "the cell's episodes come from one practice, so how practices differ is not known"
            else:
                self.factor = float(np.sqrt(area.size / (area.size - 1)))
                self.critical = float(stdtrit(area.size - 1, upper))
        curve = self.curve
        if by:
            spread = group_survival_influence(risk)
            self.error = self.factor * np.sqrt((spread**2).sum(axis=0))
        else:
            self.error = _greenwood(curve.at_risk, curve.events, curve.survival)
        self.resampled = None if area.weights is None else resampled_survival(risk, area.weights)

    def numbers(self) -> tuple[list[Statistic], list[str], tuple[Floats, Floats] | None]:
        rules, notes = self.rules, []
        if not self.stop.size:
            empty = (("estimate", "the controls have no such episode"),)
            names = [("median", 0.5), *(("quantile", share) for share in rules.shares)]
            names += [("restricted_mean", np.nan)] if rules.horizon is not None else []
            return [Statistic(name, share, np.nan, notes=empty) for name, share in names], notes, None
        statistics = [self._quantile("median", 0.5)]
        statistics += [self._quantile("quantile", share) for share in rules.shares]
        if rules.horizon is not None:
            statistics.append(self._mean(rules.horizon))
        late = int((self.start > rules.landmark).sum())
        still = int((~self.ended).sum())
        if late or still:
            simple = float(np.median(self.stop)) - rules.shift
            gap = simple - statistics[0].estimate
            size = f", {abs(gap):.1f} {'shorter' if gap < 0 else 'longer'}" if abs(gap) >= 0.05 else ""
            notes.append(
                f"{still:,} episodes were still open and {late:,} ran when observation began; counted as ended "
                f"and seen from the start their median would be {simple:.1f}{size}"
            )
        thin = self.curve.time[(self.curve.at_risk < 5) & (self.curve.survival > 0.5)]
        if thin.size:
            notes.append(f"fewer than 5 episodes are observed around {thin[0]:g}, before half have ended")
        band = None if self.reason else curve_band(self.curve.survival, self.error, self.critical)
        return statistics, notes, band

    def _quantile(self, name: str, share: float) -> Statistic:
        curve, risk, shift = self.curve, self.risk, self.rules.shift
        value = float(quantiles(risk.time, curve.survival[None], share, np.array([curve.last]))[0])
        if not np.isfinite(value):
            said = f"fewer than {share:.0%} of episodes had ended by {curve.last:g}, the longest time observed"
            return Statistic(name, share, np.nan, notes=(("estimate", said),))
        if self.reason:
            return Statistic(name, share, value - shift, notes=(("std_error", self.reason),))
        low, high = quantile_interval(risk, share, self.error, self.critical)
        notes: list[tuple[str, str]] = []
        error, influence = np.nan, None
        if np.isfinite(high):
            error = (high - low) / (2.0 * self.critical)
            raw = episode_influence(risk, survival_slopes(risk, value), self.stop, self.ended, self.start)
            influence = self._scaled(raw, error)
            if influence is None:
                error = np.nan
                notes.append(
                    ("std_error", "practices do not differ here at all, so a standard error of 0 says nothing")
                )
            elif error == 0.0:
                notes.append(("", "lengths are heaped on a few values, so that the interval is a single one"))
        else:
            notes.append(("std_error", "the upper limit of the curve does not fall so low, so the interval is open"))
            notes.append(("conf_high", f"the upper limit lies beyond {curve.last:g}, the longest time observed"))
            high = np.nan
        if self.resampled is not None:
            survival, last = self.resampled
            low, high = self._percentiles(quantiles(risk.time, survival, share, last), notes)
        elif value > high or value < low:
            low, high = min(low, value), max(high, value)
        return Statistic(name, share, value - shift, error, low - shift, high - shift, tuple(notes), influence)

    def _mean(self, horizon: float) -> Statistic:
        risk, rules = self.risk, self.rules
        until = horizon + rules.shift
        base = rules.landmark - rules.shift
        value = float(restricted_means(risk, self.curve.survival[None], until, np.array([self.curve.last]))[0]) + base
        if not np.isfinite(value):
            known = self.curve.last - rules.shift
            said = f"the curve is known to {known:g} only, not to {horizon:g}: choose a horizon of {known:g} or less"
            return Statistic("restricted_mean", np.nan, np.nan, notes=(("estimate", said),))
        if self.reason:
            return Statistic("restricted_mean", np.nan, value, notes=(("std_error", self.reason),))
        values = self.factor * episode_influence(risk, mean_slopes(risk, until), self.stop, self.ended, self.start)
        error = float(np.sqrt((self._sums(values) ** 2).sum()))
        notes: list[tuple[str, str]] = []
        low, high = value - self.critical * error, value + self.critical * error
        if self.resampled is not None:
            survival, last = self.resampled
            low, high = self._percentiles(restricted_means(risk, survival, until, last) + base, notes)
        return Statistic("restricted_mean", np.nan, value, error, low, high, tuple(notes), values)

    def _sums(self, values: Floats) -> Floats:
        """Sum within practice, or leave as they are."""
        if not self.by_practice:
            return values
        return np.bincount(self._groups, weights=values, minlength=self.area.size)

    def _scaled(self, raw: Floats, error: float) -> Floats | None:
        """Give influence values in proportion to those on S, of the size of the quantile's standard error."""
        size = float(np.sqrt((self._sums(raw) ** 2).sum()))
        return None if size == 0.0 else -raw * (error / size)

    def _percentiles(self, numbers: Floats, notes: list[tuple[str, str]]) -> tuple[float, float]:
        lost = float(np.isnan(numbers).mean())
        if lost > FEW_REPLICATES:
            notes.append(("conf_low", f"{lost:.0%} of the resamples of practices cannot give the number"))
            notes.append(("conf_high", f"{lost:.0%} of the resamples of practices cannot give the number"))
            return float("nan"), float("nan")
        known = np.sort(numbers[~np.isnan(numbers)])
        tail = 0.5 * (1.0 - self.rules.conf_level) * (known.size + 1)
        low, high = (
            known[max(int(np.floor(tail)) - 1, 0)],
            known[min(int(np.ceil(known.size + 1 - tail)) - 1, known.size - 1)],
        )
        if not np.isfinite(high):
            notes.append(
                ("conf_high", "too many resamples of practices do not reach it, so the interval is open above")
            )
        if not np.isfinite(low):
            notes.append(("conf_low", "too many resamples of practices do not reach it"))
        return (float(low) if np.isfinite(low) else np.nan), (float(high) if np.isfinite(high) else np.nan)
