"""Fit notes to episodes on the command line: the account and counts by diagnosis; episodes only when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impactkit.cli.console import Talk

__all__ = ["write_episodes"]


def write_episodes(
    notes: Path,
    *,
    out: Path,
    rules: dict[str, object],
    date_format: str | None,
    diagnosis_groups: str,
    person_level: bool,
    overwrite: bool,
    talk: Talk,
) -> None:
    """Build episodes and write tables in which small counts are withheld.

    Parameters
    ----------
    notes : Path
        CSV or Parquet file, one row per note.
    out : Path
        Folder.
    rules : dict
        Options of ``FitNoteEpisodes``; those that are ``None`` keep their default.
    date_format : str, optional
        How text dates are written.
    diagnosis_groups : str
        As in ``build_episodes``.
    person_level : bool
        Whether to write one row per episode too.
    overwrite : bool
    talk : Talk
    """
    from impactkit.data import build_episodes
    from impactkit.design import FitNoteColumns, FitNoteEpisodes
    from impactkit.report.tables_fitnotes import audit_lines_table, episodes_by_diagnosis_table
    from impactkit.report.write import frame_csv, write_files

    chosen = FitNoteEpisodes.from_dict({name: value for name, value in rules.items() if value is not None})
    found = build_episodes(
        notes, chosen, columns=FitNoteColumns(date_format=date_format), diagnosis_groups=diagnosis_groups
    )
    tables = (
        audit_lines_table(found.audit.frame()),
        episodes_by_diagnosis_table(found.by_diagnosis()),
        episodes_by_diagnosis_table(
            found.by_diagnosis("client_group"),
            title="Fit note-based patient episodes by client group",
            key="episodes-by-client-group",
        ),
    )
    files: dict[str, str | bytes] = {f"{table.key}.csv": table.to_csv() for table in tables}
    if person_level:
        files["episodes.csv"] = frame_csv(found.frame)
    written = write_files(out, files, overwrite=overwrite)
    for table in tables[:2]:
        talk.say(table.to_text() + "\n")
    talk.say(f"Window: {found.window[0]} to {found.window[1]}. {len(written)} files written to {out}")
    if person_level:
        talk.warn("episodes.csv has one row per episode of a person: keep it as safe as the notes")
