"""The Fine-Gray model of the subdistribution hazard, with delayed entry, ties, weights, strata and clusters.

People who left for another reason stay at risk with weight g(t)/g(x), a product of one factor of the time and one of
the person. Sums over them are therefore running sums, and no row is ever copied: the cost is linear in people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.survival.ties import tied
from impactkit.errors import NotEstimableError

__all__ = ["FineGrayFit", "fine_gray"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Ties = Literal["efron", "breslow"]

_STEPS = 40
_HALVINGS = 30
_CONVERGED = 1e-10
_SINGULAR = 1e-10
_FLAT = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class FineGrayFit:
    """A fitted subdistribution hazard model.

    Parameters
    ----------
    coef : ndarray of shape (p,)
        Log subdistribution hazard ratios.
    vcov : ndarray of shape (p, p)
        Variance from the influence values, summed within cluster.
    influence : ndarray of shape (n, p)
        Each person's influence on the coefficients, times weight.
    naive : ndarray of shape (p, p)
        Inverse of the information, which takes the weights for known and people for independent of their clusters.
    log_likelihood : float
        Partial log likelihood of the weighted data.
    steps : int
        Newton steps taken.
    """

    coef: Floats
    vcov: Floats
    influence: Floats
    naive: Floats
    log_likelihood: float
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """People who share a distribution of censoring and entry.

    ``g`` of a person is at the end of their time; :meth:`at` gives it at any times.
    """

    rows: Integers
    time: Floats
    at_risk: Floats
    events: Floats
    kept: Floats
    entries: Floats
    seen: Floats

    def at(self, times: Floats) -> Floats:
        """Give G(t−) H(t−)."""
        kept = self.kept[np.searchsorted(self.time, times, side="left")]
        found: Floats = kept * self.seen[np.searchsorted(self.entries, times, side="left")]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Away:
    """People of one stratum and one group who left for another reason, and g at the stratum's event times."""

    group: int
    rows: Integers
    x: Floats
    weight: Floats
    since: Integers
    stop: Floats
    g: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Stratum:
    """One baseline: its event times, who is at risk at each, and its tied events as slots."""

    time: Floats
    rows: Integers
    x: Floats
    weight: Floats
    first: Integers
    last: Integers
    event: NDArray[np.bool_]
    away: tuple[_Away, ...]
    slot: Integers
    fraction: Floats
    share: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Sums over the risk set at each slot: denominator, mean of the covariates, and the relative risks they are of."""

    risk: Floats
    away: list[Floats]
    denominator: Floats
    mean: Floats
    log_likelihood: float
    score: Floats
    information: Floats


def fine_gray(
    stop: Floats,
    cause: NDArray[np.integer],
    x: Floats,
    *,
    interest: int = 1,
    start: Floats | None = None,
    strata: NDArray[np.integer] | None = None,
    censoring: NDArray[np.integer] | None = None,
    weights: Floats | None = None,
    clusters: NDArray[np.integer] | None = None,
    ties: Ties = "efron",
    weights_known: bool | None = None,
) -> FineGrayFit:
    """Fit a proportional model of the subdistribution hazard of one kind of exit.

    Parameters
    ----------
    stop : ndarray of shape (n,)
        Time of the exit or of the end of observation.
    cause : ndarray of int, shape (n,)
        0 for censored, else the kind of exit.
    x : ndarray of shape (n, p)
        Covariates.
    interest : int, default 1
        The kind that is modelled; all others compete.
    start : ndarray of shape (n,), optional
        When observation began; people are weighted for having been seen at all (Geskus 2011).
    strata : ndarray of int, shape (n,), optional
        Each stratum has a baseline of its own, and its own distribution of censoring and entry.
    censoring : ndarray of int, shape (n,), optional
        Groups with their own distribution of censoring and entry; the strata when left out.
    weights : ndarray of shape (n,), optional
        Sampling weights, also of the distributions of censoring and entry.
    clusters : ndarray of int, shape (n,), optional
        People whose influence is summed before it is squared; each person alone when left out.
    ties : {"efron", "breslow"}
    weights_known : bool, optional
        Take the weights for known, as R's ``coxph`` on ``finegray`` data does. When left out they are taken for
        estimated (Fine and Gray 1999) where everybody is observed from the start, and for known with delayed entry.

    Returns
    -------
    FineGrayFit

    Raises
    ------
    NotEstimableError
        If nobody has the event, a covariate does not vary or follows from others, or there is no finite maximum.

    Notes
    -----
    A person who left for another reason at x has weight g(t)/g(x) at t > x; g(t) = G(t−) H(t−), G the product-limit
    estimate of not being censored (exits first among ties) and H of having come under observation.

    References
    ----------
    Fine, J. P. and Gray, R. J. (1999). A proportional hazards model for the subdistribution of a competing risk.
    *Journal of the American Statistical Association* 94(446).
    Geskus, R. B. (2011). Cause-specific cumulative incidence estimation and the Fine and Gray model under both left
    truncation and right censoring. *Biometrics* 67(1).
    """
    n, p = x.shape
    stop, begin = tied(stop, np.full(n, -np.inf) if start is None else start)
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    kind = np.asarray(cause)
    block = np.zeros(n, dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    group = block if censoring is None else np.asarray(censoring, dtype=np.int64)
    delayed = bool(np.isfinite(begin).any() and begin.max() > stop.min())
    known = delayed if weights_known is None else weights_known
    used = weight > 0
    event, other = used & (kind == interest), used & (kind != interest) & (kind != 0)
    if not bool(event.any()):
        raise NotEstimableError("nobody has the exit of interest")
    centred = x - np.average(x[used], axis=0, weights=weight[used])
    groups = [
        _group(np.flatnonzero(used & (group == code)), begin, stop, kind == 0, weight, delayed)
        for code in np.unique(group[used])
    ]
    parts = [
        _stratum(np.flatnonzero(used & (block == code)), groups, begin, stop, event, other, centred, weight, ties)
        for code in np.unique(block[event])
    ]
    coef, found, steps = _maximise(parts, p)
    bread = np.asarray(np.linalg.inv(_total([moments.information for moments in found])), dtype=np.float64)
    scores = np.zeros((n, p))
    spread = [np.zeros((member.time.size, p)) for member in groups]
    for part, moments in zip(parts, found, strict=True):
        _scores(part, moments, scores, spread, groups)
    if not known:
        for member, q in zip(groups, spread, strict=True):
            _censoring_scores(member, q, begin, stop, kind == 0, weight, scores)
    influence: Floats = scores @ bread
    summed = influence
    if clusters is not None:
        summed = np.column_stack([_binned(clusters[used], weights=influence[used, j]) for j in range(p)])
    return FineGrayFit(coef, summed.T @ summed, influence, bread, sum(part.log_likelihood for part in found), steps)


def _group(
    rows: Integers, begin: Floats, stop: Floats, censored: NDArray[np.bool_], weight: Floats, delayed: bool
) -> _Group:
    own_begin, own_stop, own = begin[rows], stop[rows], weight[rows]
    leaves = censored[rows]
    time, at_risk, events = _censoring_steps(own_begin, own_stop, leaves, own)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(events >= at_risk * (1 - _SINGULAR), 0.0, 1.0 - events / at_risk)
    kept = np.concatenate([[1.0], np.cumprod(left)])
    entries, seen = np.zeros(0), np.ones(1)
    if delayed:
        entries, place = np.unique(own_begin, return_inverse=True)
        arrivals = _binned(place, weights=own)
        gone = _binned(np.searchsorted(entries, own_stop, side="left"), weights=own, minlength=entries.size + 1)
        present = np.cumsum(arrivals) - np.cumsum(gone)[: entries.size]
        share = np.where(arrivals >= present * (1 - _SINGULAR), 0.0, 1.0 - arrivals / present)
        seen = np.concatenate([np.cumprod(share[::-1])[::-1], [1.0]])
    return _Group(rows, time, at_risk, events, kept, entries, seen)


def _censoring_steps(
    begin: Floats, stop: Floats, leaves: NDArray[np.bool_], weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Give censoring times, the weight at risk of it (exits at the same time are gone), and the weight censored."""
    time, place = np.unique(stop[leaves], return_inverse=True)
    events = _binned(place, weights=weight[leaves], minlength=time.size)
    first, last = _censoring_span(time, begin, stop, leaves)
    change = _binned(first, weights=weight, minlength=time.size + 1)
    change = change - _binned(last, weights=weight, minlength=time.size + 1)
    return time, np.cumsum(change)[: time.size], events


