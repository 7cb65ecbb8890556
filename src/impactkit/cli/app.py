"""The command line: run, check, reproduce, demo, episodes and schema.

Exit codes: 0 all went well; 1 there are findings (data that do not fit, an analysis that failed); 2 the call
or its input is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impactkit._version import __version__
from impactkit.cli.console import Talk, guarded

if TYPE_CHECKING:
    from impactkit.evaluation import Plan

__all__ = ["app", "main"]

app = typer.Typer(
    name="impactkit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From person-level records, or published counts, to impact estimates and the return on each £1.",
    epilog="Exit codes: 0 all well; 1 findings (data that do not fit, an analysis that failed); 2 wrong call or input.",
)

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="Plan file: .toml or .json (design and analyses).")]
DataFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="[NAME=]FILE",
        help="CSV or Parquet file; repeat with NAME= for further tables, for example visits=visits.csv.",
    ),
]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for tables, figures and the report.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are already there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random number; the same seed gives the same bytes.")]
StyleName = Annotated[
    str, typer.Option("--style", help="dwp_trials (* 90%, ** 95%, *** 99%), pilots (P<0.05) or plain.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"impactkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    plan: PlanFile,
    out: OutDir,
    data: DataFiles = None,
    seed: Seed = 1,
    style: StyleName = "dwp_trials",
    overwrite: Overwrite = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first analysis that fails.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a plan on data: tables as CSV and HTML, a forest plot, report.html and manifest.json."""
    talk = Talk(quiet)
    with guarded():
        from impactkit.evaluation import Evaluation, Plan

        evaluation = Evaluation.from_plan(Plan.load(plan), _tables(data))
        for note in evaluation.data_notes:
            talk.say(f"Note: {note}")
        result = evaluation.fit(seed=seed, progress=not quiet, strict=strict)
        with talk.working("Writing tables, figures and the report ..."):
            written = result.write(out, style=style, overwrite=overwrite)
        if not quiet:
            talk.table(result, style=style)
        talk.say(f"{len(written)} files written to {out}; start with {out / 'report.html'}")
        for failure in result.manifest.failures:
            talk.warn(f"Failed: {failure}")
        if result.manifest.failures:
            raise typer.Exit(1)


@app.command()
def check(plan: PlanFile, data: DataFiles = None, quiet: Quiet = False) -> None:
    """Check a plan, and the data if given, without estimating anything."""
    talk = Talk(quiet)
    with guarded(findings=True):
        from impactkit.evaluation import Evaluation, Plan

        loaded = Plan.load(plan)
        loaded.refuse()
        if data is None and any(analysis.uses_people() for analysis in loaded.analyses):
            talk.say(f"The plan is sound: {_count(loaded)}. Give --data to check the data too.")
            return
        evaluation = Evaluation.from_plan(loaded, _tables(data))
        for note in evaluation.data_notes:
            talk.say(f"Note: {note}")
        talk.say(f"The plan and the data fit: {_count(loaded)}.")


@app.command()
def reproduce(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="ffws: the Fit for Work Service pilots (2015).")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Also write the tables and a report there.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Recompute a published report from its own counts, and mark every cell."""
    talk = Talk(quiet)
    with guarded():
        from impactkit.cli.reproduce import reproduce_report

        reproduce_report(report, out=out, overwrite=overwrite, talk=talk)


@app.command()
def demo(
    out: OutDir = Path("impactkit-demo"),
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a real trial (JOBS II) and reproduce a published pilot, in one report."""
    talk = Talk(quiet)
    with guarded():
        from impactkit.cli.demo import run_demo

        run_demo(out, overwrite=overwrite, talk=talk)


@app.command()
def episodes(
    notes: Annotated[Path, typer.Argument(metavar="NOTES", help="Fit notes: .csv or .parquet, one row per note.")],
    out: OutDir,
    gap_days: Annotated[int | None, typer.Option("--gap-days", help="Gap that does not end an episode.")] = None,
    may_be_fit: Annotated[str | None, typer.Option("--may-be-fit", help="counted, halved or ignored.")] = None,
    faulty: Annotated[str | None, typer.Option("--faulty", help="error or dropped.")] = None,
    date_format: Annotated[
        str | None, typer.Option("--date-format", help="How dates are written, if not like 2012-03-31.")
    ] = None,
    diagnosis_groups: Annotated[
        str, typer.Option("--diagnosis-groups", help='"report", "as given", or a TOML file.')
    ] = "report",
    person_level: Annotated[
        bool, typer.Option("--episodes", help="Also write episodes.csv, one row per episode of a person.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Turn fit notes into episodes: what every rule did, and counts by diagnosis, small counts withheld."""
    talk = Talk(quiet)
    with guarded(findings=True):
        from impactkit.cli.episodes import write_episodes

        write_episodes(
            notes,
            out=out,
            rules={"gap_days": gap_days, "may_be_fit": may_be_fit, "faulty": faulty},
            date_format=date_format,
            diagnosis_groups=diagnosis_groups,
            person_level=person_level,
            overwrite=overwrite,
            talk=talk,
        )


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write here instead of printing.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Give the JSON Schema of plan files, so that an editor completes and checks them."""
    with guarded():
        from impactkit.evaluation import Plan

        text = json.dumps(Plan.json_schema(), indent=2, ensure_ascii=False) + "\n"
        if out is None:
            typer.echo(text, nl=False)
        else:
            from impactkit.report.write import write_file

            write_file(out, text, overwrite=overwrite)


def _count(plan: Plan) -> str:
    number = len(plan.analyses)
    return f"{number} {'analysis' if number == 1 else 'analyses'}"


def _tables(data: list[str] | None) -> Any:
    """Read ``--data`` options: one path, or names and paths."""
    if not data:
        return None
    named: dict[str, Path] = {}
    for entry in data:
        name, found, path = entry.partition("=")
        key = name if found else ""
        if key in named:
            raise typer.BadParameter(f"--data is given twice for {f'table {key}' if key else 'the people'}")
        named[key] = Path(path if found else entry)
    if set(named) == {""}:
        return named[""]
    if "" in named:
        named = {"people" if key == "" else key: path for key, path in named.items()}
    return named


def main() -> None:
    """Run the command line."""
    app()
