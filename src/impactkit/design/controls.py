"""Where a norm comes from: a table of control fit notes with the rules that make episodes of them, or of episodes."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from impactkit.design.base import ColumnName, Spec

__all__ = ["AnyControls", "ControlEpisodes", "ControlNotes", "FitNoteColumns", "FitNoteEpisodes", "SspLinking"]


def _iso_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f'a date should be written like 2012-03-31; got "{text}"') from None


IsoDate = Annotated[str, AfterValidator(_iso_date)]


class SspLinking(Spec):
    """When two periods of incapacity for work count as one for statutory sick pay.

    Parameters
    ----------
    since : ISO date
        First day on which this version holds; it holds for periods that begin on or after it, until the next.
    link_days : int, default 56
        Days between two periods that still link them: eight weeks.
    shortest_days : int, default 4
        The shortest period that counts.

    References
    ----------
    Social Security Contributions and Benefits Act 1992, section 152(2) and (3).
    """

    since: IsoDate = "1992-07-01"
    link_days: int = Field(default=56, strict=True, ge=0, le=366)
    shortest_days: int = Field(default=4, strict=True, ge=1, le=366)


class FitNoteEpisodes(Spec):
    """The rules that turn fit notes into episodes of certified absence; every one has a stated default.

    Days are inclusive throughout: a 28-day note covers days 1 to 28. Copies of a note count once, and a day that
    several notes cover counts once.

    Parameters
    ----------
    gap_days : int, default 7
        Days without a certificate between two notes of one patient that still count as one episode; 7 is the rule
        of NHS England's statistics. The days of the gap are part of ``calendar_days``, not of ``certified_days``.
    may_be_fit : {"counted", "halved", "ignored"}, default "counted"
        What a day counts for that only "may be fit for work" notes cover. Halved, the episode keeps its first and
        last day and is shortened by half of those days; ignored, the notes are left out before anything is joined.
    majority : {"notes", "days"}, default "notes"
        Whether an episode's diagnosis is that of most notes (the report's rule) or of most certified days.
    ties : tuple of {"notes", "days", "earliest"}, default ("days", "earliest")
        What decides, in turn, when ``majority`` leaves several: most notes, most certified days, the earliest first
        day. The hierarchy decides at last. A note without a diagnosis that can be classified has no vote when
        another of its episode has one.
    hierarchy : tuple of str
        Diagnosis groups, the one that wins first; those not named follow in the order of the mapping.
    prevalent : {"left_truncated", "dropped"}, default "left_truncated"
        What happens to episodes already running when the window opens.
    window : tuple of two ISO dates, optional
        First and last day of observation. Left out, the first and last day on which a note was issued or, without
        issue dates, the first and last from-date: what would follow later notes cannot have been seen.
    run_in_days : int, default 0
        Leave out episodes that begin within so many days of the window's opening: their earlier notes may have been
        written before records began, so that their beginning is not known.
    open_until : {"last_certain_day", "last_certified_day"}, default "last_certain_day"
        How far an open episode is followed. An episode is open when a note that began after the window closed could
        still have joined it, which is when it is certified within ``gap_days`` of the close. It is followed to the
        last day on which any end could have been seen (``gap_days`` + 1 before the close), or to its own last
        certified day, which stops the watch just when an end becomes possible and makes absences look too long.
    patient_scope : {"practice", "everywhere"}, default "practice"
        Whether the same patient number in two practices is two people or one.
    disagree : {"error", "dates", "duration"}, default "error"
        What to believe when a note's duration and dates disagree.
    unknown_status : {"error", "not_fit", "dropped"}, default "error"
        What to do with notes that are neither "not fit" nor "may be fit", or do not say.
    faulty : {"error", "dropped"}, default "error"
        What to do with notes that cannot be used: no patient, no dates, an end before the beginning, dates a year or
        more from the day of issue, dates in the future. Dropped, each reason is counted in the audit.
    after_window : {"error", "dropped"}, default "error"
        What to do with notes issued, or beginning, after the window closed.
    employed_only : bool, default False
        Leave out notes of people recorded as not employed.
    backdated_days : int, default 0
        A note is backdated when its from-date is more than so many days before the assessment.
    longest_months, within_months : int, default 3 and 6
        Notes longer than so many calendar months in the first so many months of an episode are counted: the rules of
        certification allow none.
    age_bands : tuple of int, default (40,)
        Last age of each band but the last, at the first day of the episode: "40 or under" and "over 40".
    holidays : tuple of ISO dates
        Days from Monday to Friday that are not working days.
    ssp : tuple of SspLinking
        Versions of the rule that links periods for statutory sick pay, by date. It makes a column of its own and
        joins no episodes. By default eight weeks and four days, and from 6 April 2026, when sick pay became due from
        the first day (Employment Rights Act 2025), eight weeks and one day: check both for the period studied.
    """

    gap_days: int = Field(default=7, strict=True, ge=0, le=366)
    may_be_fit: Literal["counted", "halved", "ignored"] = "counted"
    majority: Literal["notes", "days"] = "notes"
    ties: tuple[Literal["notes", "days", "earliest"], ...] = ("days", "earliest")
    hierarchy: tuple[str, ...] = ()
    prevalent: Literal["left_truncated", "dropped"] = "left_truncated"
    window: tuple[IsoDate, IsoDate] | None = None
    run_in_days: int = Field(default=0, strict=True, ge=0, le=366)
    open_until: Literal["last_certain_day", "last_certified_day"] = "last_certain_day"
    patient_scope: Literal["practice", "everywhere"] = "practice"
    disagree: Literal["error", "dates", "duration"] = "error"
    unknown_status: Literal["error", "not_fit", "dropped"] = "error"
    faulty: Literal["error", "dropped"] = "error"
    after_window: Literal["error", "dropped"] = "error"
    employed_only: bool = False
    backdated_days: int = Field(default=0, strict=True, ge=0, le=366)
    longest_months: int = Field(default=3, strict=True, ge=1, le=60)
    within_months: int = Field(default=6, strict=True, ge=0, le=120)
    age_bands: tuple[Annotated[int, Field(strict=True, ge=16, le=100)], ...] = (40,)
    holidays: tuple[IsoDate, ...] = ()
    ssp: tuple[SspLinking, ...] = Field(
        default=(SspLinking(), SspLinking(since="2026-04-06", shortest_days=1)), min_length=1
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        faults = []
        if self.window is not None and self.window[0] >= self.window[1]:
            faults.append("`window` should open before it closes: give its first and its last day")
        if any(later <= band for band, later in pairwise(self.age_bands)):
            faults.append("`age_bands` should rise: give the last age of each band but the last")
        if any(later.since <= rule.since for rule, later in pairwise(self.ssp)):
            faults.append("the versions in `ssp` should rise by `since`")
        for option, values in (("ties", self.ties), ("hierarchy", self.hierarchy)):
            if len(set(values)) < len(values):
                faults.append(f"`{option}` names something twice")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def vote(self) -> tuple[str, ...]:
        """The rules that choose a diagnosis, in the order they are asked."""
        return tuple(dict.fromkeys([self.majority, *self.ties, "hierarchy"]))


class FitNoteColumns(Spec):
    """Which column of a table of fit notes is what.

    A column that is not named is looked for under its usual name (the name of the option) and its aliases; case,
    spaces, hyphens and underscores make no difference. A column that is named must be there.

    Parameters
    ----------
    patient, practice, note_id : str, optional
    starts, ends : str, optional
        First and last day that the note covers.
    duration, unit : str, optional
        Length of the note, and a column that says in what unit.
    duration_unit : {"days", "weeks", "months"}, default "days"
        Unit of ``duration`` when no column says; months are calendar months.
    issued, assessed : str, optional
        Day on which the note was written, and of the assessment it rests on.
    status : str, optional
        Not fit or may be fit.
    not_fit, may_be_fit : tuple of str
        What is in ``status``, in any case.
    diagnosis, icd10 : str, optional
        Diagnosis as text, and as an ICD-10 code.
    sex, birth_year, area, employed : str, optional
        Carried to the episodes; ``employed`` is 1 or 0, or yes or no.
    phased_return, altered_hours, amended_duties, workplace_adaptations : str, optional
        Adjustments ticked on a "may be fit" note: 1 or 0, or yes or no.
    date_format : str, optional
        How text dates are written, for example ``"%d/%m/%Y"``; ISO dates (``2012-03-31``) when left out.
    """

    patient: ColumnName | None = None
    practice: ColumnName | None = None
    note_id: ColumnName | None = None
    starts: ColumnName | None = None
    ends: ColumnName | None = None
    duration: ColumnName | None = None
    unit: ColumnName | None = None
    duration_unit: Literal["days", "weeks", "months"] = "days"
    issued: ColumnName | None = None
    assessed: ColumnName | None = None
    status: ColumnName | None = None
    not_fit: tuple[str, ...] = ("not fit", "not fit for work", "not_fit", "unfit", "refrain from work")
    may_be_fit: tuple[str, ...] = ("may be fit", "may be fit for work", "maybe fit", "may_be_fit")
    diagnosis: ColumnName | None = None
    icd10: ColumnName | None = None
    sex: ColumnName | None = None
    birth_year: ColumnName | None = None
    area: ColumnName | None = None
    employed: ColumnName | None = None
    phased_return: ColumnName | None = None
    altered_hours: ColumnName | None = None
    amended_duties: ColumnName | None = None
    workplace_adaptations: ColumnName | None = None
    date_format: str | None = Field(default=None, min_length=2)


class ControlNotes(Spec):
    """Controls given as a table of fit notes, one row per note.

    Parameters
    ----------
    table : str, default "fit_notes"
        Name of the table in ``data``. The design's ``norm_by`` columns are columns of the notes, or ``diagnosis``,
        ``client_group``, ``age_band`` or ``practice``, which are made from them.
    rules : FitNoteEpisodes
        How notes become episodes.
    columns : FitNoteColumns
        Which column is what; usual names are found.
    diagnosis_groups : str, default "report"
        How diagnoses are grouped: ``"report"`` (the categories of Table C.1 of DWP Research Report 896),
        ``"as given"`` (the text is the group), or the path of a TOML file like the package's own.
    offset_days : int, default 0
        Days of absence before the first certificate, added to each episode: 7 when clients' absence counts from the
        first day off work and nobody needs a note for the first seven days.
    """

    kind: Literal["notes"] = "notes"
    table: str = Field(default="fit_notes", min_length=1)
    rules: FitNoteEpisodes = FitNoteEpisodes()
    columns: FitNoteColumns = FitNoteColumns()
    diagnosis_groups: str = Field(default="report", min_length=1)
    offset_days: int = Field(default=0, strict=True, ge=0, le=28)


class ControlEpisodes(Spec):
    """Controls given as a table of episodes, one row per episode.

    Parameters
    ----------
    table : str, default "episodes"
        Name of the table in ``data``. It has the design's ``norm_by`` columns under the same names.
    episode : str, default "episode"
        Column that identifies an episode.
    duration : str, default "duration"
        Length of the episode so far, in the design's ``time_unit``.
    ended : str, default "ended"
        1 if the episode ended, 0 if it was still open when observation stopped.
    late_entry : str, optional
        How long the episode had run when observation of it began; 0 for everybody when left out.
    practice : str, optional
        Column of the general practice the notes come from: a norm's uncertainty is between practices.
    offset_days : int, default 0
        As in :class:`ControlNotes`.
    """

    kind: Literal["episodes"] = "episodes"
    table: str = Field(default="episodes", min_length=1)
    episode: ColumnName = "episode"
    duration: ColumnName = "duration"
    ended: ColumnName = "ended"
    late_entry: ColumnName | None = None
    practice: ColumnName | None = None
    offset_days: int = Field(default=0, strict=True, ge=0, le=28)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        named = [self.episode, self.duration, self.ended, *filter(None, (self.late_entry, self.practice))]
        if len(set(named)) < len(named):
            raise ValueError("episode, duration, ended, late_entry and practice should name different columns")
        return self


AnyControls = Annotated[ControlNotes | ControlEpisodes, Field(discriminator="kind")]
