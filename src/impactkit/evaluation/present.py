"""From a result to what people look at: tables, figures, a report and files, with small counts withheld."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from impactkit.design import ALL
from impactkit.errors import SpecError, did_you_mean
from impactkit.evaluation.exhibit_baseline import protect_flows
from impactkit.evaluation.exhibits import View, exhibits, needed_beside_tables
from impactkit.evaluation.present_adjusted import adjusted_p_values
from impactkit.report.disclosure import Disclosed, disclose
from impactkit.report.document import Block, Bullets, Document, Headlines, Paragraph, Picture, Section
from impactkit.report.figures import figure_bytes, forest, forest_alt_text
from impactkit.report.frames import is_effect, is_test
from impactkit.report.html import report_html
from impactkit.report.labels import Labels
from impactkit.report.table import Table
from impactkit.report.tables_frames import glance_table, tidy_table
from impactkit.report.tables_impacts import impacts_table
from impactkit.report.write import frame_csv, write_files

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.style import Style

MOST_REMARKS = 60
"""More general remarks than this are shown for the first population only."""

__all__ = [
    "Layout",
    "disclosed",
    "labels_of",
    "make_figure",
    "make_table",
    "manifest_items",
    "printable_tables",
    "result_files",
    "result_sections",
    "write_result",
]


def disclosed(result: EvaluationResult) -> Disclosed:
    """Give the result's frames with small counts withheld."""
    frames = disclose(result.tidy(), result.glance(), result.notes(), result.cells())
    return protect_flows(frames, result)


def labels_of(result: EvaluationResult) -> Labels:
    """Give the words of the plan for outcomes, populations and arms."""
    design = result.plan.design
    if design is None:
        return Labels()
    populations = {population.name: population.label or population.name for population in design.populations}
    return Labels.of(
        outcomes={outcome.name: outcome.label for outcome in design.outcomes},
        populations=populations if populations else {ALL: "Everyone"},
        analyses={name: name for name in result.plan_names},
    )


def has_effects(frame: pd.DataFrame) -> bool:
    """Whether any row compares people."""
    return any(is_effect(measure) and not is_test(measure) for measure in frame["measure"])


Layout = Literal["auto", "stacked", "wide", "trial"]


def view_of(result: EvaluationResult, style: str | Style) -> View:
    """Give a result as it may be shown."""
    return View(result, disclosed(result), style, labels_of(result))


def make_table(result: EvaluationResult, name: str, style: str | Style, layout: Layout = "auto") -> Table:
    """Build one table of a result."""
    view = view_of(result, style)
    for exhibit in exhibits():
        if name in exhibit.table_names:
            return exhibit.named_table(view, name)
    if name == "impacts":
        frames = _effects_apart(view.frames)
        design = result.plan.design
        titled = layout == "trial" and design is not None and design.evidence == "randomised"
        return impacts_table(
            frames.tidy,
            frames.glance,
            frames.notes,
            style,
            subtitle=result.plan.title if titled else "",
            labels=view.labels,
            layout=layout,
            adjusted=adjusted_p_values(result, frames),
        )
    if name == "tidy":
        return tidy_table(view.frames.tidy, view.frames.notes, style, labels=view.labels)
    if name == "glance":
        return glance_table(view.frames.glance, style, labels=view.labels)
    known = ("impacts", *(name for exhibit in exhibits() for name in exhibit.table_names), "tidy", "glance")
    raise SpecError(f'no table is called "{name}".{did_you_mean(name, known)} There are: {", ".join(known)}')


def make_figure(result: EvaluationResult, name: str, style: str | Style) -> Figure:
    """Build one figure of a result."""
    view = view_of(result, style)
    for exhibit in exhibits():
        if name in exhibit.figure_names:
            return exhibit.named_figure(view, name)
    if name == "forest":
        frames = _effects_apart(view.frames)
        return forest(frames.tidy, frames.glance, style, labels=view.labels, directions=_directions(result))
    known = ("forest", *(name for exhibit in exhibits() for name in exhibit.figure_names))
    raise SpecError(f'no figure is called "{name}".{did_you_mean(name, known)} There are: {", ".join(known)}')


def _effects_apart(frames: Disclosed) -> Disclosed:
    """Leave effects that have a table of their own to it, unless there are no others."""
    for exhibit in exhibits():
        if exhibit.takes_effects:
            others = exhibit.without(frames.tidy, frames.glance)
            if len(others) < len(frames.tidy) and has_effects(others):
                frames = replace(frames, tidy=others, glance=exhibit.without(frames.glance, frames.glance))
    return frames


def _effects_shown_elsewhere(view: View) -> bool:
    """Whether every effect stands in a table of an exhibit."""
    rest = view.frames.tidy
    for exhibit in exhibits():
        if exhibit.takes_effects:
            rest = exhibit.without(rest, view.frames.glance)
    return not has_effects(rest)


