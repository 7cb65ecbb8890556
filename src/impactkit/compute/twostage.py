"""Two-stage least squares with one instrument for each endogenous regressor, and what does not rest on its strength.

With as many instruments as endogenous regressors, 2SLS of y on [1, d, C] with instruments [1, z, C] is the
ratio of two regressions on the *same* matrix [1, z, C]: that of y (the reduced form) and that of d (the first
stage). Nothing has to be solved again, whatever columns C holds: covariates, stratum dummies, their products
with z, or other arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from impactkit.compute.leastsquares import FloatArray

__all__ = ["ConfidenceSet", "Shape", "anderson_rubin", "anderson_rubin_statistic", "ratio_influence"]

Shape: TypeAlias = Literal["interval", "ray", "two rays", "line", "empty"]


def ratio_influence(
    *, ratio: float, denominator: float, numerator_values: FloatArray, denominator_values: FloatArray
) -> FloatArray:
    r"""Influence values of a ratio of coefficients, which for the two stages of 2SLS are those of 2SLS.

    Parameters
    ----------
    ratio : float
        The numerator over the denominator.
    denominator : float
        The first stage, not zero.
    numerator_values, denominator_values : (n,)
        Influence values of the reduced form and of the first stage under the same errors.

    Returns
    -------
    (n,)
        :math:`(\psi_y - \hat\tau \psi_d) / \hat\pi`.

    Notes
    -----
    This is 2SLS exactly, not to first order. The projected regressors :math:`\hat X` span the columns of the
    instruments, so leverages and the matrices :math:`A_g` of CR2 are the same in all three regressions; the
    structural residual :math:`y - X\hat\beta` is orthogonal to the instruments and so equals
    :math:`e_y - \hat\tau e_d`; and the row of :math:`(\hat X'W\hat X)^{-1} \hat X'W` that belongs to d is that
    of z divided by :math:`\hat\pi`. HC0 to HC3, CR2 and linearised values therefore carry over, and with them
    the degrees of freedom: n − k, or Satterthwaite's, which do not change when a contrast is multiplied by a
    number. R's ``estimatr::iv_robust`` computes the same from :math:`\hat X` and the structural residuals.

    Examples
    --------
    >>> ratio_influence(ratio=2.0, denominator=0.5, numerator_values=np.array([0.2, -0.1]),
    ...                 denominator_values=np.array([0.1, 0.0]))
    array([ 0. , -0.2])
    """
    values: FloatArray = (numerator_values - ratio * denominator_values) / denominator
    return values


@dataclass(frozen=True, slots=True)
class ConfidenceSet:
    """All values that a test does not reject: not always an interval.

    Attributes
    ----------
    shape : {"interval", "ray", "two rays", "line", "empty"}
    low, high : float
        Limits of an interval, a ray (one of them infinite) or the line (both infinite). For two rays the
        set is everything up to ``low`` and everything from ``high``. NaN when empty.
    """

    shape: Shape
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value is in the set.

        Examples
        --------
        >>> ConfidenceSet("two rays", -1.0, 3.0).holds(0.0)
        False
        """
        if self.shape == "empty":
            return False
        if self.shape == "two rays":
            return value <= self.low or value >= self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.shape == "empty":
            return "no value at all"
        if self.shape == "line":
            return "every value"
        if self.shape == "two rays":
            return f"every value up to {self.low:.4g} and every value from {self.high:.4g}"
        if self.shape == "ray":
            return f"every value from {self.low:.4g}" if np.isfinite(self.low) else f"every value up to {self.high:.4g}"
        return f"{self.low:.4g} to {self.high:.4g}"


def anderson_rubin_statistic(value: float, *, coefficients: FloatArray, covariance: FloatArray) -> float:
    """Test statistic of a supposed effect of the endogenous regressor: t of z in the regression of y − value·d.

    Parameters
    ----------
    value : float
        The effect supposed.
    coefficients : (2,)
        Reduced form and first stage.
    covariance : (2, 2)
        Their robust covariance.

    Returns
    -------
    float
        NaN when the contrast has no variance.
    """
    contrast = np.array([1.0, -value])
    variance = float(contrast @ covariance @ contrast)
    return float(contrast @ coefficients) / np.sqrt(variance) if variance > 0.0 else float("nan")


def anderson_rubin(*, coefficients: FloatArray, covariance: FloatArray, critical: float) -> ConfidenceSet:
    r"""Anderson-Rubin confidence set of the effect of one endogenous regressor with one instrument.

    Parameters
    ----------
    coefficients : (2,)
        Reduced form :math:`\hat\rho` and first stage :math:`\hat\pi`; finite.
    covariance : (2, 2)
        Their robust covariance V: products of influence values, summed within clusters first.
    critical : float
        The value c that \|t\| may not exceed.

    Returns
    -------
    ConfidenceSet

    Notes
    -----
    The set holds every :math:`\tau` with

    .. math:: (\hat\rho - \tau\hat\pi)^2 \le c^2 (V_{yy} - 2 \tau V_{yd} + \tau^2 V_{dd}),

    the roots of one quadratic. The squared first-stage t, F, decides the shape: bounded when F > c²; one ray
    when equal; otherwise the outside of an interval, or the whole line. The estimate is always in the set unless
    the first stage is exactly zero; only a first stage of zero without variance (the same receipt for
    everybody) can leave it empty. The set does not rest on the strength of the instrument: whatever
    :math:`\pi`, it holds the truth as often as the reduced-form t test is right. It is Fieller's set for the
    ratio.

    References
    ----------
    Anderson, T. W. and Rubin, H. (1949). Estimation of the parameters of a single equation in a complete
    system of stochastic equations. Annals of Mathematical Statistics 20, 46-63.
    Fieller, E. C. (1954). Some problems in interval estimation. Journal of the Royal Statistical Society B
    16, 175-185.

    Examples
    --------
    >>> print(anderson_rubin(coefficients=np.array([0.1, 0.5]), covariance=np.diag([0.01, 0.01]), critical=2.0))
    -0.2086 to 0.6848
    >>> print(anderson_rubin(coefficients=np.array([0.5, 0.1]), covariance=np.diag([0.01, 0.01]), critical=2.0))
    every value up to -4.794 and every value from 1.46
    """
    reduced, first = (float(part) for part in coefficients)
    square = critical**2
    outer = first**2 - square * float(covariance[1, 1])
    middle = reduced * first - square * float(covariance[0, 1])
    inner = reduced**2 - square * float(covariance[0, 0])
    if outer == 0.0:
        return _ray(middle=middle, inner=inner)
    discriminant = middle**2 - outer * inner
    if outer < 0.0 and discriminant <= 0.0:
        return ConfidenceSet("line", -np.inf, np.inf)
    # The root of larger size first, the other from their product: neither loses digits.
    larger = middle + np.copysign(np.sqrt(max(discriminant, 0.0)), middle)
    roots = (0.0, 0.0) if larger == 0.0 else (larger / outer, inner / larger)
    return ConfidenceSet("interval" if outer > 0.0 else "two rays", min(roots), max(roots))


def _ray(*, middle: float, inner: float) -> ConfidenceSet:
    """Solve ``-2 middle tau + inner <= 0``."""
    if middle == 0.0:
        if inner <= 0.0:
            return ConfidenceSet("line", -np.inf, np.inf)
        return ConfidenceSet("empty", float("nan"), float("nan"))
    end = inner / (2.0 * middle)
    return ConfidenceSet("ray", end, np.inf) if middle > 0.0 else ConfidenceSet("ray", -np.inf, end)
