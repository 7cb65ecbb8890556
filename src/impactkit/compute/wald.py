"""Tests of several contrasts at once: Wald's F, and Hotelling's approximation for few clusters (HTZ)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impactkit.compute.leastsquares import FloatArray

__all__ = ["WaldTest", "cross_forms", "htz_test", "wald_test"]


@dataclass(frozen=True, slots=True)
class WaldTest:
    """An F test: its statistic, both degrees of freedom, and its p value."""

    statistic: float
    df1: float
    df2: float
    p_value: float


_NONE = WaldTest(float("nan"), float("nan"), float("nan"), float("nan"))


def wald_test(*, estimates: FloatArray, covariance: FloatArray, df: float) -> WaldTest:
    """Test that q contrasts are all zero: ``F = b'V⁻¹b / q`` on q and df degrees of freedom.

    Parameters
    ----------
    estimates : (q,)
    covariance : (q, q)
    df : float
        Denominator degrees of freedom; ``inf`` for a chi-square over q.

    Returns
    -------
    WaldTest
        NaN throughout when V cannot be inverted.

    Examples
    --------
    >>> import numpy as np
    >>> found = wald_test(estimates=np.array([2.0]), covariance=np.array([[1.0]]), df=30)
    >>> round(found.statistic, 6), round(found.p_value, 4)
    (4.0, 0.0546)
    """
    square = _quadratic(estimates, covariance)
    if square is None or not df > 0:
        return _NONE
    q = float(len(estimates))
    return _f_test(square / q, q, df)


def htz_test(*, estimates: FloatArray, covariance: FloatArray, forms: FloatArray) -> WaldTest:
    """Test that q contrasts are all zero under CR2, by Hotelling's T² with estimated degrees of freedom.

    Parameters
    ----------
    estimates : (q,)
    covariance : (q, q)
        The CR2 covariance.
    forms : (q, q, G, G)
        ``forms[s, t, g, h]``, the working-model covariance of the scores of contrast s in cluster g and of
        contrast t in cluster h, from `cross_forms`.

    Returns
    -------
    WaldTest
        ``F = (η − q + 1)/(ηq) · b'V⁻¹b`` on q and η − q + 1 degrees of freedom.

    Notes
    -----
    With Ω the covariance of the contrasts under the working model and ``D = Ω^{-1/2} V Ω^{-1/2}``,
    ``η = q(q + 1) / Σ_st Var(D_st)``: "HTZ" of Tipton and Pustejovsky (2015), the default of R's clubSandwich.

    References
    ----------
    Tipton, E. and Pustejovsky, J. E. (2015). Small-sample adjustments for tests of moderators and model fit using
    robust variance estimation in meta-regression. Journal of Educational and Behavioral Statistics 40(6), 604-634.
    """
    square = _quadratic(estimates, covariance)
    if square is None:
        return _NONE
    q = len(estimates)
    values, vectors = np.linalg.eigh(np.einsum("stgg->st", forms))
    if not values[0] > 0:
        return _NONE
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    turned = np.einsum("as,bt,stgh->abgh", root, root, forms)
    own = np.einsum("aagh->agh", turned)
    total = float(np.einsum("agh,bgh->", own, own) + np.einsum("abgh,bagh->", turned, turned))
    eta = q * (q + 1) / total
    df = eta - q + 1
    return _f_test(df / (eta * q) * square, float(q), df) if df > 0 else _NONE


def cross_forms(*, norm: FloatArray, left: FloatArray, right: FloatArray, middle: FloatArray) -> FloatArray:
    """Working-model covariances of the scores of q contrasts by cluster.

    Parameters
    ----------
    norm : (q, q, G)
        ``q_g^s'q_g^t``.
    left, right : (q, G, K)
        The a and b of each contrast, as in ``ClusterInfluence``.
    middle : (K, K)

    Returns
    -------
    (q, q, G, G)
        ``δ_gh norm_st,g − a_g^s'b_h^t − b_g^s'a_h^t + b_g^s'S b_h^t``.
    """
    ab = np.einsum("sgk,thk->stgh", left, right)
    ba = np.einsum("sgk,thk->stgh", right, left)
    bb = np.einsum("sgk,kl,thl->stgh", right, middle, right)
    forms: FloatArray = bb - ab - ba
    place = np.arange(norm.shape[2])
    forms[:, :, place, place] += norm
    return forms


def _quadratic(estimates: FloatArray, covariance: FloatArray) -> float | None:
    if not (np.isfinite(estimates).all() and np.isfinite(covariance).all()):
        return None
    scale = np.sqrt(np.diagonal(covariance))
    if not (scale > 0).all():
        return None
    correlation: npt.NDArray[np.float64] = covariance / np.outer(scale, scale)
    if np.linalg.cond(correlation) > 1e12:
        return None
    turned = estimates / scale
    return float(turned @ np.linalg.solve(correlation, turned))


def _f_test(statistic: float, df1: float, df2: float) -> WaldTest:
    from scipy.special import chdtrc, fdtrc

    p = chdtrc(df1, statistic * df1) if np.isinf(df2) else fdtrc(df1, df2, statistic)
    return WaldTest(float(statistic), df1, float(df2), float(p))
