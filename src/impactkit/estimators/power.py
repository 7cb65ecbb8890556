"""Power, detectable effect and required sample of studies that are planned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis
from impactkit.inference import PowerDesign
from impactkit.results import Estimates, Note, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["Power"]


class Power(Analysis):
    """Power of planned studies, side by side: what each can find, and how large it would have to be.

    No data are needed, so that a plan file with this alone runs before anybody is recruited.

    Parameters
    ----------
    name : str
    scenarios : tuple of PowerDesign
        Named planned studies.
    curve : {"effect", "size"}
        What the figure draws power against: the effect (scenarios need a size) or the sample (they need an effect).

    Returns
    -------
    Estimates
        For each scenario (in the column ``population``), as far as its size and effect are given: the planned sample
        and its power; the minimum detectable effect of allocation, and of taking part where take-up is partial; the
        required sample. None has a standard error: these are consequences of assumptions.

    Notes
    -----
    See :class:`PowerDesign` for the formulae. Tests are two-sided, with the exact noncentral t distribution.

    References
    ----------
    Bloom, H. S. (1995). Minimum detectable effects. *Evaluation Review* 19(5).
    Dong, N. and Maynard, R. (2013). PowerUp!. *Journal of Research on Educational Effectiveness* 6(1).

    Examples
    --------
    >>> import impactkit as ik
    >>> plan = ik.PowerDesign(name="all take part", n=800, control_rate=0.30, effect=0.10)
    >>> power = ik.Power(name="power", scenarios=(plan, plan.replace(name="6 in 10 do", take_up=0.6)))
    >>> ik.Evaluation(None, None, [power]).fit().tidy()[["population", "term", "estimate"]].round(3)
          population         term  estimate
    0  all take part      planned   800.000
    1  all take part        power     0.846
    2  all take part   allocation     0.094
    3  all take part     required   709.000
    4     6 in 10 do      planned   800.000
    5     6 in 10 do        power     0.439
    6     6 in 10 do   allocation     0.094
    7     6 in 10 do  taking part     0.157
    8     6 in 10 do     required  1923.000
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})
    reads_people: ClassVar[bool] = False

    kind: Literal["power"] = "power"
    scenarios: tuple[PowerDesign, ...] = Field(min_length=1)
    curve: Literal["effect", "size"] = "effect"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [scenario.name for scenario in self.scenarios]
        faults = [f'two scenarios are called "{name}"' for name in sorted({n for n in names if names.count(n) > 1})]
        lacking, option, axis = "effect", "`effect`", "sample"
        if self.curve == "effect":
            lacking, option, axis = "size", "`n` or `clusters`", "effect"
        faults += [
            f'scenario "{scenario.name}" needs {option} for a curve against the {axis}'
            for scenario in self.scenarios
            if getattr(scenario, lacking) is None
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Work the scenarios out; neither data nor other analyses are read."""
        keys: list[RowKey] = []
        values: list[float] = []
        freedom: list[float] = []
        remarks: list[Note] = [
            self.note("a plan, worked out from assumptions: there are no data behind it, and no error")
        ]
        for scenario in self.scenarios:
            for key, value, df, reason in self._rows(scenario):
                keys.append(key)
                values.append(value)
                freedom.append(df)
                if reason:
                    remarks.append(Note(*key[:4], "estimate", reason))
                for column in ("std_error", "n") if np.isfinite(df) else ("std_error", "n", "df"):
                    remarks.append(Note(*key[:4], column, "planned, not estimated"))
        nothing = np.full(len(keys), np.nan)
        return Estimates.build(
            keys=keys,
            working=values,
            working_se=nothing,
            df=freedom,
            n=nothing,
            glances=[self._glance(scenario) for scenario in self.scenarios],
            remarks=remarks,
        )

    def _rows(self, plan: PowerDesign) -> list[tuple[RowKey, float, float, str]]:
        def key(term: str, measure: str, unit: str) -> RowKey:
            return RowKey(self.name, plan.outcome, plan.name, term, measure, unit)

        rows: list[tuple[RowKey, float, float, str]] = []
        none = float("nan")
        if plan.size is not None:
            df = float(plan.df())
            rows.append((key("planned", "sample_size", plan.size_unit), float(plan.size), none, ""))
            if plan.effect is not None:
                rows.append((key("power", "power", "proportion"), float(plan.power()), df, ""))
            smallest = float(plan.minimum_detectable_effect())
            short = f"even a rate of {plan.furthest_rate:g} among the treated falls short of the power sought"
            reason = "" if np.isfinite(smallest) else short
            detectable, unit = "minimum_detectable_effect", plan.shown_unit
            rows.append((key("allocation", detectable, unit), smallest * plan.dilution, df, reason))
            if plan.dilution < 1:
                rows.append((key("taking part", detectable, unit), smallest, df, reason))
        if plan.effect is not None:
            needed = plan.required_size()
            size, reason = (
                (none, "no sample up to a billion reaches the power sought") if needed is None else (needed, "")
            )
            df = none if needed is None else float(plan.df(needed))
            rows.append((key("required", "sample_size", plan.size_unit), float(size), df, reason))
        return rows

    def _glance(self, plan: PowerDesign) -> dict[str, Any]:
        target = f"{100 * plan.target_power:.3g}% power sought"
        return {
            "analysis": self.name,
            "outcome": plan.outcome,
            "population": plan.name,
            "kind": self.kind,
            "estimand": "power of a planned study",
            "method": f"noncentral t at the {plan.alpha:.3g} level, two-sided; {target}",
            "inference": "none: worked out from assumptions",
            "evidence": "",
            "design_df": None if plan.size is None else float(plan.df()),
            "independence_assumed": False,
        }