def _directions(result: EvaluationResult) -> dict[str, Literal["higher", "lower"]]:
    design = result.plan.design
    return {} if design is None else {outcome.name: outcome.good for outcome in design.outcomes}


def printable_tables(result: EvaluationResult, style: str | Style) -> list[Table]:
    """Give the tables a terminal shows: effects if there are any, else all rows."""
    view = view_of(result, style)
    frames, labels = view.frames, view.labels
    special = [table for exhibit in exhibits() for table in exhibit.tables(view)]
    if has_effects(frames.tidy):
        impacts = (
            [] if _effects_shown_elsewhere(view) else _impact_tables(result, _effects_apart(frames), style, labels)
        )
        return [*impacts, *special]
    rest = frames.tidy
    for exhibit in exhibits():
        rest = exhibit.undescribed(rest, frames.glance)
    if special and rest.empty:
        return special
    return [*special, tidy_table(rest if special else frames.tidy, frames.notes, style, labels=labels)]


def _impact_tables(result: EvaluationResult, frames: Disclosed, style: str | Style, labels: Labels) -> list[Table]:
    """Give one table of effects in natural units and one in standard deviations."""
    adjusted = adjusted_p_values(result, frames)
    effects = frames.tidy[[is_effect(measure) for measure in frames.tidy["measure"]]]
    standardised = list(dict.fromkeys(effects.loc[effects["measure"] == "standardised_difference", "analysis"]))
    natural = [name for name in dict.fromkeys(effects["analysis"]) if name not in standardised]
    both = bool(standardised) and bool(natural)
    tables = []
    for names, title, key in ((natural, "", "impacts"), (standardised, "in standard deviations", "impacts-sd")):
        if names:
            own = None if adjusted is None else adjusted[adjusted["analysis"].isin(names)]
            tables.append(
                impacts_table(
                    frames.tidy,
                    frames.glance,
                    frames.notes,
                    style,
                    labels=labels,
                    analyses=names,
                    adjusted=None if own is None or own.empty else own,
                    title=title if both else "",
                    key=key,
                )
            )
    return tables


def result_sections(result: EvaluationResult, style: str | Style) -> tuple[Section, ...]:
    """Give the sections of a report: effects with a forest plot, all estimates, and who was analysed."""
    view = view_of(result, style)
    frames, labels = view.frames, view.labels
    sections = [one for exhibit in exhibits() if exhibit.before_effects for one in exhibit.sections(view)]
    if has_effects(frames.tidy) and not _effects_shown_elsewhere(view):
        effects = _effects_apart(frames)
        tables = _impact_tables(result, effects, style, labels)
        blocks: list[Block] = [*tables]
        evidence = tables[0].evidence
        drawn = forest(effects.tidy, effects.glance, style, labels=labels, directions=_directions(result))
        alt = forest_alt_text(effects.tidy, effects.glance, style, labels=labels)
        blocks.append(
            Picture(
                figure_bytes(drawn),
                alt,
                caption="Estimates and their intervals; each panel has its own unit.",
                evidence=evidence,
            )
        )
        title = "Effects" if evidence == "randomised" else "Comparisons"
        sections.append(Section(title, tuple(blocks)))
    sections += [one for exhibit in exhibits() if not exhibit.before_effects for one in exhibit.sections(view)]
    other, people = frames.tidy, frames.glance
    for exhibit in exhibits():
        other = exhibit.undescribed(other, frames.glance)
        if exhibit.takes_people:
            people = exhibit.without(people, frames.glance)
    other = other[~other["measure"].map(is_effect).astype(bool)]
    other = other[~other["term"].astype(str).str.startswith(("control_mean", "standardiser"))]
    if len(other):
        sections.append(
            Section(
                "Descriptions and tests",
                (
                    tidy_table(
                        other, frames.notes, style, title="Shares, costs and tests", key="described", labels=labels
                    ),
                ),
            )
        )
    looks: list[Block] = []
    if len(people):
        looks.append(glance_table(people, style, labels=labels, title="People"))
    if result.data_notes:
        looks.append(Bullets(result.data_notes))
    if looks:
        sections.append(Section("Who was analysed, and how", tuple(looks)))
    if result.manifest.failures:
        sections.append(Section("What failed", (Bullets(result.manifest.failures),)))
    return tuple(sections)


