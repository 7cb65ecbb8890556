"""How far a comparison with a norm can look, and where it rests on few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.since_assessment import observed
from impactkit.compute.survival.ties import later, upto
from impactkit.estimators.norm_sample import ClientSample, Norms, number, time_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData

__all__ = [
    "FEW",
    "beyond_horizon",
    "fewest_at_risk",
    "norm_reach",
    "observed_reach",
    "thin_places",
    "within_norm",
]

FEW = 10
"""Fewer control episodes (or clients) at risk than this are said."""

MOST_NAMED = 6
"""Cells named in one sentence."""

VERY_FEW = 5
"""Fewer control episodes at risk than this make intervals that hang on them too narrow: see the page of simulations."""


def norm_reach(sample: ClientSample, norms: Norms) -> NDArray[np.float64]:
    """Give, for each client, the longest horizon to which the norm is known."""
    reach = np.zeros(sample.n)
    for cell in np.unique(sample.cells).tolist():
        mine = sample.cells == cell
        reach[mine] = norms.of(cell).known_to(sample.entry[mine]) - sample.entry[mine]
    return reach


def observed_reach(sample: ClientSample) -> float:
    """Give the longest horizon to which the clients' own curve is known."""
    seen = sample.watched > 0
    return observed(sample.since[seen], sample.back[seen], sample.watched[seen]).curve.known_to


def fewest_at_risk(sample: ClientSample, norms: Norms, horizon: float) -> list[tuple[float, str]]:
    """Give, for each norm cell, the fewest control episodes running at any end that counts, and the cell's name."""
    found = []
    for cell in np.unique(sample.cells).tolist():
        entry = sample.entry[sample.cells == cell]
        found.append((norms.of(cell).fewest_at_risk(entry, entry + horizon), norms.label(cell)))
    return found


def within_norm(sample: ClientSample, norms: Norms, horizon: float) -> ClientSample:
    """Leave out clients whose norm is not known to the horizon, and say how many."""
    kept = upto(horizon, norm_reach(sample, norms))
    if kept.all() or not kept.any():
        return sample
    listed = []
    for cell in np.unique(sample.cells[~kept]).tolist():
        mine = sample.cells == cell
        gone = int((~kept & mine).sum())
        listed.append(f"{norms.label(cell)} ({gone:,} of {int(mine.sum()):,})" if gone >= FEW else norms.label(cell))
    cells, gone = "; ".join(listed), int((~kept).sum())
    absent = (
        f": those left out had been absent {number(float(sample.entry[~kept].mean()))} on average at assessment, the "
        f"others {number(float(sample.entry[kept].mean()))}"
        if gone >= FEW
        else ""
    )
    return sample.only(
        kept,
        f"{gone:,} of {sample.n:,} clients were left out as asked, because their norm is not known to the horizon: "
        f"{cells}. Weeks saved is that of the others and not of the whole population{absent}. A cell half left out is "
        "better joined to another",
    )


def beyond_horizon(
    horizon: float, study: StudyData, sample: ClientSample, norms: Norms, population: str, *, restricted: bool = False
) -> list[str]:
    """Say that the horizon is beyond what can be told, the largest that is not, and who stands in the way."""
    unit = time_unit(study)
    reach, own = norm_reach(sample, norms), observed_reach(sample)
    short = later(horizon, reach)
    if not short.any() and upto(horizon, own):
        return []
    largest = np.floor(min(float(reach.min()), own) * 100) / 100
    where = "" if population == "all" else f' in population "{population}"'
    said = []
    for cell in np.unique(sample.cells[short]).tolist():
        mine = sample.cells == cell
        none = int(upto(reach[mine], 0.0).sum())
        beyond = f", {none:,} of them absent at assessment longer than any episode watched there" if none else ""
        said.append(
            f"the norm of {norms.label(cell)} is not known that far for {int((short & mine).sum()):,} of "
            f"{int(mine.sum()):,} clients{beyond}"
        )
    if later(horizon, own):
        said.append(f"no client was watched longer than {number(own)} {unit} after assessment, and not all were back")
    cure = f"shorten the horizon to {largest:g}" if largest > 0 else "there is no horizon for all of them"
    if short.any() and not restricted:
        cure += (
            f", or leave out the {int(short.sum()):,} of {sample.n:,} clients the norm does not cover with "
            '`restrict="clients"`, so that weeks saved is that of the others'
        )
    cell_words = ", or use fewer or wider `norm_by` columns" if short.any() else ""
    return [
        f"the horizon of {horizon:g} {unit} is beyond what the data can tell{where}; the longest they "
        f"can tell is {largest:g} {unit}: {'; '.join(said)}. {cure[0].upper()}{cure[1:]}{cell_words}"
    ]


def thin_places(sample: ClientSample, norms: Norms, horizon: float) -> list[str]:
    """Say where the norm, or the clients' own curve, rests on few, or collapses early."""
    said = []
    fewest = fewest_at_risk(sample, norms, horizon)
    for cell in np.unique(sample.cells).tolist():
        norm, entry = norms.of(cell), sample.entry[sample.cells == cell]
        end = entry + horizon
        for time in norm.collapse[norm.collapse < norm.last].tolist():
            hit = int((later(time, entry) & upto(time, end)).sum())
            if hit:
                said.append(
                    f"the norm of {norms.label(cell)} collapses early: at {number(time)} every episode still at risk "
                    "ended, though others were seen to run longer, so that it expects none of "
                    f"{hit:,} clients to be absent after that; join cells or look at the delayed entries"
                )
    never = [label for least, label in fewest if np.isinf(least)]
    if never:
        said.append(
            f"in {len(never):,} of {len(fewest):,} norm cells no control episode ended at a time that counts, so that "
            f"the norm expects nobody to return within the horizon and shows no error: {', '.join(never[:MOST_NAMED])}"
            + (f" and {len(never) - MOST_NAMED:,} more" if len(never) > MOST_NAMED else "")
        )
    thin = [entry for entry in fewest if entry[0] < FEW]
    if thin:
        label = min(thin)[1]
        narrow = (
            f". Where fewer than {VERY_FEW} were, an interval that hangs on the norm is too narrow"
            if any(count < VERY_FEW for count, _ in thin)
            else ""
        )
        said.append(
            f"in {len(thin):,} of {len(fewest):,} norm cells fewer than {FEW} control episodes were running at some "
            f"time that counts (fewest in {label}): those norms rest on few{narrow}"
        )
    watching = int((upto(horizon, sample.since) & (sample.watched > 0)).sum())
    back = int(sample.back.sum())
    if not back:
        said.append(
            "no client is known to have returned: the observed curve never falls, and shows no error of its own"
        )
    if watching < FEW and not np.all(sample.back | (sample.watched == 0)):
        said.append(f"{watching:,} of {sample.n:,} clients were still absent and watched at the horizon")
    return said
