"""Separation: when a combination of columns tells the ones from the zeros, and no odds ratio is finite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from impactkit.compute.leastsquares import FloatArray

__all__ = ["Separation", "find_separation"]

NONE = 1e-7  # a direction shorter than this, columns scaled to at most one, is rounding


@dataclass(frozen=True, slots=True)
class Separation:
    """A direction in which the likelihood never stops rising.

    Attributes
    ----------
    kind : {"complete", "quasi-complete"}
        Complete when it tells every one from every zero; quasi-complete when some units lie on the border.
    direction : (k,)
        The sign in which each coefficient runs to infinity; 0 for those that stay finite.
    """

    kind: Literal["complete", "quasi-complete"]
    direction: FloatArray


def find_separation(*, X: FloatArray, y: FloatArray) -> Separation | None:
    """Look for a direction ``b`` with ``x'b >= 0`` for every one and ``x'b <= 0`` for every zero, not all equal.

    Parameters
    ----------
    X : (n, k)
        Design matrix of full column rank, the constant included.
    y : (n,)
        Zeros and ones.

    Returns
    -------
    Separation or None
        ``None`` when the maximum likelihood estimate exists.

    Notes
    -----
    A linear programme maximises ``sum_i (2y_i - 1) x_i'b`` under those constraints and ``|b_j| <= 1`` (Konis 2007); the
    estimate exists if and only if the maximum is 0. A second one asks for a direction with strict inequalities.
    Units with the same columns and outcome count once.

    References
    ----------
    Albert, A. and Anderson, J. A. (1984). On the existence of maximum likelihood estimates in logistic regression
    models. Biometrika 71, 1-10.
    Konis, K. (2007). Linear programming algorithms for detecting separated data in binary logistic regression
    models. DPhil thesis, University of Oxford.
    """
    from scipy.optimize import linprog

    scale = np.abs(X).max(axis=0, initial=0.0)
    signed = np.unique((X / np.where(scale > 0, scale, 1.0)) * (2.0 * y - 1.0)[:, None], axis=0)
    box = [(-1.0, 1.0)] * X.shape[1]
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=box, method="highs")
    if found.status != 0 or -found.fun <= NONE * len(signed):
        return None
    direction = np.where(np.abs(found.x) > NONE, np.sign(found.x), 0.0)
    strict = linprog(
        np.append(np.zeros(X.shape[1]), -1.0),
        A_ub=np.column_stack([-signed, np.ones(len(signed))]),
        b_ub=np.zeros(len(signed)),
        bounds=[*box, (0.0, 1.0)],
        method="highs",
    )
    complete = strict.status == 0 and -strict.fun > NONE
    return Separation("complete" if complete else "quasi-complete", direction)