def method_notes(result: EvaluationResult) -> tuple[Block, ...]:
    """Say how intervals were formed and what was withheld."""
    frames = disclosed(result)
    said = [
        "Intervals and p values follow the declared design: strata, clusters, weights and populations are those of the "
        "plan, and the table above names the standard errors used for each estimate.",
        "Missing outcomes: complete cases, outcome by outcome. Nobody is filled in"
        + (" but where the section on missing outcomes says so" if (frames.glance["kind"] == "attrition").any() else "")
        + "; the table above counts everyone left out.",
    ]
    hidden = sum(row.under_threshold + row.complementary for row in frames.withheld)
    if hidden:
        said.append(
            f'{hidden} cells that rest on fewer than 10 people, or would give one away, are withheld and print "c".'
        )
    remarks = frames.notes[frames.notes["column"] == ""]
    brief = remarks[needed_beside_tables(remarks, frames.glance)] if len(remarks) > MOST_REMARKS else remarks
    said.extend(
        dict.fromkeys(reason[:1].upper() + reason[1:].rstrip(".") + "." for reason in brief["reason"].astype(str))
    )
    if len(brief) < len(remarks):
        said.append(
            f"{len(remarks) - len(brief):,} further remarks, on other populations and on cells of norms, are in "
            "notes.csv."
        )
    return (Bullets(tuple(said)),)


def manifest_items(result: EvaluationResult) -> tuple[tuple[str, str], ...]:
    """Give the manifest as names and values, without the time taken, so that a report keeps its bytes."""
    manifest = result.manifest
    versions = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    items = [
        ("impactkit", manifest.version),
        ("Plan (SHA-256)", manifest.plan_hash),
        ("Data (SHA-256 of the columns read)", manifest.data_hash or "no person data"),
        ("Seed", "none" if manifest.seed is None else str(manifest.seed)),
        ("Platform", manifest.platform),
        ("Versions", versions),
        ("Analyses, in the order run", ", ".join(manifest.analyses)),
        ("Warnings", "; ".join(manifest.warnings) or "none"),
        ("Failures", "; ".join(manifest.failures) or "none"),
    ]
    return tuple(items)


def write_result(result: EvaluationResult, directory: Path, *, style: str | Style, overwrite: bool) -> list[Path]:
    """Write everything a result has to show, all files or none."""
    return list(write_files(directory, result_files(result, style), overwrite=overwrite))


def result_files(result: EvaluationResult, style: str | Style) -> dict[str, str | bytes]:
    """Give the content of every file of a result by name, small counts withheld."""
    frames = disclosed(result)
    labels = labels_of(result)
    files: dict[str, str | bytes] = {
        "tidy.csv": frame_csv(frames.tidy),
        "glance.csv": frame_csv(frames.glance),
        "notes.csv": frame_csv(frames.notes),
    }
    adjusted = adjusted_p_values(result, frames)
    if adjusted is not None:
        files["adjusted.csv"] = frame_csv(adjusted)
    for table in [
        *printable_tables(result, style),
        tidy_table(frames.tidy, frames.notes, style, labels=labels, key="estimates"),
    ]:
        files[f"tables/{table.key}.csv"] = table.to_csv()
        files[f"tables/{table.key}.html"] = report_html(Document(table.title, (Section(table.title, (table,)),)))
    if has_effects(frames.tidy):
        effects = _effects_apart(frames)
        drawn = forest(effects.tidy, effects.glance, style, labels=labels, directions=_directions(result))
        files["figures/forest.svg"] = figure_bytes(drawn)
        files["figures/forest.png"] = figure_bytes(drawn, "png")
        files["figures/forest.txt"] = forest_alt_text(effects.tidy, effects.glance, style, labels=labels) + "\n"
    view = view_of(result, style)
    for one in (drawn for exhibit in exhibits() for drawn in exhibit.drawings(view)):
        files |= one.files()
    files["report.html"] = report_html(report_document(result, style))
    files["plan.toml"] = result.plan.to_toml()
    files["manifest.json"] = json.dumps(result.manifest.to_dict(), indent=2, ensure_ascii=False) + "\n"
    return files


def report_document(result: EvaluationResult, style: str | Style) -> Document:
    """Give the whole report of a result."""
    design = result.plan.design
    evidence = f"Evidence: {design.evidence}." if design is not None else "From published figures."
    return Document(
        title=result.plan.title or "Evaluation",
        subtitle=evidence,
        sections=result_sections(result, style),
        method_notes=method_notes(result),
        summary=(*_headlines(result, style), Paragraph(_opening(result))),
        manifest=manifest_items(result),
    )


def _headlines(result: EvaluationResult, style: str | Style) -> tuple[Block, ...]:
    view = view_of(result, style)
    found = tuple(one for exhibit in exhibits() for one in exhibit.headlines(view))
    return (Headlines(found),) if found else ()


def _opening(result: EvaluationResult) -> str:
    names = len(result.names)
    rows = sum(len(part) for part in result.parts.values())
    words = "analysis" if names == 1 else "analyses"
    return f"{names} {words}, {rows} rows of estimates. Figures follow the plan saved beside this report."
