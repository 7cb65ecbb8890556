"""Norms from episodes of certified absence, with an interval that knows the episodes come from a few practices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.practices import grouped_risk
from impactkit.compute.survival.shrinkage import between_variance, shrink
from impactkit.compute.survival.ties import tied
from impactkit.data.coding import stratum_codes
from impactkit.data.columns import Factor, Floats, frozen
from impactkit.data.controls import DAYS_A_WEEK, ControlData
from impactkit.data.norms import READINGS, Norm, NormTable, Reading, cell_label, label_values
from impactkit.data.norms_cells import Area, Cell, Interval, NormRules, log_variance, shrunken_median
from impactkit.errors import DataError, SpecError

__all__ = ["THRESHOLD_WEEKS", "norms_from_episodes"]

Draws = Callable[[], np.random.Generator]

THRESHOLD_WEEKS = 4.0


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
    stop, start, cut = tied(data.stop, data.start, np.array([landmark]))  # 28 days are four weeks, whatever the noise
    rules = replace(rules, landmark=float(cut[0]))
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
    late = np.zeros(table.size) if late_entry is None else np.asarray(numbers[late_entry])
    wrong = int((late > lengths).sum())
    if wrong:
        raise DataError(
            [f"`{late_entry}` should not be longer than `{duration}`, and is in {wrong:,} rows: correct them"]
        )
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
            f"{int((~usable).sum()):,} of {table.size:,} control episodes have no length, no practice, no known ending "
            "or no time in which they were watched, and were left out"
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
        self._areas: dict[tuple[str | None, ...], Area] = {}

    def norms(self) -> list[Norm]:
        codes = self.data.cells.codes
        cells = [
            self._norm(label, self.values[code], np.flatnonzero(codes == code))
            for label, code in sorted((label, code) for code, label in enumerate(self.data.cells.labels))
        ]
        norms = self._shrunken(cells)
        for area in sorted({self._area_of(values) for values in self.values}, key=str):
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

    def _area(self, values: tuple[str | None, ...]) -> Area:
        key = self._area_of(values)
        if key not in self._areas:
            practices = self.data.practices
            if practices is None:
                self._areas[key] = Area(np.zeros(self.data.stop.size, dtype=np.int64), 1, None)
            else:
                inside = [code for code, own in enumerate(self.values) if self._area_of(own) == key]
                member = np.isin(self.data.cells.codes, inside)
                used = np.unique(practices.codes[member])
                place = np.full(len(practices.labels), -1, dtype=np.int64)
                place[used] = np.arange(used.size)
                self._areas[key] = Area(place[practices.codes], int(used.size), self._weights(key, int(used.size)))
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
        cell = Cell(rules, area, risk, (stop, ended, start, groups), data.practices is not None)
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
            usable = [place for place in places if log_variance(norms[place]) > 0]
            logs = np.log([norms[place].statistics[0].estimate for place in usable])
            variances = np.array([log_variance(norms[place]) for place in usable])
            between = between_variance(logs, variances)
            shrunk = shrink(logs, variances, between) if np.isfinite(between) else None
            for place in places:
                if 0 < norms[place].n < below:
                    seat = usable.index(place) if place in usable else None
                    number = shrunken_median(shrunk, seat, below)
                    found[place] = replace(norms[place], statistics=(*norms[place].statistics, number))
        return found
