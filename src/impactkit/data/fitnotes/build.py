"""Build episodes of certified absence from fit notes, with an account of what every rule did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.episode_majority import Majority, majority_diagnosis
from impactkit.compute.episode_window import Seen, linked_periods, see_through_window, working_days
from impactkit.compute.episodes import MergedNotes, merge_notes, only_may_be_fit, sort_notes
from impactkit.data.columns import Factor
from impactkit.data.fitnotes.audit import Audit
from impactkit.data.fitnotes.counts import account
from impactkit.data.fitnotes.dates import NO_DAY, day_number, day_text
from impactkit.data.fitnotes.diagnosis import AS_GIVEN, DiagnosisGroups, group_diagnoses
from impactkit.data.fitnotes.names import key_names
from impactkit.data.fitnotes.schema import CARRIED, Notes, read_notes
from impactkit.data.frames import Columns, read_table
from impactkit.design import FitNoteColumns, FitNoteEpisodes
from impactkit.errors import DataError, SpecError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MADE", "Episodes", "build_episodes"]

MADE = ("practice", "diagnosis", "client_group", "age_band", "sex", "birth_year", "area")
"""Columns of the frame by which a norm can be taken; others are carried from the notes."""

LONG_SILENCE = 92
"""Days without any note that are said when nobody gave a window."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Episodes of certified absence and the account of how they came about.

    Parameters
    ----------
    frame : DataFrame
        One row per episode: ``episode, practice, patient, start, end, calendar_days, working_days, certified_days,
        may_be_fit_days, observed_from, observed_to, days_before_window, notes, diagnosis, client_group, diagnoses,
        tied, open, prevalent, backdated, ssp_link``, then ``age_band, sex, birth_year, area`` and other columns
        asked for, when the notes have them. Person-level: never print it.
    audit : Audit
        Every note and every episode accounted for.
    rules : FitNoteEpisodes
    window : tuple of two str
        First and last day of observation.

    Notes
    -----
    ``calendar_days`` run from the first to the last certified day, both included, bridged gaps too.
    ``certified_days`` are those that some note covers. ``observed_from`` and ``observed_to`` are the days of absence
    between which the episode was watched: what an analysis of durations takes as entry and exit.
    """

    frame: pd.DataFrame
    audit: Audit
    rules: FitNoteEpisodes
    window: tuple[str, str]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"<Episodes: {len(self):,} episodes, {self.window[0]} to {self.window[1]}>"

    def by_diagnosis(self, column: str = "diagnosis") -> pd.DataFrame:
        """Count episodes by diagnosis in the layout of Table C.1: number, per cent, median weeks.

        Parameters
        ----------
        column : str
            ``"diagnosis"``, ``"client_group"`` or another column of the frame.

        Returns
        -------
        DataFrame
            ``group, n, percent, median_weeks, open``; the total last. The median is of certified calendar time as
            recorded, open episodes included as long as they were seen, as in the report: a description, not a norm.
        """
        import pandas as pd

        weeks = self.frame["calendar_days"] / 7
        rows = []
        for group, part in self.frame.groupby(column, sort=False, observed=True):
            rows.append([str(group), len(part), float(weeks[part.index].median()), int(part["open"].sum())])
        order = {name: place for place, name in enumerate(self.frame.attrs.get("groups", ()))}
        rows.sort(key=lambda row: (order.get(row[0], len(order)), row[0]))
        rows.append(["Total", len(self.frame), float(weeks.median()), int(self.frame["open"].sum())])
        table = pd.DataFrame(rows, columns=["group", "n", "median_weeks", "open"])
        table.insert(2, "percent", 100 * table["n"] / max(len(self.frame), 1))
        return table


def build_episodes(
    notes: Any,
    rules: FitNoteEpisodes | None = None,
    *,
    columns: FitNoteColumns | None = None,
    diagnosis_groups: str | DiagnosisGroups = "report",
    carry: Sequence[str] = (),
) -> Episodes:
    """Turn fit notes into episodes of certified absence.

    Parameters
    ----------
    notes : frame or path
        One row per note: anything :func:`~impactkit.data.read_table` opens.
    rules : FitNoteEpisodes, optional
        How notes are joined; the defaults are stated there.
    columns : FitNoteColumns, optional
        Which column is what; usual names are found without it.
    diagnosis_groups : str or DiagnosisGroups, default "report"
        ``"report"``: the 26 categories of Table C.1; ``"as given"``: the text itself; the path of a TOML file like
        the package's own; or a mapping.
    carry : sequence of str
        Other columns of the notes to carry to the episodes, as each patient's value on the earliest note that has one.

    Returns
    -------
    Episodes

    Raises
    ------
    DataError
        One error that lists every problem with counts.
    SpecError
        If the rules name a diagnosis group that the mapping has not.

    Notes
    -----
    In this order: notes that cannot be used are left out as the rules say; "may be fit" notes too if they are ignored;
    copies (same patient, days, status and diagnosis group) count once; notes of one patient that overlap, touch or lie
    at most ``gap_days`` apart make an episode; the notes vote on its diagnosis; episodes outside the window, and
    prevalent ones if the rules say so, are left out; what the window shows of the others is marked.

    References
    ----------
    DWP Research Report 896 (2015), Appendix C: notes collapsed to episodes, diagnosis of the majority of notes.

    Examples
    --------
    >>> import pandas as pd
    >>> notes = pd.DataFrame({
    ...     "practice": "A", "patient": [1, 1, 2], "starts": ["2012-01-02", "2012-01-30", "2012-02-01"],
    ...     "ends": ["2012-01-29", "2012-02-26", "2012-02-14"], "status": "not fit",
    ...     "diagnosis": ["low back pain", "sciatica", "work stress"],
    ... })
    >>> found = build_episodes(notes, FitNoteEpisodes(window=("2012-01-01", "2012-12-31")))
    >>> found.frame[["calendar_days", "working_days", "notes", "diagnosis", "open"]]
       calendar_days  working_days  notes     diagnosis   open
    0             56            40      2  Back problem  False
    1             14            10      1        Stress  False
    >>> found.audit["notes in the table"], found.audit["episodes used"]
    (3, 2)
    """
    rules, columns = rules or FitNoteEpisodes(), columns or FitNoteColumns()
    table = notes if isinstance(notes, Columns) else read_table(notes, "fit_notes", keys=key_names(columns))
    if diagnosis_groups == AS_GIVEN:
        groups = None
    else:
        groups = DiagnosisGroups.load(diagnosis_groups) if isinstance(diagnosis_groups, str) else diagnosis_groups
    absent = [table.absent(name, "`carry`") for name in carry if name not in table.names]
    if absent:
        raise DataError(absent)
    read = read_notes(table, columns, rules)
    return _Builder(table, read, rules, groups, tuple(carry)).build()


class _Builder:
    """The steps between checked notes and the frame."""

    def __init__(
        self,
        table: Columns,
        notes: Notes,
        rules: FitNoteEpisodes,
        groups: DiagnosisGroups | None,
        carry: tuple[str, ...],
    ) -> None:
        self.table, self.notes, self.rules, self.carry = table, notes, rules, carry
        self.grouped = group_diagnoses(notes.rows.size, self._labels("diagnosis"), self._labels("icd10"), groups)
        if rules.hierarchy:
            wrong = [name for name in rules.hierarchy if name not in self.grouped.names]
            if wrong:
                known = self.grouped.names
                said = [f'"{name}", which is no diagnosis group.{did_you_mean(name, known)}' for name in wrong]
                raise SpecError("; ".join(f"`hierarchy` names {text}" for text in said))
        self.practice = self._factor("practice")
        self.patient = self._factor("patient")
        self.person, self.people = self._people()

    def build(self) -> Episodes:
        notes, rules = self.notes, self.rules
        used = ~notes.may_be_fit if rules.may_be_fit == "ignored" else np.ones(notes.rows.size, dtype=bool)
        seen_on = np.where(notes.assessed == NO_DAY, notes.issued, notes.assessed)
        backdated = (seen_on != NO_DAY) & (seen_on - notes.start > rules.backdated_days)
        merged = merge_notes(
            sort_notes(
                self.person[used],
                notes.start[used],
                notes.end[used],
                gap=rules.gap_days,
                diagnosis=self.grouped.codes[used],
                may_be_fit=notes.may_be_fit[used],
                backdated=backdated[used],
            ),
            gap=rules.gap_days,
        )
        majority = majority_diagnosis(merged, rules.vote, self._rank(), len(self.grouped.names) - 1)
        start, end = merged.start, merged.end
        seen = see_through_window(
            start,
            end,
            opens=notes.opens,
            closes=notes.closes,
            gap=rules.gap_days,
            last_certain=rules.open_until == "last_certain_day",
        )
        run_in = ~seen.prevalent & (start >= notes.opens) & (start < notes.opens + rules.run_in_days)
        kept = ~seen.outside & ~run_in
        if rules.prevalent == "dropped":
            kept &= ~seen.prevalent
        audit = account(
            notes=notes,
            grouped=self.grouped,
            rules=rules,
            used=used,
            person=self.person,
            practice=self.practice,
            patient=self.patient,
            backdated=backdated,
            merged=merged,
            majority=majority,
            seen=seen,
            run_in=run_in,
            kept=kept,
        )
        audit = replace(audit, warnings=self._warnings())
        frame = self._frame(merged, majority, seen, np.flatnonzero(kept))
        return Episodes(frame, audit, rules, (day_text(notes.opens), day_text(notes.closes)))

    def _warnings(self) -> tuple[str, ...]:
        """Say it when records begin with the window, so that a running absence cannot be told from a new one."""
        notes = self.notes
        written = np.where(notes.issued == NO_DAY, notes.start, notes.issued)
        said = self._gaps(np.unique(written[written != NO_DAY])) if self.rules.window is None else ()
        if self.rules.run_in_days or bool((written < notes.opens).any()):
            return said
        return (
            *said,
            f"no note is older than the window, which opens on {day_text(notes.opens)}: absences that were running "
            "then look like new ones and durations are biased; give earlier notes, a later window, or "
            "FitNoteEpisodes(run_in_days=...) of the longest usual note and the gap",
        )

    def _gaps(self, days: NDArray[Any]) -> tuple[str, ...]:
        """Say it when the window taken from the notes has a long stretch without any: a mistyped year, as a rule."""
        longest = int(np.diff(days).max(initial=0))
        if longest <= LONG_SILENCE:
            return ()
        return (
            f"no note was written for {longest:,} days on end, and the window is taken from the notes "
            f"({day_text(self.notes.opens)} to {day_text(self.notes.closes)}): if a year is mistyped, the window is "
            "too wide and open episodes count as ended; correct it, or give FitNoteEpisodes(window=...)",
        )

    def _frame(self, merged: MergedNotes, majority: Majority, seen: Seen, kept: Ints) -> pd.DataFrame:
        import pandas as pd

        rules, names = self.rules, self.grouped.names
        start, end, person = merged.start[kept], merged.end[kept], merged.person[kept]
        may_be_fit = only_may_be_fit(merged)
        observed_from = seen.before[kept].astype(np.float64)
        observed_to = np.maximum(seen.until[kept] - start + 1, 0).astype(np.float64)
        if rules.may_be_fit == "halved":
            observed_from -= (
                only_may_be_fit(merged, np.where(seen.prevalent, merged.start + seen.before - 1, -1))[kept] / 2
            )
            observed_to -= only_may_be_fit(merged, seen.until)[kept] / 2
        diagnosis = majority.diagnosis[kept]
        holidays = [day_number(day) for day in rules.holidays]
        linked = linked_periods(
            person,
            start,
            end,
            since=[day_number(rule.since) for rule in rules.ssp],
            days=[rule.link_days for rule in rules.ssp],
            shortest=[rule.shortest_days for rule in rules.ssp],
        )
        columns: dict[str, Any] = {
            "episode": np.arange(kept.size),
            "practice": self._practice_of(person),
            "patient": _text(self.patient.labels)[self._first(self.patient.codes)[person]],
            "start": start.astype("datetime64[D]").astype("datetime64[s]"),
            "end": end.astype("datetime64[D]").astype("datetime64[s]"),
            "calendar_days": end - start + 1,
            "working_days": working_days(start, end, holidays),
            "certified_days": merged.certified[kept],
            "may_be_fit_days": may_be_fit[kept],
            "observed_from": observed_from,
            "observed_to": observed_to,
            "days_before_window": seen.before[kept],
            "notes": merged.count[kept],
            "diagnosis": _text(names)[diagnosis],
            "client_group": _text(self.grouped.client_groups)[diagnosis],
            "tied": majority.tied[kept],
            "open": seen.open[kept],
            "prevalent": seen.prevalent[kept],
            "backdated": merged.backdated[kept],
            "ssp_link": linked,
        }
        born = self.notes.fields.get("birth_year")
        if born is not None:
            year = start.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
            values = np.append(np.asarray(born.numbers, dtype=np.float64)[self.notes.rows], np.nan)
            birth = values[self._first(np.where(np.isnan(values[:-1]), -1, 0), rows=True)[person]]
            columns["birth_year"] = birth
            columns["age_band"] = _age_bands(year - birth, rules.age_bands)
        for name in (*(field for field in CARRIED if field != "birth_year"), *self.carry):
            column = self.notes.fields.get(name) if name in CARRIED else self.table.column(name)
            if column is not None and name not in columns:
                factor = column.factor(declared=False)
                columns[name] = _text(factor.labels)[self._first(factor.codes[self.notes.rows])[person]]
        frame = pd.DataFrame(columns)
        frame.attrs["groups"] = tuple(names)
        return frame

    def _labels(self, name: str) -> tuple[NDArray[np.int32], tuple[str, ...]] | None:
        column = self.notes.fields.get(name)
        if column is None:
            return None
        factor = column.factor(declared=False)
        return factor.codes[self.notes.rows], factor.labels

    def _factor(self, name: str) -> Factor:
        column = self.notes.fields.get(name)
        if column is None:
            return Factor(np.zeros(self.notes.rows.size, dtype=np.int32), ("",))
        factor = column.factor(declared=False)
        return Factor(factor.codes[self.notes.rows], factor.labels)

    def _people(self) -> tuple[Ints, int]:
        key = self.patient.codes.astype(np.int64)
        if self.rules.patient_scope == "practice":
            key += self.practice.codes.astype(np.int64) * max(len(self.patient.labels), 1)
        values, person = np.unique(key, return_inverse=True)
        return person.astype(np.int64), int(values.size)

    def _first(self, codes: NDArray[Any], *, rows: bool = False) -> Ints:
        """Give each person's code on the earliest note that has one (or that note's position), -1 without any."""
        has = np.flatnonzero(codes >= 0)
        low = np.full(self.people, np.iinfo(np.int64).max)
        high = np.full(self.people, -1, dtype=np.int64)
        np.minimum.at(low, self.person[has], codes[has].astype(np.int64))
        np.maximum.at(high, self.person[has], codes[has].astype(np.int64))
        if not rows and not (low < high).any():
            return high
        order = has[np.lexsort((codes[has], self.notes.start[has]))[::-1]]
        found = np.full(self.people, -1, dtype=np.int64)
        found[self.person[order]] = order if rows else codes[order]
        return found

    def _practice_of(self, person: Ints) -> NDArray[Any]:
        return _text(self.practice.labels)[self._first(self.practice.codes)[person]]

    def _rank(self) -> Ints:
        names = self.grouped.names
        place = {name: position for position, name in enumerate((*self.rules.hierarchy, *names))}
        for position, name in reversed(list(enumerate(self.rules.hierarchy))):
            place[name] = position
        return np.argsort(np.argsort([place[name] for name in names])).astype(np.int64)


def _text(labels: Sequence[str]) -> NDArray[Any]:
    """Give labels as an array in which code -1 picks ``None``."""
    found = np.empty(len(labels) + 1, dtype=object)
    found[:-1] = labels
    return found


def _age_bands(age: NDArray[np.float64], bands: tuple[int, ...]) -> NDArray[Any]:
    if not bands:
        return np.full(age.size, "all ages", dtype=object)
    labels = [f"{bands[0]} or under"]
    labels += [f"{low + 1} to {high}" for low, high in pairwise(bands)]
    labels.append(f"over {bands[-1]}")
    code = np.where(np.isnan(age), len(labels), np.searchsorted(bands, np.nan_to_num(age), side="left"))
    return _text(labels)[code]
