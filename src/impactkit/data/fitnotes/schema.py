"""Read a table of fit notes into arrays and check every note: one error with all counts, or a stated rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.columns import Column
from impactkit.data.fitnotes.dates import NO_DAY, add_months, as_days, day_number, day_text, today
from impactkit.data.fitnotes.names import find_columns
from impactkit.data.frames import Columns
from impactkit.design import FitNoteColumns, FitNoteEpisodes
from impactkit.errors import DataError

__all__ = ["ADJUSTMENTS", "Notes", "read_notes"]

ADJUSTMENTS = ("phased_return", "altered_hours", "amended_duties", "workplace_adaptations")
CARRIED = ("sex", "birth_year", "area")

LONGEST = 1826  # five years
FAR_APART = 366

_YES = frozenset({"yes", "y", "true", "1", "employed"})
_UNITS = {"d": "days", "day": "days", "days": "days", "w": "weeks", "wk": "weeks", "wks": "weeks", "week": "weeks"}
_UNITS |= {"weeks": "weeks", "m": "months", "mth": "months", "mths": "months", "month": "months", "months": "months"}

Bools = NDArray[np.bool_]
Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Notes:
    """The notes that can be used, and what became of the others.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Their rows in the table.
    start, end : ndarray of int64, shape (n,)
        First and last day covered, days since 1970-01-01.
    may_be_fit : ndarray of bool, shape (n,)
    issued, assessed : ndarray of int64, shape (n,)
        ``NO_DAY`` where not known.
    fields : mapping of str to Column
        The columns that were found, by field, for the whole table.
    opens, closes : int
        First and last day of the window.
    size : int
        Notes in the table.
    out : mapping of str to int
        Notes left out, by reason; every note has one reason at most.
    said : mapping of str to int
        Other things that were counted.
    """

    rows: NDArray[np.int64]
    start: Days
    end: Days
    may_be_fit: Bools
    issued: Days
    assessed: Days
    fields: Mapping[str, Column]
    opens: int
    closes: int
    size: int
    out: Mapping[str, int] = field(default_factory=dict)
    said: Mapping[str, int] = field(default_factory=dict)


def read_notes(table: Columns, columns: FitNoteColumns, rules: FitNoteEpisodes) -> Notes:
    """Read and check.

    Raises
    ------
    DataError
        Listing every problem with counts: columns that are missing, cells that cannot be read, notes that contradict
        themselves and for which the rules say "error".
    """
    found, problems = find_columns(columns, table.names, table.words)
    if not problems and not table.size:
        problems = [f"{table.words} should have at least one note and has none: check the file or the filter"]
    if problems:
        raise DataError(problems)
    fields = {name: table.column(column) for name, column in found.items()}
    sheet = _Sheet(table, columns, rules, fields)
    return sheet.read()


class _Sheet:
    """Notes under check."""

    def __init__(
        self, table: Columns, columns: FitNoteColumns, rules: FitNoteEpisodes, fields: dict[str, Column]
    ) -> None:
        self.words, self.size = table.words, table.size
        self.columns, self.rules, self.fields = columns, rules, fields
        self.problems: list[str] = []
        self.later: list[str] = []  # about notes, not columns: said together with the other faults of notes
        self.left = np.ones(self.size, dtype=bool)
        self.out: dict[str, int] = {}
        self.said: dict[str, int] = {}

    def read(self) -> Notes:
        for name in ("patient", "practice", "diagnosis", "icd10", "sex", "area"):
            column = self.fields.get(name)
            if column is not None and column.kind in ("mixed", "other"):
                self.problems.append(
                    f"column `{column.name}` of {self.words} should hold text or numbers; found {column.found}: "
                    "convert it to one of these"
                )
        start, issued, assessed = (self._days(name) for name in ("starts", "issued", "assessed"))
        end, overlong = self._ends(start)
        may_be_fit, unknown = self._status()
        if self.problems:
            raise DataError(self.problems)
        self.problems += self.later
        if self.rules.employed_only:
            self._leave_out("of people not employed", ~self._employed())
        self._faults(start, end, issued, assessed, overlong)
        self._disposed("unknown status", unknown, self.rules.unknown_status, "unknown_status", _UNKNOWN)
        usable = self.left & (start != NO_DAY)
        opens, closes = self._window(start[usable], issued[usable])
        late = usable & (np.where(issued == NO_DAY, start, issued) > closes)
        self._disposed(
            "after the window",
            late,
            self.rules.after_window,
            "after_window",
            f"notes should be issued by the end of the window, {day_text(closes)}, or begin by then; found later ones",
        )
        self._ticked(may_be_fit)
        if self.problems:
            raise DataError(self.problems)
        if not self.left.any():
            raise DataError([f"no note of {self.words} can be used: {self._reasons()}: correct them"])
        rows = np.flatnonzero(self.left)
        return Notes(
            rows=rows,
            start=start[rows],
            end=end[rows],
            may_be_fit=may_be_fit[rows],
            issued=issued[rows],
            assessed=assessed[rows],
            fields=self.fields,
            opens=opens,
            closes=closes,
            size=self.size,
            out=self.out,
            said=self.said,
        )

    def _days(self, name: str) -> Days:
        column = self.fields.get(name)
        if column is None:
            return np.full(self.size, NO_DAY, dtype=np.int64)
        days, problems = as_days(column, self.words, self.columns.date_format)
        self.problems += problems
        return days.astype(np.int64)

    def _ends(self, start: Days) -> tuple[Days, Bools]:
        """Give last days, by dates or by duration, and mark durations that are no whole number of days."""
        end, odd = self._days("ends"), np.zeros(self.size, dtype=bool)
        column = self.fields.get("duration")
        if column is None:
            return end, odd
        if column.numbers is None:
            self.problems.append(
                f"column `{column.name}` of {self.words} should hold the length of each note as a number; found "
                f"{column.found or 'text'}: give a number, and the unit in a column of its own"
            )
            return end, odd
        length, unit = column.numbers, self._unit()
        known = ~np.isnan(length) & (start != NO_DAY)
        days = np.where(unit == "weeks", length * 7, length)
        odd = ~np.isnan(length) & ((days < 1) | (days != np.round(days)) | (unit == ""))
        sound = known & ~odd & (days <= LONGEST)
        by_length = np.full(self.size, NO_DAY, dtype=np.int64)
        by_length[sound] = start[sound] + days[sound].astype(np.int64) - 1
        monthly = sound & (unit == "months")
        by_length[monthly] = add_months(start[monthly], length[monthly].astype(np.int64))
        both = sound & (end != NO_DAY)
        differs = both & (end != by_length)
        if differs.any():
            one_more = int((end[differs] - by_length[differs] == 1).sum())
            if self.rules.disagree == "error":
                hint = f" ({one_more:,} of them by one day: a 28-day note covers days 1 to 28)" if one_more else ""
                self.later.append(
                    f"the duration and the dates of a note should agree; found {int(differs.sum()):,} of "
                    f"{self.size:,} notes of {self.words} where they do not{hint}: correct them, or say what to "
                    'believe with FitNoteEpisodes(disagree="dates") or "duration"'
                )
            self.said["duration and dates disagree"] = int(differs.sum())
        use = sound & ((end == NO_DAY) | (differs & (self.rules.disagree == "duration")))
        end[use] = by_length[use]
        return end, odd & (end == NO_DAY)

    def _unit(self) -> NDArray[Any]:
        column = self.fields.get("unit")
        if column is None:
            return np.full(self.size, self.columns.duration_unit)
        if column.codes is None or column.levels is None:
            self.problems.append(
                f"column `{column.name}` of {self.words} should say days, weeks or months; found numbers: name another"
            )
            return np.full(self.size, "days")
        names = [_UNITS.get(str(level).strip().casefold(), "") for level in column.levels]
        units: NDArray[Any] = np.array([*names, self.columns.duration_unit])[column.codes]
        return units

    def _status(self) -> tuple[Bools, Bools]:
        column = self.fields["status"]
        nobody = np.zeros(self.size, dtype=bool)
        if column.codes is None or column.levels is None:
            if column.numbers is not None and not np.isnan(column.numbers).all():
                self.problems.append(
                    f'column `{column.name}` of {self.words} should say "not fit" or "may be fit"; found numbers: '
                    "recode it, or name another column in FitNoteColumns(status=...)"
                )
            return nobody, ~nobody
        plain = [str(level).strip().casefold() for level in column.levels]
        may = {label.casefold() for label in self.columns.may_be_fit}
        known = may | {label.casefold() for label in self.columns.not_fit}
        is_may = np.array([level in may for level in plain] + [False])[column.codes]
        unknown = np.array([level not in known for level in plain] + [True])[column.codes]
        return is_may, unknown

    def _employed(self) -> Bools:
        column = self.fields.get("employed")
        if column is None:
            raise DataError(
                [
                    f"FitNoteEpisodes(employed_only=True) needs a column `employed` in {self.words} and there is none: "
                    "name it in FitNoteColumns(employed=...)"
                ]
            )
        return _truth(column, _YES)

    def _faults(self, start: Days, end: Days, issued: Days, assessed: Days, odd: Bools) -> None:
        no_start, no_end = start == NO_DAY, (end == NO_DAY) & ~odd
        both = ~no_start & (end != NO_DAY)
        patient, practice = self.fields["patient"], self.fields.get("practice")
        self._fault("no patient", patient.missing, "every note should say whose it is")
        if practice is not None:
            self._fault("no practice", practice.missing, "every note should say which practice it is from")
        self._fault("no from-date", no_start, "every note should have a first day")
        self._fault("no end", ~no_start & no_end, "every note should have a last day or a duration")
        self._fault("odd duration", odd, "a duration should be a whole number of days of 1 or more, in a known unit")
        self._fault("ends before it begins", both & (end < start), "a note should end on or after its first day")
        self._fault("over five years", both & (end - start >= LONGEST), "a note should cover at most five years")
        for name, day in (("issued", issued), ("assessed", assessed)):
            far = ~no_start & (day != NO_DAY) & (np.abs(day - start) > FAR_APART)
            self._fault(f"{name} far from it", far, f"a note should be {name} within a year of its first day")
        written = np.where(issued == NO_DAY, np.where(assessed == NO_DAY, start, assessed), issued)
        future = (written != NO_DAY) & (written > today())
        self._fault("in the future", future, "a note should be written, or begin, no later than today")
        early = (issued != NO_DAY) & (assessed != NO_DAY) & (issued < assessed)
        self._fault("issued before assessed", early, "a note should be issued on or after the assessment")
        born = self.fields.get("birth_year")
        if born is not None:
            if born.numbers is None:
                self.problems.append(
                    f"column `{born.name}` of {self.words} should hold the year of birth as a number; found "
                    f"{born.found or 'text'}: give numbers"
                )
                return
            year = np.where(no_start, 0, start).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
            age = np.where(no_start, np.nan, year - born.numbers)
            self._fault("birth year", (age < 0) | (age > 120), "the year of birth should give an age of 0 to 120")

    def _fault(self, reason: str, wrong: Bools, expected: str) -> None:
        found = wrong & self.left
        if self.rules.faulty == "error":
            count = int(found.sum())
            if count:
                self.problems.append(
                    f"{expected}; found {count:,} of {self.size:,} notes of {self.words} that do not ({reason}): "
                    'correct them, or leave them out with FitNoteEpisodes(faulty="dropped")'
                )
            return
        self._leave_out(reason, wrong)

    def _disposed(self, reason: str, marked: Bools, rule: str, option: str, expected: str) -> None:
        found = marked & self.left
        count = int(found.sum())
        if not count:
            return
        if rule == "error":
            others = 'FitNoteEpisodes(unknown_status="not_fit") or "dropped"'
            way_out = others if option == "unknown_status" else f'FitNoteEpisodes({option}="dropped")'
            self.problems.append(
                f"{expected} in {count:,} of {self.size:,} notes of {self.words}: correct them, or say {way_out}"
            )
        elif rule == "dropped":
            self._leave_out(reason, marked)
        else:
            self.said[f"{reason}, taken as not fit"] = count

    def _leave_out(self, reason: str, marked: Bools) -> None:
        count = int((marked & self.left).sum())
        if count:
            self.out[reason] = count
            self.left &= ~marked

    def _window(self, start: Days, issued: Days) -> tuple[int, int]:
        if self.rules.window is not None:
            return day_number(self.rules.window[0]), day_number(self.rules.window[1])
        if not start.size:
            return 0, 0
        known = issued[issued != NO_DAY]
        days = known if known.size else start
        return int(days.min()), int(days.max())

    def _ticked(self, may_be_fit: Bools) -> None:
        ticked = np.zeros(self.size, dtype=bool)
        for name in ADJUSTMENTS:
            if name in self.fields:
                ticked |= _truth(self.fields[name], _YES)
        if ticked.any():
            self.said["may be fit with an adjustment"] = int((ticked & may_be_fit & self.left).sum())
            self.said["not fit with an adjustment ticked"] = int((ticked & ~may_be_fit & self.left).sum())

    def _reasons(self) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in self.out.items())


_UNKNOWN = 'the status should be "not fit" or "may be fit"; found something else, or nothing,'


def _truth(column: Column, yes: frozenset[str]) -> Bools:
    if column.numbers is not None:
        found: Bools = column.numbers == 1.0
        return found
    if column.codes is None or column.levels is None:
        return np.zeros(column.size, dtype=bool)
    said: Bools = np.array([str(level).strip().casefold() in yes for level in column.levels] + [False])[column.codes]
    return said
