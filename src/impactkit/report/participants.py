"""What the flow table and the flow diagram both read: counts by arm, and which of them are safe to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from impactkit.report.baseline import split_arm
from impactkit.report.frames import Record, records
from impactkit.report.rounding import is_missing
from impactkit.report.suppression import THRESHOLD, hide

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL_ARMS", "Counted", "FlowPart", "flow_parts", "hidden_rows"]

ALL_ARMS = "all arms"

_LOSSES = ("weight zero", "covariates missing", "in strata with one arm only")
_RANDOMISED = ("randomised", "in the study")
#: What a count of people in all arms is called in glance, and how dear it is to withhold.
_IN_GLANCE = {
    "analysed": "n_analysed",
    "weight zero": "n_zero_weight",
    "covariates missing": "n_missing_covariates",
    "in strata with one arm only": "n_dropped_strata",
}
_DEAR_LOOK = {"n_analysed": 1e9, "n_assigned": 1e9, "n_treated": 2e6, "n_control": 2e6}
_DEAR = {"analysed": 1e6, "randomised": 1e8, "in the study": 1e8, "followed up": 1e5, "assessed": 1e9}


class Counted(NamedTuple):
    """What is counted: a step of the flow for one outcome, perhaps one reason, perhaps one analysis."""

    outcome: str
    step: str
    reason: str = ""
    analysis: str = ""


Place = tuple[Counted, str]


@dataclass(frozen=True, slots=True, eq=False)
class FlowPart:
    """The flow of one population.

    Parameters
    ----------
    population : str
    arms : tuple of str
        Control first.
    verb : str
        ``"randomised"``, or ``"in the study"`` where nobody was.
    counts : mapping of (what, arm) to int
        The arm is "" for counts before the arms part, and ``"all arms"`` for their sum.
    hidden : frozenset of (what, arm)
        Counts that must not be printed.
    hidden_looks : frozenset of (row, column)
        Cells of glance that would give one of them back.
    """

    population: str
    arms: tuple[str, ...]
    verb: str
    counts: Mapping[Place, int]
    hidden: frozenset[Place]
    hidden_looks: frozenset[tuple[int, str]] = frozenset()

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes that are followed up."""
        return tuple(dict.fromkeys(what.outcome for what, _ in self.counts if what.outcome))

    def analyses(self, outcome: str) -> tuple[str, ...]:
        """Analyses that report on an outcome."""
        found = (what.analysis for what, _ in self.counts if what.outcome == outcome and what.step == "analysed")
        return tuple(dict.fromkeys(found))

    def reasons(self, outcome: str, step: str) -> tuple[str, ...]:
        """Reasons given for a step."""
        found = (what.reason for what, _ in self.counts if (what.outcome, what.step) == (outcome, step))
        return tuple(dict.fromkeys(reason for reason in found if reason))

    def has(self, what: Counted) -> bool:
        """Whether this is counted at all."""
        return any(place[0] == what for place in self.counts)

    def value(self, what: Counted, arm: str = "") -> Any:
        """Give the count, "c" where withheld and ``None`` where there is none."""
        if (what, arm) in self.hidden:
            return "c"
        return self.counts.get((what, arm))


def flow_parts(
    tidy: pd.DataFrame, glance: pd.DataFrame | None = None, *, threshold: int = THRESHOLD
) -> tuple[FlowPart, ...]:
    """Read the rows of one flow, population by population.

    Parameters
    ----------
    tidy : DataFrame
        Rows of one flow, with no count withheld yet.
    glance : DataFrame, optional
        Of the whole evaluation, after `disclose`: a count withheld there must not come back from here, and a count
        withheld here must not come back from there (`hidden_looks`).
    threshold : int
        Counts under it, except zeros, are withheld, and enough others that none can be worked out.
    """
    looks = [] if glance is None else records(glance)
    rows = records(tidy)
    return tuple(
        _part([row for row in rows if row["population"] == name], looks, threshold)
        for name in dict.fromkeys(row["population"] for row in rows)
    )


def hidden_rows(tidy: pd.DataFrame, glance: pd.DataFrame) -> tuple[list[bool], set[tuple[int, str]]]:
    """Say of each row of one flow whether its count must be withheld, and which cells of glance must be."""
    parts = {part.population: part for part in flow_parts(tidy, glance)}
    found = []
    for row in records(tidy):
        part = parts[row["population"]]
        found.append(_place(row, part.arms, part.verb) in part.hidden)
    return found, {cell for part in parts.values() for cell in part.hidden_looks}


def _place(row: Record, arms: tuple[str, ...], verb: str) -> Place:
    term = str(row["term"])
    step, arm = split_arm(term, arms)
    if not step:  # an arm of the name of a step
        step, arm = term, ""
    analysis = reason = ""
    for known in ("analysed", *_LOSSES):
        if step.startswith(f"{known} [") and step.endswith("]"):
            step, analysis = known, step[len(known) + 2 : -1]
            break
    else:
        for known in (f"not {verb}", "did not receive", "lost"):
            if step.startswith(f"{known}: "):
                step, reason = known, step[len(known) + 2 :]
                break
    return Counted(str(row["outcome"]), step, reason, analysis), arm


