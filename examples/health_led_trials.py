"""A whole trial impact evaluation on SYNTHETIC people shaped like the Health-led Employment Trials.

    python examples/health_led_trials.py [FOLDER]

Nobody in the data is real. The generator is calibrated to the impacts that the published summary prints for three
groups; how, and which constants are assumptions, is in docs/trial-table.md. FOLDER, by default out/health-led-trials,
receives the trial impact table, the report, and the people as people.csv for the plan that ships with the package
(src/impactkit/cli/plans/health_led_trials.toml).
"""

from __future__ import annotations

import sys
from pathlib import Path

import impactkit as ik
from impactkit.data import SYNTHETIC_TITLE, synthetic_health_led_design, synthetic_health_led_trials
from impactkit.report import figure_bytes
from impactkit.report.document import Document, Section
from impactkit.report.html import report_html

BASELINE = ("age", "sex", "conditions", "weeks_worked_2y", "earnings_before", "health_0m", "wellbeing_0m")

plan = ik.Plan(
    title=SYNTHETIC_TITLE,
    design=synthetic_health_led_design(),
    analyses=(
        ik.IntentToTreat(name="Synthetic: records", outcome=("employment", "earnings"), covariates=BASELINE),
        ik.StandardisedEffect(name="Synthetic: survey", outcome=("health", "wellbeing"), covariates=BASELINE),
        ik.Combination(
            name="Synthetic: All SCR against SCR IW",
            how="difference",
            of=(
                ik.RowRef(analysis="Synthetic: records", outcome="employment", population="All SCR"),
                ik.RowRef(analysis="Synthetic: records", outcome="employment", population="SCR IW"),
            ),
        ),
        ik.Subgroups(
            name="Synthetic: subgroups",
            outcome="employment",
            by=("sex", "trial_group"),
            populations=("all",),
            covariates=BASELINE,
            adjust="holm",
        ),
        ik.MoneyOutcome(
            name="Synthetic: earnings in full",
            outcome="earnings",
            top_code=0.99,
            quantiles=(0.5, 0.9),
            covariates=BASELINE,
        ),
    ),
)


def main(folder: Path) -> ik.EvaluationResult:
    people = synthetic_health_led_trials(seed=1)
    result = ik.Evaluation.from_plan(plan, people).fit(seed=1, progress=True)
    table = result[["Synthetic: records", "Synthetic: survey"]].to_table("impacts", layout="trial")
    print(table.to_text())
    result.write(folder, overwrite=True)
    people.to_csv(folder / "people.csv", index=False)
    page = Document(SYNTHETIC_TITLE, (Section("Impacts at 12 months", (table,)),))
    (folder / "trial-table.html").write_text(report_html(page), encoding="utf-8")
    (folder / "trial-table.csv").write_text(table.to_csv(), encoding="utf-8")
    figure = result["Synthetic: subgroups"].plot("forest")
    (folder / "subgroups.png").write_bytes(figure_bytes(figure, "png"))
    print(f"The report is {folder / 'report.html'}")
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/health-led-trials"))
