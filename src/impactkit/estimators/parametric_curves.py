"""Curves of parametric models, and the estimate without a model beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.compute.survival.curves import product_limit
from impactkit.compute.survival.ties import tied
from impactkit.compute.survival.turnbull import turnbull
from impactkit.results.curves import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.compute.survival.parametric import Times
    from impactkit.estimators.parametric_duration import ParametricDuration
    from impactkit.estimators.parametric_people import Group, People

__all__ = ["GRID", "beside", "model_curves"]

GRID = 121


def model_curves(part: Any) -> list[Curve]:
    """Give a model's curve in each arm: within follow-up, and beyond it under a name of its own."""
    from scipy.special import ndtri, stdtrit

    level = 0.5 * (1.0 + part.spec.conf_level)
    critical = float(ndtri(level)) if np.isinf(part.df) else float(stdtrit(part.df, level)) if part.df > 0 else np.nan
    found = []
    for arm, label in enumerate((part.parent.control, *part.arms)):
        term = f"{part.label}: {label}" if part.arms else part.label
        for measure, moments in zip(("survival", "survival_extrapolated"), part.grid(), strict=True):
            if not moments.size:
                continue
            alive, error = part.curve(arm, moments)
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                turned = np.log(-np.log(alive))
                low, high = (np.exp(-np.exp(turned + sign * critical * error)) for sign in (1.0, -1.0))
            sure = (alive >= 1.0) | (alive <= 0.0)
            nothing = np.full(moments.size, np.nan)
            found.append(
                Curve(
                    part.spec.name, part.parent.people.outcome, part.group.population, term, measure, part.unit,
                    moments, alive, np.where(sure, alive, low), np.where(sure, alive, high), nothing, nothing.copy(),
                )
            )  # fmt: skip
    return found


def beside(
    spec: ParametricDuration, people: People, group: Group, times: Times, unit: str, arms: tuple[str, ...]
) -> list[Curve]:
    """Give the Kaplan-Meier estimate (Turnbull's where returns lie between times) of each arm."""
    found = []
    name = "Turnbull" if people.interval else "Kaplan-Meier"
    for arm in range(int(group.arm.max(initial=0)) + 1):
        own = (group.arm == arm) & (np.where(times.happened, times.upper, times.lower) > spec.since)
        if not (own & times.happened).any():
            continue
        make = _turnbull if people.interval else _product_limit
        moments, alive, at_risk, events = make(times, own, spec.since)
        term = name if len(arms) == 1 else f"{name}: {arms[arm]}"
        nothing = np.full(moments.size, np.nan)
        found.append(
            Curve(
                spec.name, people.outcome, group.population, term, "survival", unit,
                moments, alive, nothing, nothing.copy(), at_risk, events,
            )
        )  # fmt: skip
    return found


def _product_limit(times: Times, own: NDArray[np.bool_], since: float) -> tuple[Any, ...]:
    happened = times.happened[own]
    stop, entry = tied(times.lower[own], np.maximum(times.entry[own], since))
    curve = product_limit(stop, happened, start=entry, weights=times.weights[own])
    counts = product_limit(stop, happened, start=entry)
    moments, alive, at_risk, events = curve.time, curve.survival, counts.at_risk, np.cumsum(counts.events)
    last = float(stop.max())
    begin = (np.array([since]), np.ones(1), np.array([float((entry <= since).sum())]), np.zeros(1))
    parts = [begin, (moments, alive, at_risk, events)]
    if last > moments[-1]:
        parts.append((np.array([last]), alive[-1:], np.array([float((stop >= last).sum())]), events[-1:]))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _turnbull(times: Times, own: NDArray[np.bool_], since: float) -> tuple[Any, ...]:
    entry = np.maximum(times.entry[own], since)
    lower = np.maximum(times.lower[own], entry)
    curve = turnbull(lower, times.upper[own], entry=entry, weights=times.weights[own])
    held = curve.mass > 0
    moments = np.concatenate([[since], np.column_stack([curve.left, curve.right])[held].ravel()])
    before = np.concatenate([[1.0], curve.survival])[:-1]
    alive = np.concatenate([[1.0], np.column_stack([before, curve.survival])[held].ravel()])
    order = np.concatenate([[True], ~((np.diff(moments) == 0) & (np.diff(alive) == 0))])
    nothing = np.full(int(order.sum()), np.nan)
    return moments[order], alive[order], nothing, nothing.copy()
