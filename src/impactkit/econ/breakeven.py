"""Break-even and net benefit: what a service must save to pay for itself, and what it saved.

A day has one value and a week two lengths: five working days or seven calendar days. The basis is never assumed.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from impactkit.econ.checks import Floats, array_of, day_basis

__all__ = ["break_even_days", "break_even_weeks", "net_benefit"]


def break_even_days(cost: ArrayLike, value_of_day: ArrayLike) -> Floats:
    """Give the days of absence a client must be spared for a service to pay for itself.

    Parameters
    ----------
    cost : array_like of float
        Pounds per client, zero or more.
    value_of_day : array_like of float
        Pounds a day of absence costs, more than zero, in the same prices; broadcasts with ``cost``.

    Returns
    -------
    ndarray of float
        Days, on the basis on which a day is valued (working days if that is the cost of a working day).

    Raises
    ------
    DataError
        If a cost is negative, a day has no value, or a number is missing.

    Notes
    -----
    :math:`d = c / v`.

    References
    ----------
    DWP Research Report 896 (2015), section 4.2: 11 working days at £1,000, five to six at £500.

    Examples
    --------
    >>> break_even_days([1_000, 500], 90).round(1).tolist()
    [11.1, 5.6]
    """
    return array_of(cost, "costs", least=0.0) / array_of(value_of_day, "the value of a day", above=0.0)


def break_even_weeks(days: ArrayLike, *, days_per_week: int) -> Floats:
    """Turn break-even days into weeks on a stated basis.

    Parameters
    ----------
    days : array_like of float
        Days, zero or more.
    days_per_week : {5, 7}
        5 for working days, 7 for calendar days. It has no default: £1,000 at £90 a day is 2.2 weeks or 1.6.

    Returns
    -------
    ndarray of float
        Weeks.

    References
    ----------
    DWP Research Report 896 (2015), section 5.5: one and a half weeks at £1,000, which counts seven days.

    Examples
    --------
    >>> days = break_even_days(1_000, 90)
    >>> [round(float(break_even_weeks(days, days_per_week=basis)), 2) for basis in (5, 7)]
    [2.22, 1.59]
    """
    return array_of(days, "days", least=0.0) / day_basis(days_per_week)


def net_benefit(weeks: ArrayLike, *, days_per_week: int, value_of_day: ArrayLike, cost: ArrayLike) -> Floats:
    r"""Give what a client's saved weeks are worth, less what the service cost.

    Parameters
    ----------
    weeks : array_like of float
        Weeks of absence saved per client; negative when absence grew.
    days_per_week : {5, 7}
        Valued days in a week; no default.
    value_of_day : array_like of float
        Pounds a day of absence costs, more than zero.
    cost : array_like of float
        Pounds per client, zero or more, in the same prices.

    Returns
    -------
    ndarray of float
        Pounds per client; negative is a net cost.

    Notes
    -----
    :math:`b = w \, k \, v - c` with weeks :math:`w`, days a week :math:`k`, value of a day :math:`v` and cost
    :math:`c`.

    References
    ----------
    DWP Research Report 896 (2015), section 4.2 with Tables C.6 and 4.2.

    Examples
    --------
    Greater Manchester: an adjusted norm of 8.0 weeks against 3.4, at £584 per client:

    >>> float(net_benefit(8.0 - 3.4, days_per_week=5, value_of_day=90, cost=584).round())
    1486.0
    """
    saved = array_of(weeks, "weeks saved") * day_basis(days_per_week)
    return saved * array_of(value_of_day, "the value of a day", above=0.0) - array_of(cost, "costs", least=0.0)
