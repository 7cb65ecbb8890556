"""Intervals for a share that was estimated with weights or in clusters."""

from __future__ import annotations

import numpy as np

__all__ = ["wilson_limits"]


def wilson_limits(share: float, effective_n: float, *, conf_level: float = 0.95) -> tuple[float, float]:
    r"""Wilson's score interval for a share, on an effective number of people.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    effective_n : float
        The number of independent people who would give this share the same error: the head count without
        weights and clusters, else the head count over the design effect.
    conf_level : float

    Returns
    -------
    (low, high)
        NaN when nobody is left.

    Notes
    -----
    With :math:`z` the normal quantile,
    :math:`\{\hat p + z^2/2n \pm z \sqrt{\hat p(1-\hat p)/n + z^2/4n^2}\}/(1 + z^2/n)`.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22, 209-212.
    Dean, N. and Pagano, M. (2015). Evaluating confidence interval methods for binomial proportions in
    clustered surveys. Journal of Survey Statistics and Methodology 3, 484-503.

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson_limits(40 / 69, 69)]
    [0.462, 0.689]
    """
    from scipy.special import ndtri

    if not effective_n > 0.0:
        return float("nan"), float("nan")
    z = float(ndtri(0.5 * (1.0 + conf_level)))
    scale = 1.0 + z**2 / effective_n
    centre = (share + z**2 / (2.0 * effective_n)) / scale
    half = z * float(np.sqrt(share * (1.0 - share) / effective_n + z**2 / (4.0 * effective_n**2))) / scale
    # At 0 and 1 the formula gives the bound itself, but for rounding.
    return (0.0 if share == 0.0 else centre - half), (1.0 if share == 1.0 else centre + half)