def _part(rows: list[dict[str, Any]], looks: Sequence[Record], threshold: int) -> FlowPart:
    verb = next(name for name in _RANDOMISED if any(row["term"] == name for row in rows))
    start = f"{verb}, "
    arms = tuple(
        str(row["term"]).removeprefix(start)
        for row in rows
        if not row["outcome"] and str(row["term"]).startswith(start)
    )
    counts = {_place(row, arms, verb): int(row["estimate"]) for row in rows}
    for what in dict.fromkeys(what for what, arm in counts if arm):
        counts[what, ALL_ARMS] = sum(counts[what, arm] for arm in arms)
    population = str(rows[0]["population"])
    equations: list[Mapping[Any, int]] = [*_sums(counts, arms, verb)]
    known = {place for place, count in counts.items() if not count}
    first: set[Any] = {place for place, count in counts.items() if 0 < count < threshold}
    dearest = 1.0 + max(counts.values())
    cost: dict[Any, float] = {
        place: count
        + dearest * (0.0 if place[0].reason else _DEAR.get(place[0].step, 1.0)) * (4 if place[1] == ALL_ARMS else 1)
        for place, count in counts.items()
    }
    for row, name, places in _looked(counts, arms, verb, looks, population):
        look: Any = ("glance", str(row), name)
        equations.append({place: 1 for place in places} | {look: -1})
        baseline = not looks[row]["outcome"] or looks[row].get("kind") == "balance"
        cost[look] = dearest * (1e12 if baseline else _DEAR_LOOK.get(name, 1e5))
        if looks[row][name] == "c":
            first.add(look)
        elif looks[row][name] == 0:
            known.add(look)
    hidden: set[Any] = hide(equations, first, cost, known=known)
    cells = {(int(place[1]), str(place[2])) for place in hidden if place[0] == "glance"}
    return FlowPart(
        population, arms, verb, counts, frozenset(place for place in hidden if place in counts), frozenset(cells)
    )


def _sums(counts: Mapping[Place, int], arms: tuple[str, ...], verb: str) -> Iterator[dict[Place, int]]:
    """Give every sum a reader could form."""

    def present(parts: list[Place], total: Place) -> Iterator[dict[Place, int]]:
        there = [place for place in parts if place in counts]
        if there and total in counts:
            yield {place: 1 for place in there} | {total: -1}

    everything = list(dict.fromkeys(what for what, _ in counts))
    for what in everything:
        yield from present([(what, arm) for arm in arms], (what, ALL_ARMS))
    randomised = Counted("", verb)
    yield from present([(randomised, ALL_ARMS), (Counted("", "in arms left out"), "")], (randomised, ""))
    yield from present([(randomised, ""), (Counted("", f"not {verb}"), "")], (Counted("", "assessed"), ""))
    for what in everything:
        if what.reason:
            continue
        own = [other for other in everything if other.reason and other[:2] == what[:2]]
        for arm in ("", *arms, ALL_ARMS) if own else ():
            yield from present([(other, arm) for other in own], (what, arm))
    for what in everything:  # analyses of one outcome share its weights, so those of weight zero are the same people
        same = [other for other in everything if what.step == other.step == "weight zero" and what[:3] == other[:3]]
        for arm in (*arms, ALL_ARMS) if same and same[0] != what else ():
            yield {(same[0], arm): 1, (what, arm): -1}
    for arm in (*arms, ALL_ARMS):
        receipt = [(Counted("", step), arm) for step in ("received", "did not receive", "receipt not known")]
        yield from present(receipt, (randomised, arm))
        for outcome in dict.fromkeys(what.outcome for what in everything if what.outcome):
            steps = [(Counted(outcome, step), arm) for step in ("not eligible", "followed up", "lost")]
            yield from present(steps, (randomised, arm))
            for analysis in dict.fromkeys(w.analysis for w in everything if w.outcome == outcome and w.analysis):
                ends = [(Counted(outcome, step, analysis=analysis), arm) for step in ("analysed", *_LOSSES)]
                yield from present(ends, (Counted(outcome, "followed up"), arm))


def _looked(
    counts: Mapping[Place, int], arms: tuple[str, ...], verb: str, looks: Sequence[Record], population: str
) -> Iterator[tuple[int, str, list[Place]]]:
    """Say which counts of the flow each cell of glance is the sum of, as row, column and counts."""
    for row, look in enumerate(looks):
        if look["population"] != population:
            continue
        outcome, analysis = str(look["outcome"]), str(look["analysis"])
        for name, places in _meaning(counts, arms, verb, outcome, analysis, look).items():
            there = [place for place in places if place in counts]
            if there and not is_missing(look.get(name)):
                yield row, name, there


def _meaning(
    counts: Mapping[Place, int], arms: tuple[str, ...], verb: str, outcome: str, analysis: str, look: Record
) -> dict[str, list[Place]]:
    ended = Counted(outcome, "analysed", analysis=analysis)
    if (ended, ALL_ARMS) in counts:
        found: dict[str, list[Place]] = {
            name: [(Counted(outcome, step, analysis=analysis), ALL_ARMS)] for step, name in _IN_GLANCE.items()
        }
    elif not outcome:  # the flow itself, and Table 1 of everybody
        ended, found = Counted("", verb), {"n_analysed": [(Counted("", verb), ALL_ARMS)]}
        if look.get("n_zero_weight") not in (0, None) and not is_missing(look.get("n_zero_weight")):
            return {"n_assigned": [(ended, ALL_ARMS)]}
    elif look.get("kind") == "balance" and look.get("n_zero_weight") == 0:
        ended = Counted(outcome, "followed up")
        found = {"n_analysed": [(ended, ALL_ARMS)]}
    else:
        return {}
    found["n_control"] = [(ended, arms[0])]
    found["n_treated"] = [(ended, arm) for arm in arms[1:]]
    if outcome:
        found["n_missing_outcome"] = [(Counted(outcome, "lost"), ALL_ARMS)]
        found["n_not_eligible"] = [(Counted(outcome, "not eligible"), ALL_ARMS)]
        found["n_assigned"] = [(Counted(outcome, step), ALL_ARMS) for step in ("followed up", "lost")]
    else:
        found["n_assigned"] = [(ended, ALL_ARMS)]
    return found
