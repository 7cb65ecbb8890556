"""Where a norm comes from: a table of control fit notes with the rules that make episodes of them, or of episodes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from impactkit.design.base import ColumnName, Spec

__all__ = ["AnyControls", "ControlEpisodes", "ControlNotes", "FitNoteEpisodes"]


class FitNoteEpisodes(Spec):
    """The rules that turn fit notes into episodes of certified absence; every one has a stated default.

    Parameters
    ----------
    gap_days : int, default 7
        Days without a certificate between two notes of one patient that still count as one episode; 7 is the rule
        of NHS England's statistics.
    may_be_fit : {"counted", "halved", "ignored"}, default "counted"
        What a day of a "may be fit for work" note counts for.
    majority : {"notes", "days"}, default "notes"
        Whether an episode's diagnosis is that of most notes (the report's rule) or of most certified days.
    prevalent : {"left_truncated", "dropped"}, default "left_truncated"
        What happens to episodes already running when the window opens.
    window : tuple of two ISO dates, optional
        First and last day of observation; the first and last day that any note covers when left out.
    """

    gap_days: int = Field(default=7, strict=True, ge=0, le=366)
    may_be_fit: Literal["counted", "halved", "ignored"] = "counted"
    majority: Literal["notes", "days"] = "notes"
    prevalent: Literal["left_truncated", "dropped"] = "left_truncated"
    window: tuple[str, str] | None = None


class ControlNotes(Spec):
    """Controls given as a table of fit notes, one row per note.

    Parameters
    ----------
    table : str, default "fit_notes"
        Name of the table in ``data``.
    rules : FitNoteEpisodes
        How notes become episodes.
    offset_days : int, default 0
        Days of absence before the first certificate, added to each episode: 7 when clients' absence counts from the
        first day off work and nobody needs a note for the first seven days.
    """

    kind: Literal["notes"] = "notes"
    table: str = Field(default="fit_notes", min_length=1)
    rules: FitNoteEpisodes = FitNoteEpisodes()
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
