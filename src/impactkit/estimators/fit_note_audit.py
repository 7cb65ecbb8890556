"""What every rule did that turned fit notes into control episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from impactkit.analysis import Analysis
from impactkit.design import ALL, ControlNotes, Design, NormDesign
from impactkit.results import Estimates, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["FitNoteAudit"]

_Counts = list[tuple[str, int, str, str]]


class FitNoteAudit(Analysis):
    """Counts of what every rule did on the way from fit notes to control episodes.

    Use it beside every analysis that rests on a norm, so that a reader sees how many notes were copies, overlapped,
    were bridged, open, or left out, and by which rule.

    Parameters
    ----------
    name : str
        What tables call this analysis.

    Returns
    -------
    Estimates
        Rows of measure ``count``; the term is what is counted and the unit is notes, episodes, patients, gaps,
        diagnoses or days. The rule behind a count is in ``notes()``. Controls given as episodes have fewer rows:
        how many there are, were left out, are open and were entered late.

    Notes
    -----
    Every note and every episode is counted once: those in the table, or built, are the sum of those left out, reason
    by reason, and those used. Counts have no standard error. They are about the controls, so that strata, clusters,
    weights and populations of the clients change nothing.

    References
    ----------
    DWP Research Report 896 (2015), Appendix C: 4,638 notes of 1,657 patients made 2,181 episodes.

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> starts = ["2012-01-02", "2012-01-02", "2012-01-30", "2012-02-01"]
    >>> ends = ["2012-01-29", "2012-01-29", "2012-02-26", "2012-06-14"]
    >>> notes = pd.DataFrame({"practice": "A", "patient": [1, 1, 1, 2], "starts": starts, "ends": ends,
    ...                       "status": "not fit", "diagnosis": "back pain"})
    >>> clients = pd.DataFrame({"id": [1, 2], "entry": [4.0, 6.0], "weeks": [9.0, 8.0], "returned": [1, 1]})
    >>> design = ik.NormDesign(unit="id", entry="entry", duration="weeks", returned="returned",
    ...                        controls=ik.ControlNotes(rules=ik.FitNoteEpisodes(window=("2012-01-01", "2012-12-31"))))
    >>> data = {"people": clients, "fit_notes": notes}
    >>> rows = ik.Evaluation(design, data, [ik.FitNoteAudit(name="audit")]).fit().tidy()
    >>> rows.loc[rows["estimate"] > 0, ["term", "unit", "estimate"]].head(4)
                                      term   unit  estimate
    0                   notes in the table  notes       4.0
    2                     exact duplicates  notes       1.0
    5                           notes used  notes       3.0
    12  notes over 3 months in the first 6  notes       1.0
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"norm"})

    kind: Literal["fit_note_audit"] = "fit_note_audit"

    def refusals(self, design: Design | None) -> list[str]:
        said = super().refusals(design)
        if isinstance(design, NormDesign) and design.controls is None:
            said.append(f'FitNoteAudit "{self.name}" counts control notes, and the design declares no `controls`.')
        return said

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        counts, method, warnings = _counts(study)
        keys = [RowKey(self.name, "", ALL, term, "count", unit) for term, _, unit, _ in counts]
        remarks = [self.note(f"rule: {rule}", population=ALL, term=term) for term, _, _, rule in counts if rule]
        remarks += [
            self.note("a count of what was done has no standard error", population=ALL, column=column)
            for column in ("std_error", "conf_low", "conf_high")
        ]
        remarks += [self.note(warning, population=ALL) for warning in warnings]
        numbers = [float(count) for _, count, _, _ in counts]
        nothing = np.full(len(keys), np.nan)
        used = next((count for term, count, _, _ in counts if term == "episodes used"), None)
        return Estimates.build(
            keys=keys,
            working=numbers,
            working_se=nothing,
            df=nothing,
            n=numbers,
            min_cell=[count if unit in ("notes", "episodes", "patients") else np.nan for _, count, unit, _ in counts],
            glances=[
                {
                    "analysis": self.name,
                    "outcome": "",
                    "population": ALL,
                    "kind": self.kind,
                    "estimand": "what the rules did to the controls",
                    "method": method,
                    "inference": "none",
                    "evidence": study.design.evidence,
                    "n_control": used,
                    "missing_rule": "as the rules say",
                    "weights": "none",
                    "independence_assumed": False,
                }
            ],
            remarks=remarks,
        )


def _counts(study: StudyData) -> tuple[_Counts, str, tuple[str, ...]]:
    """Give (term, count, unit, rule) rows, the method in words, and what a reader should know."""
    from impactkit.data import control_episodes, note_episodes

    design = study.design
    if isinstance(design, NormDesign) and isinstance(design.controls, ControlNotes):
        built = note_episodes(study)
        rows: _Counts = [(line.item, line.count, line.unit, line.rule) for line in built.audit]
        return rows, f"fit notes to episodes, {built.window[0]} to {built.window[1]}", built.audit.warnings
    found = control_episodes(study)
    size, used = study.table(found.table).size, int(found.stop.size)
    rows = [
        ("episodes in the table", size, "episodes", ""),
        ("episodes left out", size - used, "episodes", "no length, no practice, no known ending or never watched"),
        ("episodes used", used, "episodes", ""),
        ("open episodes", int((~found.ended).sum()), "episodes", ""),
        ("prevalent episodes", int((found.start > 0).sum()), "episodes", ""),
    ]
    return rows, "episodes as given", ()
