"""Who is analysed: one outcome in one population, with every exclusion counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impactkit.errors import NotEstimableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impactkit.data import StudyData
    from impactkit.design import Outcome

__all__ = ["OneArmed", "Sample", "SampleError", "arms_of", "complete_rows", "draw_sample", "treated_labels"]

OneArmed = Literal["error", "drop"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The people one estimate rests on.

    Parameters
    ----------
    outcome : Outcome
    population : str
    member : ndarray of bool, shape (N,)
        Who is analysed, over the whole person table.
    values : ndarray of shape (N,)
        The outcome.
    weights : ndarray of shape (N,) or None
    weights_column : str or None
    counts : mapping
        The ``n_…`` columns of ``glance()``.
    dropped_strata : tuple of str
        One-armed strata left out because that was asked for.
    """

    outcome: Outcome
    population: str
    member: NDArray[np.bool_]
    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    weights_column: str | None
    counts: dict[str, Any]
    dropped_strata: tuple[str, ...]

    @property
    def key(self) -> tuple[bytes, str | None]:
        """Samples with the same key share one design matrix."""
        return np.packbits(self.member).tobytes(), self.weights_column

    def smallest_cell(self, arm: NDArray[np.int8]) -> float:
        """Give the smallest head count behind the estimate: by arm, and by answer for a binary outcome."""
        sizes = arm_sizes(self.member, arm, int(arm.max(initial=0)) + 1)
        if self.outcome.kind == "binary":
            positive = arm_sizes(self.member & (self.values == 1.0), arm, len(sizes))
            sizes = np.concatenate([positive, sizes - positive])
        return float(sizes.min())


def arm_sizes(member: NDArray[np.bool_], arm: NDArray[np.int8], arms: int) -> NDArray[np.int64]:
    """Count the members of each arm; masks are counted many times faster than they are summed or binned."""
    return np.array([np.count_nonzero(member & (arm == place)) for place in range(arms)], dtype=np.int64)


class SampleError(NotEstimableError):
    """Nothing can be estimated from a sample; its counts can still be shown.

    Parameters
    ----------
    reason : str
    sample : Sample
    """

    def __init__(self, reason: str, sample: Sample) -> None:
        super().__init__(reason)
        self.sample = sample


def arms_of(study: StudyData) -> NDArray[np.int8]:
    """Give the arm of each person of a design that has arms."""
    arm = study.arm
    if arm is None:
        raise NotEstimableError("the design has no arms to compare")
    return arm


def treated_labels(study: StudyData) -> tuple[str, ...]:
    """Give the treated arms' labels as words, one term each."""
    return tuple(str(label) for label in getattr(study.design, "treated_labels", ()))


def complete_rows(matrix: NDArray[np.float64] | None) -> NDArray[np.bool_] | None:
    """Mark the rows without a missing covariate; ``None`` without covariates."""
    if matrix is None:
        return None
    found: NDArray[np.bool_] = np.asarray(~np.isnan(matrix).any(axis=1))
    return found


def draw_sample(
    study: StudyData,
    *,
    outcome: str,
    population: str,
    complete: NDArray[np.bool_] | None = None,
    one_armed: OneArmed = "error",
) -> Sample:
    """Select complete cases for one outcome in one population.

    Parameters
    ----------
    study : StudyData
    outcome, population : str
    complete : ndarray of bool, shape (N,), optional
        Who has every covariate.
    one_armed : {"error", "drop"}
        What to do with a stratum that has one arm only in this sample.

    Raises
    ------
    SampleError
        If an arm is empty, or a stratum has one arm only and ``one_armed="error"``.
    """
    column = study.outcome(outcome)
    arm = arms_of(study)
    assigned_all = study.population(population)
    assigned = assigned_all & column.eligible
    observed = assigned & ~np.isnan(column.values)
    weighted: NDArray[np.bool_] = observed if column.weights is None else observed & (np.nan_to_num(column.weights) > 0)
    member: NDArray[np.bool_] = np.asarray(weighted if complete is None else weighted & complete)
    counts: dict[str, Any] = {
        "n_assigned": np.count_nonzero(assigned),
        "n_not_eligible": np.count_nonzero(assigned_all & ~assigned),
        "n_missing_outcome": np.count_nonzero(assigned & ~observed),
        "n_zero_weight": np.count_nonzero(observed & ~weighted),
        "n_missing_covariates": np.count_nonzero(weighted & ~member),
        "n_dropped_strata": 0,
    }
    labels = treated_labels(study)
    arms = len(labels) + 1
    dropped: tuple[str, ...] = ()
    fault = ""
    if study.strata is not None:
        kept, dropped, fault = _two_armed(study, member, arms=arms, one_armed=one_armed)
        counts["n_dropped_strata"] = np.count_nonzero(member & ~kept)
        member = kept
    sizes = arm_sizes(member, arm, arms)
    counts |= {"n_analysed": int(sizes.sum()), "n_treated": int(sizes[1:].sum()), "n_control": int(sizes[0])}
    sample = Sample(
        outcome=column.spec,
        population=population,
        member=member,
        values=column.values,
        weights=column.weights,
        weights_column=None if column.weights is None else study.design.weights_of(column.spec),
        counts=counts,
        dropped_strata=dropped,
    )
    if (sizes == 0).any():
        fault = _empty_arms(study, sizes, labels, counts)
    if fault:
        raise SampleError(fault, sample)
    return sample


def _empty_arms(study: StudyData, sizes: NDArray[np.intp], labels: tuple[str, ...], counts: dict[str, Any]) -> str:
    names = (str(getattr(study.design, "control", "control")), *labels)
    empty = ", ".join(f'"{names[place]}"' for place in np.flatnonzero(sizes == 0))
    lost = [
        f"{counts[name]} {words}"
        for name, words in (
            ("n_missing_outcome", "have no outcome"),
            ("n_zero_weight", "have weight 0"),
            ("n_missing_covariates", "lack a covariate"),
            ("n_dropped_strata", "are in strata that lack an arm"),
        )
        if counts[name]
    ]
    whole = f"{counts['n_assigned']} assigned"
    return f"nobody is left to analyse in arm {empty} (of {', '.join([whole, *lost])})"


def _two_armed(
    study: StudyData, member: NDArray[np.bool_], *, arms: int, one_armed: OneArmed
) -> tuple[NDArray[np.bool_], tuple[str, ...], str]:
    """Give who is in strata with every arm, the strata left out, and what is wrong if that was not asked for."""
    strata = study.strata
    assert strata is not None
    labels = study.strata_labels
    cells = np.bincount(strata[member] * arms + arms_of(study)[member], minlength=len(labels) * arms).reshape(-1, arms)
    present = cells.sum(axis=1) > 0
    faulty = present & (cells == 0).any(axis=1)
    if not faulty.any():
        return member, (), ""
    names = tuple(labels[place] for place in np.flatnonzero(faulty))
    rows = int(cells[faulty].sum())
    if one_armed == "drop":
        return member & ~faulty[strata], names, ""
    shown = "; ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (
        member,
        (),
        f"{len(names)} of {int(present.sum())} strata lack an arm among the people analysed ({shown}; {rows} rows): "
        'join strata, or set one_armed="drop" to leave these rows out and have them counted',
    )
