"""The partial likelihood of a Cox model at any coefficients: likelihood, score, information and influence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.risksets import RiskSets, running_sums, suffix_sums

__all__ = ["NEAR", "At", "Partial"]

Floats = NDArray[np.float64]

BLOCK = 2048  # rows: a block of twenty columns stays in the cache
LOST = 1e-5  # a risk set this small beside the sums it is a difference of is summed directly
NEAR = 1e-2  # log hazards that move by less have settled
LARGEST = 600.0  # of a log hazard: beyond it exp() is of no use


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """Everything about the partial likelihood at one point.

    Parameters
    ----------
    loglik : float
        Minus infinity where it cannot be computed (hazards too far apart).
    score : ndarray of shape (p,)
    information : ndarray of shape (p, p)
    risk : ndarray of shape (a,)
        Weight times hazard of each person at risk.
    share : ndarray of shape (a,)
        Each person's expected events (Efron's), times the weight.
    step, tied : ndarray of shape (J,)
        The step of the cumulative baseline hazard, and by how much less of it the people with the event bear.
    sums, event_sums : ndarray of shape (J, p)
        Sums of risk times x over those at risk, and over those with the event.
    square, cross, corner : ndarray of shape (J,)
        Sums over tied terms of weight / denominator², times k/d to the power 0, 1, 2.
    """

    loglik: float
    score: Floats
    information: Floats
    risk: Floats
    share: Floats
    step: Floats
    tied: Floats
    sums: Floats
    event_sums: Floats
    square: Floats
    cross: Floats
    corner: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Data of a partial likelihood, laid out for fast evaluation.

    Parameters
    ----------
    sets : RiskSets
    x : ndarray of shape (a, p)
        Columns of the people at risk, centred and scaled, in the order of ``sets.rows``.
    centre, scale : ndarray of shape (p,)
        Mean and SD of each column.
    constant : ndarray of bool, shape (p,)
    weights : ndarray of shape (a,) or None
    event : ndarray of shape (a,)
        Weight of people with the event, 0 for others.
    event_weight : ndarray of shape (J,)
        Sum of the weights of those with the event.
    term_slot, term_share, term_weight : ndarray of shape (K,)
        Terms of the likelihood: their slot, k/d, and weight.
    term_head : ndarray of shape (J,)
    """

    sets: RiskSets
    x: Floats
    centre: Floats
    scale: Floats
    constant: NDArray[np.bool_]
    weights: Floats | None
    event: Floats
    event_weight: Floats
    term_slot: NDArray[np.int64]
    term_share: Floats
    term_weight: Floats
    term_head: NDArray[np.int64]
    leaves: Any
    events_at: Any

    @classmethod
    def build(cls, sets: RiskSets, x: Floats, *, weights: Floats | None, efron: bool) -> Partial:
        """Sort, centre and scale the columns; count the ties."""
        centre, scale, constant = _centre_and_scale(x)
        own = np.empty((sets.rows.size, x.shape[1]))
        for begin in range(0, len(own), BLOCK):
            rows = own[begin : begin + BLOCK]
            np.take(x, sets.rows[begin : begin + BLOCK], axis=0, out=rows, mode="clip")
            rows -= centre
            rows *= 1.0 / scale
        weight = None if weights is None else np.asarray(weights, dtype=np.float64)[sets.rows]
        slots, count = sets.slots, sets.events.size
        event = np.zeros(sets.rows.size)
        event[sets.events] = 1.0 if weight is None else weight[sets.events]
        event_weight = np.bincount(sets.event_slot, weights=event[sets.events], minlength=slots).astype(np.float64)
        if efron:
            head = np.concatenate([[0], np.cumsum(sets.deaths)[:-1]])
            term_slot = sets.event_slot
            term_share = (np.arange(count) - head[term_slot]) / sets.deaths[term_slot]
            term_weight = (event_weight / sets.deaths)[term_slot]
        else:
            head = term_slot = np.arange(slots)
            term_share, term_weight = np.zeros(slots), event_weight
        return cls(
            sets, own, centre, scale, constant, weight, event, event_weight, term_slot, term_share, term_weight,
            head, _leaving(sets), _pattern(sets.event_slot, sets.events, slots),
        )  # fmt: skip

    def at(self, coef: Floats) -> At:
        """Evaluate at coefficients on the scaled columns."""
        sets, x = self.sets, self.x
        eta = x @ coef
        if not bool((np.abs(eta) <= LARGEST).all()):
            empty = np.zeros(0)
            blank = np.zeros((0, 0))
            return At(-np.inf, empty, blank, empty, empty, empty, empty, blank, blank, empty, empty, empty)
        risk = np.exp(eta)
        if self.weights is not None:
            risk *= self.weights
        total, sums, lost = self._risk_sums(risk)
        slots = sets.slots
        hit = risk[sets.events]
        tied = np.bincount(sets.event_slot, weights=hit, minlength=slots).astype(np.float64)
        event_sums = self._group(self.events_at, hit)
        for slot in lost:
            among = sets.at_risk(slot)
            total[slot] = risk[among].sum()
            sums[slot] = risk[among] @ x[among]
        below = total[self.term_slot] - self.term_share * tied[self.term_slot]
        each = self.term_weight / below
        head, part = self.term_head, self.term_share
        step = np.add.reduceat(each, head)
        loglik = float(self.event[sets.events] @ eta[sets.events] - self.term_weight @ np.log(below))
        twice = each / below
        square = np.add.reduceat(twice, head)
        if self.term_slot.size == slots:
            less = cross = corner = np.zeros(slots)
        else:
            less = np.add.reduceat(each * part, head)
            cross = np.add.reduceat(twice * part, head)
            corner = np.add.reduceat(twice * part * part, head)
        share = self._share(risk, step, less)
        known = At(
            loglik, x.T @ (self.event - share), np.zeros((0, 0)), risk, share, step, less, sums, event_sums, square,
            cross, corner,
        )  # fmt: skip
        return replace(known, information=self.information(known))

    def information(self, at: At, factor: Floats | None = None) -> Floats:
        """Sum the variance of x over event times, each times ``factor``."""
        if factor is None:
            gram = _gram(self.x, np.sqrt(np.maximum(at.share, 0.0)))
            square, cross, corner = at.square, at.cross, at.corner
        else:
            signed = self._share(at.risk, at.step * factor, at.tied * factor)
            gram = _gram(self.x, np.sqrt(np.maximum(signed, 0.0))) - _gram(self.x, np.sqrt(np.maximum(-signed, 0.0)))
            square, cross, corner = at.square * factor, at.cross * factor, at.corner * factor
        gram -= at.sums.T @ (at.sums * square[:, None])
        if at.cross is not at.corner or at.cross.any():
            both = at.sums.T @ (at.event_sums * cross[:, None])
            gram += both + both.T - at.event_sums.T @ (at.event_sums * corner[:, None])
        return gram

    def reach(self, step: Floats) -> Floats:
        """By how much coefficients that move by ``step`` move log hazards, at most, shape (p,)."""
        most: Floats = np.abs(step) * 2.0 * np.sqrt(self.sets.n)  # nobody is more SDs from the mean
        if most.max(initial=0.0) > NEAR:
            most = np.abs(step) * np.ptp(self.x, axis=0)
        return most

    def means(self, at: At) -> Floats:
        """Give the mean of x expected of those with the event at each slot, shape (J, p), scaled columns."""
        found: Floats = (at.step[:, None] * at.sums - at.tied[:, None] * at.event_sums) / self.event_weight[:, None]
        return found

    def residuals(self, at: At, turn: Floats, factor: Floats | None = None) -> Floats:
        """Give what each row adds to the score, times ``turn`` of shape (p, q): shape (n, q), weighted.

        With ``factor`` of shape (J,), the score of x times that function of time.
        """
        sets, one = self.sets, np.ones(self.sets.slots) if factor is None else factor
        column = one[:, None]
        drift = column * (at.square[:, None] * at.sums - at.cross[:, None] * at.event_sums) @ turn
        less = column * (at.cross[:, None] * at.sums - at.corner[:, None] * at.event_sums) @ turn
        summed = running_sums(drift, sets.bounds)
        means = column * self.means(at) @ turn
        share = at.share if factor is None else self._share(at.risk, at.step * factor, at.tied * factor)
        alone = self.event.copy()
        alone[sets.events] *= one[sets.event_slot]
        alone -= share
        slot_of = np.full(sets.rows.size, -1)
        slot_of[sets.events] = sets.event_slot
        is_late = np.zeros(sets.rows.size, dtype=bool)
        is_late[sets.late] = True
        found = np.zeros((sets.n, turn.shape[1]))
        for begin in range(0, sets.rows.size, BLOCK):
            part = slice(begin, begin + BLOCK)
            values = (self.x[part] * alone[part, None]) @ turn
            path = summed[sets.last[part] - 1]
            late = is_late[part]
            path[late] -= summed[sets.first[part][late] - 1]
            hit = slot_of[part] >= 0
            slot = slot_of[part][hit]
            path[hit] -= less[slot]
            values += at.risk[part, None] * path
            values[hit] -= self.event[part][hit, None] * means[slot]
            found[sets.rows[part]] = values
        return found

    def influence(self, at: At, vcov: Floats) -> Floats:
        """Give the weighted dfbeta of every row, shape (n, p), for the columns as they were given."""
        return self.residuals(at, vcov * self.scale[:, None])

    # --- sums -------------------------------------------------------------------------------------------

    def _risk_sums(self, risk: Floats) -> tuple[Floats, Floats, list[int]]:
        """Sum risk and risk times x over each risk set; and say which of them lost digits."""
        sets, slots = self.sets, self.sets.slots
        leaving = np.bincount(sets.last - 1, weights=risk, minlength=slots).astype(np.float64)
        lost: list[int] = []
        if sets.late.size:
            signed = np.concatenate([risk, -risk[sets.late]])[self.leaves.source]
            entering = np.bincount(sets.first[sets.late] - 1, weights=risk[sets.late], minlength=slots)
            total = suffix_sums(leaving - entering, sets.bounds)
            gross = suffix_sums(leaving, sets.bounds)
            lost = np.flatnonzero(total < LOST * gross).tolist()
        else:
            signed = risk
            total = suffix_sums(leaving, sets.bounds)
        return total, suffix_sums(self._group(self.leaves, signed), sets.bounds), lost

    def _group(self, pattern: _Pattern, values: Floats) -> Floats:
        from scipy.sparse import csr_array

        slots, (a, p) = self.sets.slots, self.x.shape
        if not p:
            return np.zeros((slots, 0))
        found: Floats = csr_array((values, pattern.columns, pattern.heads), shape=(slots, a)) @ self.x
        return found

    def _share(self, risk: Floats, step: Floats, less: Floats) -> Floats:
        """Give each person's risk times the baseline hazard over the time at risk."""
        sets = self.sets
        summed = running_sums(step.copy(), sets.bounds)
        borne = summed[sets.last - 1]
        if sets.late.size:
            borne[sets.late] -= summed[sets.first[sets.late] - 1]
        borne[sets.events] -= less[sets.event_slot]
        borne *= risk
        return borne


