"""The checks that the money kernels share: one place, one wording."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impactkit.errors import DataError, SpecError

__all__ = ["Floats", "array_of", "day_basis"]

Floats = NDArray[np.float64]


def array_of(values: ArrayLike, name: str, *, least: float | None = None, above: float | None = None) -> Floats:
    """Give values as floats, all finite and within their bounds, or say how many are not.

    Parameters
    ----------
    values : array_like of float
        Any shape.
    name : str
        What they are, to start the sentence with.
    least, above : float, optional
        Smallest value allowed, or a value that all must exceed.

    Returns
    -------
    ndarray of float

    Raises
    ------
    DataError
        Naming the bound and the number of values that break it.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError([f"{name} must be numbers: {error}"]) from error
    problems = []
    if missing := int((~np.isfinite(array)).sum()):
        problems.append(f"{name} must be finite: {missing} of {array.size} are missing or infinite")
    if least is not None and (small := int((array < least).sum())):
        problems.append(f"{name} must be at least {least:g}: {small} of {array.size} are smaller")
    if above is not None and (small := int((array <= above).sum())):
        problems.append(f"{name} must be more than {above:g}: {small} of {array.size} are not")
    if problems:
        raise DataError(problems)
    return array


def day_basis(days_per_week: int) -> int:
    """Give 5 or 7 days a week back, and refuse anything else."""
    if isinstance(days_per_week, bool) or days_per_week not in (5, 7):
        raise SpecError(
            f"`days_per_week` must be 5 (working days) or 7 (calendar days), found {days_per_week!r}: "
            "use the basis on which the value of a day was stated"
        )
    return days_per_week
