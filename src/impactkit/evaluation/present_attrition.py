"""The attrition part of a report: its table and figure stand apart, so that impacts stay one line per outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from impactkit.report.disclosure import Disclosed
from impactkit.report.document import Block, Bullets, Picture, Section
from impactkit.report.figures import figure_bytes
from impactkit.report.figures_attrition import attrition_alt_text, attrition_figure, can_draw
from impactkit.report.frames import is_effect
from impactkit.report.tables_attrition import attrition_blocks, attrition_table, verdicts_of

if TYPE_CHECKING:
    import pandas as pd

    from impactkit.report.labels import Labels
    from impactkit.report.style import Style
    from impactkit.report.table import Table

__all__ = [
    "attrition_figure",
    "attrition_files",
    "attrition_section",
    "attrition_table",
    "attrition_tables",
    "beside_attrition",
    "only_attrition",
    "without_attrition",
]


def without_attrition(frames: Disclosed, rows: pd.DataFrame) -> pd.DataFrame:
    """Give some rows without those of attrition analyses."""
    names = set(frames.glance.loc[frames.glance["kind"] == "attrition", "analysis"])
    return rows[~rows["analysis"].isin(names)]


def only_attrition(frames: Disclosed) -> bool:
    """Whether attrition analyses are the only ones that compare people."""
    others = without_attrition(frames, frames.tidy)
    return len(others) < len(frames.tidy) and not any(is_effect(name) for name in others["measure"])


def beside_attrition(frames: Disclosed) -> Disclosed:
    """Give the frames without attrition analyses, unless no other analysis compares people."""
    if only_attrition(frames):
        return frames
    tidy, glance = without_attrition(frames, frames.tidy), without_attrition(frames, frames.glance)
    return replace(frames, tidy=tidy, glance=glance)


def attrition_tables(frames: Disclosed, style: str | Style, labels: Labels) -> list[Table]:
    """Give the attrition table, or nothing."""
    if not attrition_blocks(frames.tidy, frames.glance):
        return []
    return [attrition_table(frames.tidy, frames.glance, frames.notes, style, labels=labels)]


def _drawn(frames: Disclosed, style: str | Style, labels: Labels) -> Picture | None:
    """Draw the figure if any method gave an interval."""
    if not can_draw(frames.tidy, frames.glance):
        return None
    alt = attrition_alt_text(frames.tidy, frames.glance, style, labels=labels)
    figure = attrition_figure(frames.tidy, frames.glance, style, labels=labels)
    evidence = attrition_table(frames.tidy, frames.glance, frames.notes, style, labels=labels).evidence
    caption = "Points with intervals; bars are bounds, with the interval of the effect between them."
    return Picture(figure_bytes(figure), alt, caption=caption, evidence=evidence)


def attrition_section(frames: Disclosed, style: str | Style, labels: Labels) -> tuple[Section, ...]:
    """Give the section on missing outcomes, if an attrition analysis was run."""
    tables = attrition_tables(frames, style, labels)
    if not tables:
        return ()
    verdicts, picture = verdicts_of(frames.notes, frames.glance), _drawn(frames, style, labels)
    blocks: list[Block] = [*([Bullets(verdicts)] if verdicts else []), *tables, *([picture] if picture else [])]
    return (Section("Missing outcomes", tuple(blocks)),)


def attrition_files(frames: Disclosed, style: str | Style, labels: Labels) -> dict[str, str | bytes]:
    """Give the files of the attrition figure by name."""
    if not attrition_blocks(frames.tidy, frames.glance) or not can_draw(frames.tidy, frames.glance):
        return {}
    figure = attrition_figure(frames.tidy, frames.glance, style, labels=labels)
    return {
        "figures/attrition.svg": figure_bytes(figure),
        "figures/attrition.png": figure_bytes(figure, "png"),
        "figures/attrition.txt": attrition_alt_text(frames.tidy, frames.glance, style, labels=labels) + "\n",
    }