@dataclass(frozen=True, slots=True, eq=False)
class _Pattern:
    """Which people each slot sums: the pattern of a sparse matrix of slots by people."""

    columns: NDArray[np.signedinteger[Any]]
    heads: NDArray[np.signedinteger[Any]]
    source: NDArray[np.int64]


def _pattern(slot: NDArray[np.int64], people: NDArray[np.int64], slots: int) -> _Pattern:
    """Lay out people whose slots rise."""
    heads = np.concatenate([[0], np.cumsum(np.bincount(slot, minlength=slots))])
    kind = np.int32 if people.size < 2**31 else np.int64
    return _Pattern(people.astype(kind), heads.astype(kind), np.zeros(0, dtype=np.int64))


def _centre_and_scale(x: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Give mean and SD of each column (1 where it is constant), and which are constant."""
    centre = np.asarray(x.mean(axis=0), dtype=np.float64) if len(x) else np.zeros(x.shape[1])
    squares = np.zeros(x.shape[1])
    for begin in range(0, len(x), BLOCK):
        rows = x[begin : begin + BLOCK] - centre
        squares += np.einsum("ij,ij->j", rows, rows)
    scale = np.sqrt(squares / max(1, len(x)))
    constant = scale <= 1e-12 * np.abs(centre)
    return centre, np.where(constant, 1.0, scale), constant


def _leaving(sets: RiskSets) -> _Pattern:
    """Lay out people by the last slot at which they are at risk, and late ones, to subtract, by the last before it."""
    people = np.arange(sets.rows.size)
    if not sets.late.size:
        return _pattern(sets.last - 1, people, sets.slots)
    slot = np.concatenate([sets.last, sets.first[sets.late]]) - 1
    order = np.argsort(slot, kind="stable")
    found = _pattern(slot[order], np.concatenate([people, sets.late])[order], sets.slots)
    return replace(found, source=order)


def _gram(x: Floats, root: Floats) -> Floats:
    """Cross-products of rows times ``root``, in blocks that stay in the cache."""
    p = x.shape[1]
    total = np.zeros((p, p))
    block = np.empty((min(BLOCK, len(x)), p))
    for begin in range(0, len(x), BLOCK):
        rows = x[begin : begin + BLOCK]
        own = block[: len(rows)]
        np.multiply(rows, root[begin : begin + BLOCK, None], out=own)
        total += own.T @ own
    return total
