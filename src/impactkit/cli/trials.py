"""The plan of a whole trial that ships with the package, on synthetic people."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impactkit.evaluation import Plan

__all__ = ["health_led_plan"]


def health_led_plan() -> Plan:
    """Give the plan for synthetic people shaped like the Health-led Employment Trials.

    Examples
    --------
    >>> health_led_plan().title[:16]
    'SYNTHETIC people'
    """
    from impactkit.evaluation import Plan

    with as_file(files("impactkit.cli") / "plans" / "health_led_trials.toml") as path:
        return Plan.load(path)