def _censoring_span(
    time: Floats, begin: Floats, stop: Floats, leaves: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first = np.searchsorted(time, begin, side="right")
    last = np.where(leaves, np.searchsorted(time, stop, side="right"), np.searchsorted(time, stop, side="left"))
    return first, np.maximum(first, last)


def _stratum(
    rows: Integers,
    groups: list[_Group],
    begin: Floats,
    stop: Floats,
    event: NDArray[np.bool_],
    other: NDArray[np.bool_],
    x: Floats,
    weight: Floats,
    ties: Ties,
) -> _Stratum:
    own_event = event[rows]
    time = np.unique(stop[rows][own_event])
    first, last = np.searchsorted(time, begin[rows], side="right"), np.searchsorted(time, stop[rows], side="right")
    counts = np.bincount(last[own_event] - 1, minlength=time.size)
    totals = _binned(last[own_event] - 1, weights=weight[rows][own_event], minlength=time.size)
    if ties == "efron":
        slot = np.repeat(np.arange(time.size), counts)
        order = np.arange(slot.size) - np.repeat(np.cumsum(counts) - counts, counts)
        fraction, share = order / counts[slot], (totals / counts)[slot]
    else:
        slot, fraction, share = np.arange(time.size), np.zeros(time.size), totals
    inside = np.zeros(stop.size, dtype=bool)
    inside[rows] = True
    away = []
    for code, group in enumerate(groups):
        mine = group.rows[inside[group.rows] & other[group.rows]]
        if not mine.size:
            continue
        g_own, g = group.at(stop[mine]), group.at(time)
        if bool((g_own <= 0).any()):
            raise NotEstimableError(
                "the risk set is empty at some time before the last exit, so the weights of people who left for other "
                "reasons are not known: begin later, when more people are under observation"
            )
        since = np.searchsorted(time, stop[mine], side="right")
        away.append(_Away(code, mine, x[mine], weight[mine] / g_own, since, stop[mine], g))
    return _Stratum(
        time, rows, x[rows], weight[rows], first, last, own_event, tuple(away), slot, fraction.astype(float), share
    )


def _maximise(parts: list[_Stratum], p: int) -> tuple[Floats, list[_Moments], int]:
    coef = np.zeros(p)
    found = [_moments(part, coef) for part in parts]
    scale = np.sqrt(np.diag(_total([moments.information for moments in found])))
    if not bool((scale > _SINGULAR).all()):
        raise NotEstimableError("a covariate does not vary among the people at risk")
    for step in range(1, _STEPS + 1):
        score, information = _total([part.score for part in found]), _total([part.information for part in found])
        size = np.sqrt(np.abs(np.diag(information)))
        if (
            not bool(np.isfinite(information).all() and (size > 0).all())
            or np.linalg.cond(information / np.outer(size, size)) > 1 / _SINGULAR
        ):
            raise NotEstimableError(
                "the model has no finite maximum: a covariate follows from others, or a value of it never has the exit"
            )
        move = np.linalg.solve(information, score)
        before = sum(part.log_likelihood for part in found)
        for _ in range(_HALVINGS):
            tried = [_moments(part, coef + move) for part in parts]
            after = sum(part.log_likelihood for part in tried)
            if np.isfinite(after) and after >= before - 1e-12 * abs(before):
                break
            move = move / 2
        else:
            break
        coef, found = coef + move, tried
        if float(np.max(np.abs(move) * scale)) < _CONVERGED * max(1.0, float(np.max(np.abs(coef) * scale))):
            final = np.diag(_total([moments.information for moments in found]))
            if bool((final < (_FLAT * scale) ** 2).any()):
                break
            return coef, found, step
    raise NotEstimableError("the model has no finite maximum: some value of a covariate never has the exit")


def _sums(part: _Stratum, values: Floats, away: list[Floats]) -> Floats:
    """Sum values over the risk set at each event time: those under observation, and those gone for other reasons."""
    size = part.time.size
    # still to leave, less still to come: summed from the end, so that small late risk sets keep their digits
    change = _binned(part.last, weights=values, minlength=size + 1)
    change = change - _binned(part.first, weights=values, minlength=size + 1)
    total = np.cumsum(change[::-1])[::-1][1:]
    for gone, extra in zip(part.away, away, strict=True):
        total = total + gone.g * np.cumsum(_binned(gone.since, weights=extra, minlength=size + 1))[:size]
    found: Floats = total
    return found


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a step too far is seen in the likelihood
def _moments(part: _Stratum, coef: Floats) -> _Moments:
    p = coef.size
    eta = part.x @ coef
    risk = part.weight * np.exp(eta)
    away = [gone.weight * np.exp(gone.x @ coef) for gone in part.away]
    where, size = part.last[part.event] - 1, part.time.size
    tied_x, tied = part.x[part.event], risk[part.event]

    def at_slots(values: Floats, extra: list[Floats], own: Floats) -> Floats:
        whole = _sums(part, values, extra)[part.slot]
        found: Floats = whole - part.fraction * _binned(where, weights=own, minlength=size)[part.slot]
        return found

    denominator = at_slots(risk, away, tied)
    mean = np.empty((part.slot.size, p))
    information = np.empty((p, p))
    for j in range(p):
        extra = [one * gone.x[:, j] for one, gone in zip(away, part.away, strict=True)]
        mean[:, j] = at_slots(risk * part.x[:, j], extra, tied * tied_x[:, j]) / denominator
    for j in range(p):
        for k in range(j + 1):
            extra = [one * gone.x[:, j] * gone.x[:, k] for one, gone in zip(away, part.away, strict=True)]
            second = at_slots(risk * part.x[:, j] * part.x[:, k], extra, tied * tied_x[:, j] * tied_x[:, k])
            information[j, k] = (part.share * (second / denominator - mean[:, j] * mean[:, k])).sum()
            information[k, j] = information[j, k]
    own_weight = part.weight[part.event]
    loglik = float((own_weight * eta[part.event]).sum() - (part.share * np.log(denominator)).sum())
    score = own_weight @ tied_x - part.share @ mean
    return _Moments(risk, away, denominator, mean, loglik, score, information)


def _scores(part: _Stratum, found: _Moments, scores: Floats, spread: list[Floats], groups: list[_Group]) -> None:
    """Add each person's score residual, times weight, and what the censoring weights owe to each censoring time."""
    size, p = part.time.size, part.x.shape[1]
    hazard = part.share / found.denominator
    lesser = (1.0 - part.fraction) * hazard

    def by_time(values: Floats) -> Floats:
        summed: Floats = _binned(part.slot, weights=values, minlength=size)
        return summed

    a, a_tied, slots = by_time(hazard), by_time(lesser), by_time(np.ones(part.slot.size))
    run_a = _running(a)
    at = part.last[part.event] - 1
    for j in range(p):
        b, b_tied = by_time(hazard * found.mean[:, j]), by_time(lesser * found.mean[:, j])
        average = by_time(found.mean[:, j]) / slots
        run_b, x = _running(b), part.x[:, j]
        value = -found.risk * (x * (run_a[part.last] - run_a[part.first]) - (run_b[part.last] - run_b[part.first]))
        own = part.weight[part.event] * (x[part.event] - average[at])
        own += found.risk[part.event] * (x[part.event] * (a - a_tied)[at] - (b - b_tied)[at])
        value[part.event] += own
        scores[part.rows, j] += value
    for gone, risk in zip(part.away, found.away, strict=True):
        later_a = _remaining(gone.g * a)
        group = groups[gone.group]
        start = np.searchsorted(group.time, gone.stop, side="left")
        beyond = np.searchsorted(part.time, group.time, side="right")
        many = group.time.size
        whole = np.cumsum(_binned(start, weights=risk, minlength=many + 1))[:many]
        for j in range(p):
            later_b = _remaining(gone.g * by_time(hazard * found.mean[:, j]))
            scores[gone.rows, j] -= risk * (gone.x[:, j] * later_a[gone.since] - later_b[gone.since])
            first = np.cumsum(_binned(start, weights=risk * gone.x[:, j], minlength=many + 1))[:many]
            spread[gone.group][:, j] += first * later_a[beyond] - whole * later_b[beyond]


def _censoring_scores(
    group: _Group,
    q: Floats,
    begin: Floats,
    stop: Floats,
    censored: NDArray[np.bool_],
    weight: Floats,
    scores: Floats,
) -> None:
    """Add what estimating the distribution of censoring contributes (the ψ of Fine and Gray)."""
    rows = group.rows
    leaves, own = censored[rows], weight[rows]
    first, last = _censoring_span(group.time, begin[rows], stop[rows], leaves)
    for j in range(q.shape[1]):
        per = q[:, j] / group.at_risk
        run = _running(per * group.events / group.at_risk)
        value = -(run[last] - run[first])
        value[leaves] += per[last[leaves] - 1]
        scores[rows, j] += own * value


def _total(values: list[Floats]) -> Floats:
    found: Floats = np.add.reduce(values)
    return found


def _binned(places: NDArray[np.integer], *, weights: Floats | None = None, minlength: int = 0) -> Floats:
    """Sum weights by place."""
    found: Floats = np.asarray(np.bincount(places, weights=weights, minlength=minlength), dtype=np.float64)
    return found


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _remaining(values: Floats) -> Floats:
    """Sum values from each place to the end: shape (k + 1,)."""
    found: Floats = np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])
    return found
