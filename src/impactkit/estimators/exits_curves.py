"""Cumulative incidence of one group of people, averaged over strata where the design has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impactkit.compute.survival.competing import AalenJohansen, aalen_johansen
from impactkit.compute.survival.ties import later, places, upto

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from impactkit.estimators.exits_people import Exits

__all__ = ["Block", "GroupCurves", "group_curves"]

_FEW = 10


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The people of one group in one stratum: their share of the average, their rows and their curves."""

    share: float
    people: NDArray[np.int64]
    fit: AalenJohansen


@dataclass(frozen=True, slots=True, eq=False)
class GroupCurves:
    """Curves of one group.

    Parameters
    ----------
    label : str
        Empty when everybody is one group.
    blocks : tuple of Block
    fault : str
        Why there are no curves; empty when there are.
    """

    label: str
    blocks: tuple[Block, ...]
    fault: str = ""

    @property
    def people(self) -> NDArray[np.int64]:
        """Rows of the group in the person table."""
        empty: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        return np.concatenate([empty, *(block.people for block in self.blocks)])

    @property
    def time(self) -> NDArray[np.float64]:
        """Times at which any curve of the group moves."""
        return np.unique(np.concatenate([np.zeros(0), *(block.fit.time for block in self.blocks)]))

    @property
    def begin(self) -> float:
        """The time from which the curves count."""
        return max((block.fit.first for block in self.blocks), default=np.nan)

    def average(self, part: Callable[[AalenJohansen], float]) -> float:
        """Average a number over strata."""
        return float(sum(block.share * part(block.fit) for block in self.blocks))

    def influence(self, part: Callable[[AalenJohansen], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Give the influence of that average, one value for each of :attr:`people`."""
        return np.concatenate([np.zeros(0), *(block.share * part(block.fit) for block in self.blocks)])

    def count(self, cause: int, at: float) -> tuple[int, int]:
        """Count people with an exit by a time, and people without it."""
        done = int(sum(block.fit.n_events[upto(block.fit.time, at), cause - 1].sum() for block in self.blocks))
        return done, self.people.size - done

    def numbers(self, times: NDArray[np.float64], cause: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give how many are at risk just before each time, and how many had an exit by then."""
        risk, events = np.zeros(times.size), np.zeros(times.size)
        for block in self.blocks:
            fit = block.fit
            # entries at the time itself are not at risk yet, but where the curve begins
            came = places(np.sort(fit.begin), times, before=True)
            came[times == self.begin] = (fit.begin <= self.begin).sum()
            risk += came - places(np.sort(fit.end), times, before=True)
            done = np.concatenate([[0.0], np.cumsum(fit.n_events[:, cause - 1])])
            events += done[places(fit.time, times)]
        return risk, events

    def why_not(self, at: float, unit: str) -> str:
        """Say why the curves are not known at a time; empty when they are."""
        if self.fault:
            return self.fault
        for block in self.blocks:
            fit = block.fit
            if fit.first > 0 and upto(at, fit.first):
                return f"nobody is under observation before {_shown(fit.first, unit)}"
            if upto(fit.collapse, at):
                return (
                    f"everybody under observation had left at {_shown(fit.collapse, unit)} while others came under "
                    f"observation only later: set `start` to {_shown(fit.restart, unit)} or more, or "
                    'use clock="assessment"'
                )
            if later(at, fit.known_to):
                return f"nobody was followed beyond {_shown(fit.last, unit)}: choose an earlier time"
        return ""

    def warnings(self, horizon: float, unit: str) -> list[str]:
        """Say what a reader should know of the curves."""
        said = []
        begin = self.begin
        if np.isfinite(begin) and begin > 0:
            said.append(
                f"curves are of people still absent at {_shown(begin, unit)}, the earliest time anybody is seen"
            )
        for block in self.blocks:
            few = (block.fit.n_risk < _FEW) & upto(block.fit.time, horizon)
            grows = np.maximum.accumulate(block.fit.n_risk[::-1])[::-1] >= _FEW
            early = np.flatnonzero(few & grows)
            if early.size:
                last = _shown(block.fit.time[early[-1]], unit)
                said.append(
                    f"fewer than {_FEW} people were at risk at some exits up to {last}, before "
                    "others came under observation; every later number rests on them: consider a later `start`"
                )
                break
        return said


def group_curves(
    label: str,
    exits: Exits,
    people: NDArray[np.int64],
    strata: NDArray[np.int64] | None,
    shares: NDArray[np.float64] | None,
) -> GroupCurves:
    """Estimate a group's curves.

    Parameters
    ----------
    label : str
    exits : Exits
    people : ndarray of int64, shape (n,)
        Rows of the group.
    strata : ndarray of int64, shape (N,), optional
    shares : ndarray of shape (number of strata,), optional
        Everybody's shares of the strata.
    """
    if not people.size:
        return GroupCurves(label, (), "nobody of this group is left to analyse")
    blocks = []
    pieces = [(1.0, people)]
    if strata is not None and shares is not None:
        pieces = [(float(share), people[strata[people] == code]) for code, share in enumerate(shares) if share > 0]
    for share, rows in pieces:
        if not rows.size:
            return GroupCurves(label, (), "a stratum has nobody of this arm: join strata, or leave it out")
        fit = aalen_johansen(
            exits.stop[rows],
            exits.cause[rows],
            len(exits.labels),
            start=exits.start[rows],
            weights=None if exits.weights is None else exits.weights[rows],
        )
        blocks.append(Block(share, rows, fit))
    return GroupCurves(label, tuple(blocks))


def _shown(time: float, unit: str) -> str:
    return f"{time:.6g} {unit}"
