"""Recompute a published report and show every cell beside the printed one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from impactkit.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from impactkit.cli.console import Talk
    from impactkit.published.compare import ComparedCell
    from impactkit.report.document import Section
    from impactkit.report.reproduce_ffws import Reproduction
    from impactkit.report.table import Table

__all__ = ["cells_csv", "reproduce_report", "reproduction_sections", "summary_table"]

REPORTS = ("ffws",)

_UNITS = {"p": "", "percent": "%", "GBP per client": "£ per client", "clients": "clients"}


def reproduce_report(report: str, *, out: Path | None, overwrite: bool, talk: Talk) -> Reproduction:
    """Print the count of marks by table, and write the cells and a report if a folder is given."""
    from impactkit.report.reproduce_ffws import reproduce

    known: dict[str, Callable[[], Reproduction]] = {"ffws": reproduce}
    if report not in known:
        raise SpecError(
            f'no report is called "{report}".{did_you_mean(report, REPORTS)} There is: {", ".join(REPORTS)}'
        )
    found = known[report]()
    talk.say(summary_table(found).to_text())
    differing = [cell for cell in found.cells if cell.mark == "differs"]
    if differing:
        talk.say("\nCells that differ:")
    for cell in differing:
        talk.say(f"  {cell.source}, {' / '.join(cell.row)}: ours {_short(cell)}, printed {cell.printed}. {cell.note}")
    if out is not None:
        from impactkit.report.document import Document
        from impactkit.report.html import report_html
        from impactkit.report.write import write_files

        page = Document(
            title="Fit for Work Service pilots, recomputed",
            subtitle=found.document,
            sections=reproduction_sections(found),
            manifest=_manifest(),
        )
        written = write_files(
            out, {"cells.csv": cells_csv(found), "report.html": report_html(page)}, overwrite=overwrite
        )
        talk.say(f"\n{len(written)} files written to {out}; start with {out / 'report.html'}")
    return found


def _manifest() -> tuple[tuple[str, str], ...]:
    from impactkit.results.provenance import describe_platform, package_versions

    versions = package_versions()
    return (
        ("impactkit", versions["impactkit"]),
        ("Platform", describe_platform()),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    )


def summary_table(found: Reproduction) -> Table:
    """Count the four marks by table; given cells are inputs and never count as reproduced."""
    from impactkit.report.tables_frames import counts_table

    rows = [
        {
            "part": section.title,
            "compared": section.tally.compared,
            "agrees": section.tally.agrees,
            "rounding": section.tally.rounding,
            "differs": section.tally.differs,
            "given": section.tally.given,
        }
        for section in found.sections
    ]
    total = found.tally
    rows.append(
        {
            "part": "All",
            "compared": total.compared,
            "agrees": total.agrees,
            "rounding": total.rounding,
            "differs": total.differs,
            "given": total.given,
        }
    )
    return counts_table(
        rows,
        key="reproduction",
        title="Published cells recomputed from published inputs",
        heads={
            "part": "Table or passage",
            "compared": "Cells compared",
            "agrees": "Agrees",
            "rounding": "Rounding",
            "differs": "Differs",
            "given": "Given",
        },
        row_label="part",
        notes=(
            "Agrees: our unrounded figure lies in the printed figure's rounding interval. Rounding: the inputs within "
            "their own rounding reach it, or ours is within one unit of the last printed place. Differs: neither. "
            "Given: an input, never counted as reproduced.",
        ),
        source=found.document,
    )


def reproduction_sections(found: Reproduction) -> tuple[Section, ...]:
    """Give the sections of a report: the counts of marks, what differs and why, and every cell."""
    from impactkit.report.document import Bullets, Section
    from impactkit.report.tables_frames import counts_table

    differing = tuple(
        f"{cell.source}, {', '.join(cell.row)}: ours {_short(cell)}, printed {cell.printed}. {cell.note}"
        for cell in found.cells
        if cell.mark == "differs"
    )
    inner: list[Section] = []
    for section in found.sections:
        rows = [
            {
                "group": cell.row[0],
                "row": _row_words(cell),
                "ours": _short(cell),
                "printed": cell.printed,
                "mark": str(cell.mark),
                "note": cell.note,
            }
            for cell in section.cells
            if cell.mark != "given"
        ]
        if not rows:
            continue
        table = counts_table(
            rows,
            key=_key(section.cells[0].table, len(inner)),
            title=section.title,
            heads={"row": "Cell", "ours": "Ours", "printed": "Printed", "mark": "Mark", "note": "Note"},
            row_label="row",
            group_by="group",
            notes=(f"{section.tally}. From published counts, shown as published.",),
            source=found.document,
        )
        inner.append(Section(section.title, (table,)))
    return (
        Section("Published figures recomputed", (summary_table(found), Bullets(found.notes))),
        Section("What differs, and why", (Bullets(differing),)) if differing else Section("What differs", ()),
        Section("Every compared cell", (), tuple(inner)),
    )


def _key(table: str, place: int) -> str:
    return f"cells-{place + 1}-{table.replace('.', '-').replace('_', '-')}"


def _row_words(cell: ComparedCell) -> str:
    rest = ", ".join(cell.row[1:])
    column = {"p": "P value", "percent": "%", "value": "", "cost_per_client": "£", "clients": "clients"}.get(
        cell.column, cell.column
    )
    return ": ".join(part for part in (rest, column) if part) or cell.column


def _short(cell: ComparedCell) -> str:
    """Show our figure with two places more than the printed one, so that rounding can be seen."""
    printed = cell.printed.lstrip("<>=")
    places = len(printed.partition(".")[2]) + (1 if cell.unit.startswith("GBP") else 2)
    text = f"{cell.ours:,.{min(places, 5)}f}"
    return text.replace("-", "−")


def cells_csv(found: Reproduction) -> str:
    """Give every cell, given ones too, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "row", "column", "ours", "printed", "mark", "unit", "source", "note"])
    for cell in found.cells:
        writer.writerow(
            [
                cell.table,
                " / ".join(cell.row),
                cell.column,
                repr(cell.ours),
                cell.printed,
                str(cell.mark),
                cell.unit,
                cell.source,
                cell.note,
            ]
        )
    return out.getvalue()
