"""From raw fit notes to weeks saved: the study of a pilot without a control group, on synthetic people.

``python examples/fit_notes.py`` writes the report; ``fit_notes.ipynb`` is the same with its output.
"""

# %% [markdown]
# # From raw fit notes to weeks saved
#
# A pilot helps people who are off sick return to work. There is no control group, but some local practices lent
# copies of the fit notes they wrote in a year. This notebook goes from those notes to an estimate of the weeks
# saved per client, shows what the method of the published evaluation (DWP Research Report 896, 2015, Appendix C)
# gives on the same data, and why the two differ.
#
# **Everybody here is synthetic**: clients and notes come from a seeded generator in the shape of the three Fit
# for Work pilots of that report. The programme is made to cut a fifth of what remains of each absence at
# assessment, so the truth is known.

# %%
from pathlib import Path

import impactkit as ik
from impactkit.data import (
    SYNTHETIC_NOTES_TITLE,
    synthetic_fit_notes,
    synthetic_norm_design,
    synthetic_pilot_clients,
    synthetic_truth,
)

notes = synthetic_fit_notes("all", seed=1)
clients = synthetic_pilot_clients(effect=0.8, seed=1)
print(SYNTHETIC_NOTES_TITLE)
print(f"{len(notes):,} fit notes, {len(clients):,} clients")
notes[["practice", "starts", "ends", "status", "diagnosis", "area"]].head(3)

# %% [markdown]
# ## 1. Notes become episodes
#
# An absence is usually certified by several notes, with gaps, overlaps and copies. Every rule that joins them is
# an option with a stated default; the audit counts what each rule did, and every note is accounted for.

# %%
episodes = ik.build_episodes(notes, ik.FitNoteEpisodes(gap_days=7, window=("2011-09-05", "2012-09-02")))
print(f"{len(episodes.frame):,} episodes of {episodes.frame['patient'].nunique():,} patients")
episodes.audit.frame()[["item", "count", "unit", "rule"]].head(14)

# %% [markdown]
# ## 2. The study, declared once
#
# The design names the columns: how long a client had been absent at assessment and at return or last contact,
# whether they returned, what chooses a client's norm, and where the controls are. The analyses follow.
# `fit_notes.toml` beside this file is the same plan without data.

# %%
design = synthetic_norm_design()
HORIZON = 13  # weeks from assessment, chosen before looking
saved = ik.WeeksSaved(name="Weeks saved", horizon=HORIZON, restrict="clients")
comparison = ik.NormComparison(
    name="Published method",
    by="client_group",
    characteristics=("gender", "age_band"),
    covariates=("gender", "age_band"),
)
analyses = (
    ik.FitNoteAudit(name="Fit notes"),
    ik.FitNoteNorms(name="Norms"),
    saved,
    ik.ObservedExpected(name="Returns", restrict="follow_up"),
    ik.WeeksSavedGrid(name="Other rules", base=saved),
    ik.CoxRegression(name="Clients and norm", against_norm=True),
    ik.CompetingExits(name="How absence ended", exit="exit", horizon=HORIZON, clock="assessment"),
    comparison,
    ik.BreakEven(
        name="Worth it?",
        cost=ik.Money(584, unit="GBP per client", price_year="as printed", source="DWP RR 896, Table 4.2"),
        value_of_day=ik.Money(90, unit="GBP per day", price_year="as printed", source="DWP RR 896, section 4.2"),
        days_per_week=5,
        weeks_saved=ik.RowRef(analysis="Weeks saved", population="All areas", term="saved"),
    ),
)
TITLE = "Weeks saved by three pilots (synthetic people)"
plan = ik.Plan(design=design, analyses=analyses, title=TITLE)
result = ik.Evaluation.from_plan(plan, {"people": clients, "fit_notes": notes}).fit(seed=1)
print(result)

# %% [markdown]
# ## 3. The answer
#
# *Expected* is what the norm says of people who had already been absent as long as each client; *observed* is
# what clients did, counting everybody assessed. The interval carries the chance in who the clients are *and* in
# which practices lent their notes.

# %%
result["Weeks saved"].to_table("weeks_saved", style="plain")

# %%
truth = synthetic_truth(effect=0.8, horizon_weeks=HORIZON)
print(truth.loc[truth["client_group"] == "all", ["area", "saved_weeks"]].round(2).to_string(index=False))
result["Weeks saved"].plot("absence")

# %% [markdown]
# ## 4. How far does it depend on the rules?
#
# One rule is changed at a time. What is not known about outcomes, and how long clients are followed, matter most
# here.

# %%
result["Other rules"].plot("tornado")

# %% [markdown]
# ## 5. The published method on the same data
#
# Only returned clients are kept, and their time from assessment is set against the median of all absences over
# four weeks.

# %%
overall = design.replace(populations=())
published = ik.Evaluation(overall, {"people": clients, "fit_notes": notes}, [comparison]).fit(seed=1)
published.to_table("norm_partial", style="plain")

# %% [markdown]
# It finds an enormous gain. It does so **also when the programme does nothing**. The same table, with clients
# whose absence the programme leaves as it was:

# %%
idle = {"people": synthetic_pilot_clients(effect=1.0, seed=1), "fit_notes": notes}
nothing = ik.Evaluation(overall, idle, [comparison, saved]).fit(seed=1)
nothing["Published method"].to_table("norm_partial", style="plain")

# %% [markdown]
# And weeks saved, on the same clients for whom nothing was done:

# %%
nothing["Weeks saved"].to_table("weeks_saved", style="plain")

# %% [markdown]
# The bias ledger says where the published method goes wrong and, where these data can tell, by how much.

# %%
published.to_table("bias_ledger", style="plain")

# %% [markdown]
# ## 6. Pounds
#
# With a cost per client and the value of a day of absence, both as printed in the report for one of its pilots,
# the weeks saved carry their interval into the net benefit.

# %%
money = result["Worth it?"].tidy()
money[["measure", "unit", "estimate", "conf_low", "conf_high"]].round(2)


# %% [markdown]
# `result.write("out/fit-notes")` writes the whole report: every table, figure, the plan and a manifest, with
# counts under ten withheld.


# %%
def main(out: Path = Path("out/fit-notes")) -> ik.EvaluationResult:
    """Write the report, and the tables for the command line."""
    result.write(out, overwrite=True)
    clients.to_csv(out / "people.csv", index=False)
    notes.to_csv(out / "fit_notes.csv", index=False)
    return result


if __name__ == "__main__" and "__file__" in globals():
    main()
    print("The report: out/fit-notes/report.html")
