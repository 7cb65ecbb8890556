"""What a finished study could have found: the minimum detectable effect beside each of its effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.analysis import Analysis
from impactkit.design.base import Probability
from impactkit.results import Estimates, Note, RowKey

if TYPE_CHECKING:
    from impactkit.data import StudyData

__all__ = ["MinimumDetectableEffect"]


class MinimumDetectableEffect(Analysis):
    r"""The smallest true effect the study would have found, for every effect of another analysis.

    A p value above 5% does not say whether the study was able to see an effect worth having. This does, before anyone
    reads "no effect" into it.

    Parameters
    ----------
    name : str
    of : str
        The analysis whose effects are meant.
    alpha : float, default 0.05
        Size of the two-sided test.
    power : float, default 0.8
        Chance with which an effect of that size would have been found.

    Returns
    -------
    Estimates
        For each effect row one row of the same outcome, population and term: ``minimum_detectable_effect`` in the
        effect's own unit, or ``minimum_detectable_ratio`` (above 1; its inverse for a fall) where it is a ratio.

    Notes
    -----
    The true effect λ·SE at which the test rejects with the stated power: λ solves :math:`1 - F_\nu(t; λ) +
    F_\nu(-t; λ) = 1 - β`, with F the noncentral t distribution at the row's own degrees of freedom. The sum of
    quantiles :math:`t_{\nu,1-\alpha/2} + t_{\nu,1-\beta}` of Bloom (1995) is within 0.2% of it from 8 degrees of
    freedom on. The standard error is the one the study got, with its strata, clusters, weights and response.

    This is not "observed power", the power to find the effect that was estimated: that is the p value in other words,
    low for every effect that is not significant, and says nothing new (Hoenig and Heisey 2001). The estimate itself
    does not enter here. The interval remains the better summary of what the data support; the minimum detectable effect
    says what the study was able to see.

    References
    ----------
    Bloom, H. S. (1995). Minimum detectable effects: a simple way to report the statistical power of experimental
    designs. *Evaluation Review* 19(5).
    Hoenig, J. M. and Heisey, D. M. (2001). The abuse of power: the pervasive fallacy of power calculations for data
    analysis. *The American Statistician* 55(1).

    Examples
    --------
    >>> import pandas as pd
    >>> import impactkit as ik
    >>> people = pd.DataFrame({"id": range(40), "z": [1, 0] * 20, "score": [3.0, 1.0, 5.0, 2.0, 4.0] * 8})
    >>> design = ik.TrialDesign(unit="id", arm="z", treated=1, control=0)
    >>> analyses = [ik.IntentToTreat(name="itt", outcome="score"), ik.MinimumDetectableEffect(name="mde", of="itt")]
    >>> result = ik.Evaluation(design, people, analyses).fit()
    >>> result["itt"].tidy()["std_error"].round(3)[0], result["mde"].tidy()["estimate"].round(3)[0]
    (np.float64(0.459), np.float64(1.319))
    """

    honours: ClassVar[frozenset[str]] = frozenset({"strata", "clusters", "weights", "populations"})
    accepts: ClassVar[frozenset[str]] = frozenset({"trial", "comparison", "norm", "before_after"})
    reads_people: ClassVar[bool] = False

    kind: Literal["minimum_detectable_effect"] = "minimum_detectable_effect"
    of: str = Field(min_length=1)
    alpha: Probability = 0.05
    power: Probability = 0.8

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.power <= self.alpha:
            raise ValueError("`power` must be more than `alpha`")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The analysis whose effects are meant."""
        return (self.of,)

    def run(self, study: StudyData, upstream: Mapping[str, Estimates]) -> Estimates:
        """Give the detectable effects; no person row is read."""
        from impactkit.inference import detectable_multiplier
        from impactkit.results.measures import measure

        found = upstream[self.of]
        effects = [place for place, key in enumerate(found.keys) if measure(key.measure).is_effect]
        tested = [place for place in effects if not np.isnan(measure(found.keys[place].measure).null)]
        remarks = [self.note(self._meaning())]
        if not tested:
            remarks.append(self.note(f'"{self.of}" has no effect that is tested against a value of no difference'))
        elif len(tested) < len(effects):
            remarks.append(
                self.note(
                    f'{len(effects) - len(tested)} rows of "{self.of}" have no value of no difference and no row here'
                )
            )
        chosen = found.take(tested)
        df, errors = chosen.numbers["df"], chosen.working_se
        sizes = detectable_multiplier(df, alpha=self.alpha, power=self.power) * errors
        keys = [self._key(key) for key in chosen.keys]
        for key, size in zip(keys, sizes, strict=True):
            if not size > 0:
                reason = f'"{self.of}" gives no standard error or degrees of freedom here'
                remarks.append(Note(*key[:4], "estimate", reason))
            remarks.append(
                Note(*key[:4], "std_error", "worked out from the study's standard error, which has no error here")
            )
        places = {key[1:3] for key in keys}
        return Estimates.build(
            keys=keys,
            working=np.where(sizes > 0, sizes, np.nan),
            working_se=np.full(len(keys), np.nan),
            df=df,
            n=chosen.numbers["n"],
            glances=[
                self._glance(row) for row in found.glances if (row.get("outcome"), row.get("population")) in places
            ],
            remarks=remarks,
            min_cell=chosen.min_cell,
        )

    def _key(self, key: RowKey) -> RowKey:
        from impactkit.results.measures import measure

        if measure(key.measure).scale == "log":
            unit = key.measure.replace("_", " ")
            return key._replace(analysis=self.name, measure="minimum_detectable_ratio", unit=unit)
        return key._replace(analysis=self.name, measure="minimum_detectable_effect")

    def _meaning(self) -> str:
        return (
            f"the smallest true effect that would have been significant at the {self.alpha:.3g} level (two-sided) "
            f"with a chance of {100 * self.power:.3g}%, given the standard error the study got; it is not observed "
            "power, because the estimate does not enter it"
        )

    def _glance(self, row: Mapping[str, Any]) -> dict[str, Any]:
        target = f"{100 * self.power:.3g}% power at the {self.alpha:.3g} level"
        return {
            **row,
            "analysis": self.name,
            "kind": self.kind,
            "estimand": "minimum detectable effect",
            "method": f'{target} for "{self.of}" ({row.get("method", "")})',
            "conf_level": None,
        }
