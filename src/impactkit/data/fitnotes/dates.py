"""Days as numbers: read from any column of dates, calendar months added and taken."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from impactkit.data.columns import Column

__all__ = ["NO_DAY", "add_months", "as_days", "day_number", "day_text", "today"]

NO_DAY = np.iinfo(np.int32).min
"""Stands for a missing day."""

Days = NDArray[np.int32]


def as_days(column: Column, words: str, date_format: str | None) -> tuple[Days, list[str]]:
    """Read a column of dates as days since 1970-01-01.

    Parameters
    ----------
    column : Column
        Dates, dates with a time of day (which is cut off), or text.
    words : str
        What messages call the table.
    date_format : str or None
        How text is written; ISO when ``None``.

    Returns
    -------
    days : ndarray of int32, shape (n,)
        :data:`NO_DAY` where missing.
    problems : list of str
    """
    start = f"column `{column.name}` of {words} should hold dates"
    if column.numbers is not None and bool(np.isnan(column.numbers).all()):
        return np.full(column.size, NO_DAY, dtype=np.int32), []
    if column.codes is None or column.levels is None:
        found = column.found or "numbers"
        return np.full(column.size, NO_DAY, dtype=np.int32), [f"{start}; found {found}: give dates, or ISO text"]
    pattern = None if column.kind == "date" else date_format
    days = np.array([_day(str(level), pattern) for level in column.levels] + [NO_DAY], dtype=np.int32)
    found_days = days[column.codes]
    problems = []
    unreadable = int(((found_days == NO_DAY) & (column.codes >= 0)).sum())
    if unreadable:
        wanted = "like 2012-03-31" if pattern is None else f"like {pattern}"
        way_out = (
            'dates like 31/03/2012 are read with FitNoteColumns(date_format="%d/%m/%Y")'
            if pattern is None
            else "correct them or the `date_format`"
        )
        problems.append(f"{start} written {wanted}; found {unreadable:,} of {column.size:,} that are not: {way_out}")
    times = {str(level)[11:] for level in column.levels if len(str(level)) > 10} if pattern is None else set()
    if "23:00:00" in times and times <= {"23:00:00", "00:00:00"}:
        problems.append(
            f"column `{column.name}` of {words} has only midnights and 23:00: these are summer days of a clock in "
            'universal time and would fall on the day before; convert them with tz_convert("Europe/London") first'
        )
    return found_days, problems


def add_months(day: NDArray[np.int64], months: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Give the last day of a period of so many calendar months that begins on ``day``.

    The period ends the day before the same day of a later month, or on that month's last day if it is too short.

    Examples
    --------
    >>> first = np.array([day_number("2012-01-15"), day_number("2012-01-31")])
    >>> [day_text(day) for day in add_months(first, 1)]
    ['2012-02-14', '2012-02-29']
    """
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    offset = (dates - month.astype("datetime64[D]")).astype(np.int64)
    later = (month + np.asarray(months).astype("timedelta64[M]")).astype("datetime64[D]")
    after = (month + (np.asarray(months) + 1).astype("timedelta64[M]")).astype("datetime64[D]")
    last: NDArray[np.int64] = np.minimum(later.astype(np.int64) + offset, after.astype(np.int64)) - 1
    return last


def day_number(text: str) -> int:
    """Give the days from 1970-01-01 to an ISO date."""
    return int(np.datetime64(text, "D").astype(np.int64))


def day_text(day: int) -> str:
    """Write a day as an ISO date."""
    return str(np.datetime64(int(day), "D"))


def today() -> int:
    """Give today as days since 1970-01-01: dates after it are mistakes."""
    return date.today().toordinal() - 719163


def _day(text: str, pattern: str | None) -> int:
    try:
        moment = datetime.fromisoformat(text.strip()) if pattern is None else datetime.strptime(text.strip(), pattern)
    except ValueError:
        return NO_DAY
    return moment.date().toordinal() - 719163
