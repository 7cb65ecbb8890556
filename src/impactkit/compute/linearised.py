"""Design-based (Taylor linearised) influence values: what R's ``survey::svyglm`` reports.

The scores of a weighted regression are summed within primary sampling units and compared within design
strata. Units outside the analysed domain stay in the design with a score of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impactkit.compute.leastsquares import Fit, FloatArray, IntArray, Rows, influence_hc
from impactkit.errors import NotEstimableError

__all__ = ["LinearisedInfluence", "influence_linearised"]


@dataclass(frozen=True, slots=True)
class LinearisedInfluence:
    """Influence values over every unit of the design.

    Attributes
    ----------
    values : (R, m, N)
        Centred within strata. Summed within (stratum, cluster), squared and summed, they give the variance.
    df : int
        Sampling units less strata among the analysed units, less the rank, plus one.
    """

    values: FloatArray
    df: int


def influence_linearised(
    fit: Fit,
    *,
    X: FloatArray,
    weights: FloatArray | None,
    rows: Rows,
    member: npt.NDArray[np.bool_],
    strata: npt.NDArray[np.integer] | None,
    clusters: npt.NDArray[np.integer] | None,
) -> LinearisedInfluence:
    """Linearised influence of regression coefficients in a domain of a stratified, clustered design.

    Parameters
    ----------
    fit : Fit
        The weighted fit on the n units analysed.
    X : (n, k)
        Its design matrix.
    weights : (n,) or None
        Its weights.
    rows : sequence of int, or (R, k)
        Coefficients wanted, or linear combinations of coefficients.
    member : (N,) bool
        Which units of the design are the n analysed, in order.
    strata : (N,) int or None
        Stratum codes of all units of the design; None for one stratum.
    clusters : (N,) int or None
        Codes of primary sampling units, taken within strata; None when each unit is its own.

    Returns
    -------
    LinearisedInfluence

    Raises
    ------
    NotEstimableError
        If a stratum with analysed units has a single sampling unit.

    Notes
    -----
    With ``z`` the totals of ``w_i e_i (bread x_i)_r`` by sampling unit,
    ``V = sum_h n_h / (n_h - 1) sum_j (z_hj - zbar_h)^2``, where ``n_h`` counts the sampling units of the whole
    design, those without an analysed unit included. The centring of a sampling unit is shared
    equally among its members.

    References
    ----------
    Binder, D. A. (1983). On the variances of asymptotically normal estimators from complex surveys.
    International Statistical Review 51, 279-292.
    """
    scores = influence_hc(fit, X=X, weights=weights, rows=rows, kind="HC0")
    stratum, unit = _sampling_units(size=member.size, strata=strata, clusters=clusters)
    members = np.bincount(unit)
    parent = np.empty(members.size, dtype=np.intp)
    parent[unit] = stratum
    units = np.bincount(parent)
    used = np.unique(stratum[member])
    _refuse_lonely(units=units, used=used, stratum=stratum, strata=strata)

    values = np.zeros((*scores.shape[:2], member.size))
    values[..., member] = scores
    flat = values.reshape(-1, member.size)
    with np.errstate(divide="ignore"):
        scale = np.where(units > 1, np.sqrt(units / (units - 1.0)), 0.0)
    for row in flat:
        mean = np.bincount(stratum, weights=row, minlength=units.size) / units
        row -= (mean[parent] / members)[unit]
        row *= scale[stratum]
    analysed = np.unique(unit[member]).size
    return LinearisedInfluence(values=values, df=int(analysed - used.size - fit.rank + 1))


def _sampling_units(
    *, size: int, strata: npt.NDArray[np.integer] | None, clusters: npt.NDArray[np.integer] | None
) -> tuple[IntArray, IntArray]:
    """Stratum and sampling unit of each of N units, both as codes from 0 without gaps."""
    stratum = np.zeros(size, dtype=np.intp)
    if strata is not None:
        stratum = np.unique(strata, return_inverse=True)[1].astype(np.intp)
    if clusters is None:
        return stratum, np.arange(size)
    labels, cluster = np.unique(clusters, return_inverse=True)
    unit = np.unique(stratum * labels.size + cluster, return_inverse=True)[1].astype(np.intp)
    return stratum, unit


def _refuse_lonely(
    *, units: IntArray, used: IntArray, stratum: IntArray, strata: npt.NDArray[np.integer] | None
) -> None:
    """Say which strata have a single sampling unit, if any that is analysed has."""
    lonely = used[units[used] == 1]
    if not lonely.size:
        return
    if strata is None:
        where = "the design has only one"
    else:
        codes = [str(strata[np.argmax(stratum == code)]) for code in lonely[:5]]
        more = f" and {lonely.size - 5} more" if lonely.size > 5 else ""
        where = f"stratum {', '.join(codes)}{more} has only one"
    raise NotEstimableError(
        f"A linearised variance needs two sampling units or more in each stratum: {where}. "
        "Merge it with a similar stratum, or name a finer sampling unit."
    )
