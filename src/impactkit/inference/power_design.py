"""The planned study as a specification: what power, detectable effect and sample size are computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from impactkit.design import Spec
from impactkit.inference.power import (
    arm_variance,
    cluster_df,
    crossing,
    detectable_multiplier,
    size_variation,
    smallest_size,
    t_power,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from impactkit.data import StudyData

    Floats = NDArray[np.float64]

__all__ = ["PowerDesign"]

Number = Annotated[float, Field(strict=True)]
Count = Annotated[int, Field(strict=True)]

_UP_TO_ONE = ("response", "response_control", "take_up")
_BELOW_ONE = ("icc", "r2", "r2_clusters", "control_take_up")
_INSIDE = ("allocation", "control_rate", "alpha", "target_power")
_POSITIVE = ("sd", "sd_treated", "effect", "cluster_size")
_NOT_NEGATIVE = ("cluster_size_cv", "weights_cv", "covariates", "cluster_covariates")
_CLUSTERED_ONLY = ("icc", "cluster_size_cv", "r2_clusters", "cluster_covariates")


class PowerDesign(Spec):
    """A study that is planned: its size, its arms, its outcome, and what will be lost on the way.

    Parameters
    ----------
    name : str
        What tables and figures call this scenario.
    outcome : str
        What is measured.
    n : int, optional
        People to be randomised, where people are.
    clusters : int, optional
        Clusters to be randomised, both arms together, where clusters are.
    cluster_size, cluster_size_cv : float
        Mean number of people in a cluster, and the coefficient of variation of that number.
    cluster_sizes : tuple of int
        The sizes themselves, in place of mean and variation; ``clusters`` is then their number unless given.
    icc : float
        Share of the outcome's variance that lies between clusters.
    blocks : int
        Blocks within which people, or clusters, are randomised.
    block_terms : {"separate", "shared"}
        One effect per block, averaged (what ``IntentToTreat`` does with strata alone; two coefficients a block), or
        one effect and a dummy per block (its ANCOVA; one coefficient).
    covariates, cluster_covariates : int
        Coefficients of covariates, which cost degrees of freedom: of people where people are randomised, of
        clusters where clusters are. Lin's adjustment has two for each covariate.
    allocation : float, default 0.5
        Share allocated to treatment; arms are rounded to whole people or clusters.
    sd, sd_treated : float, optional
        Standard deviation of the outcome within the control arm (and within the treated arm, if it differs). Left out,
        effects are in standard deviations.
    control_rate : float, optional
        For a yes/no outcome: the proportion expected in the control arm; variances are then those of the two rates.
    unit : str, optional
        Of the outcome: ``"sd"``, ``"proportion"`` or ``"points"`` unless said otherwise.
    effect : float, optional
        True effect of *taking part*, as a positive number; it is diluted by take-up.
    direction : {"increase", "decrease"}
        Matters for a yes/no outcome, whose variance changes with the effect.
    take_up, control_take_up : float
        Share of each arm that takes part.
    response, response_control : float
        Share of people whose outcome will be observed (among controls, if it differs).
    r2, r2_clusters : float
        Share of the outcome's variance that blocks and covariates explain: between people (within clusters), and
        between clusters.
    weights_cv : float
        Coefficient of variation of the response weights, with design effect 1 + cv².
    alpha, target_power : float
        Size of the two-sided test, 0.05; and the power sought, 0.8.
    df_rule : {"satterthwaite", "design"}
        With clusters: the degrees of freedom the analysis will use under CR2, which unequal clusters and arms lower; or
        clusters − 2 − those lost, as in Bloom (1995) and PowerUp!.

    Notes
    -----
    The effect of allocation is δ(t₁ − t₀); its standard error is the root of the two arms' variances
    (:func:`impactkit.inference.power.arm_variance`); power is that of a noncentral t with n − 2 − lost degrees of
    freedom for people. Where only some of the treated take part, and taking part moves them by δ, their variance is
    σ² + δ²t₁(1 − t₁); its root may be given as ``sd_treated``, and matters where δ is large (1% for 0.2 standard
    deviations, 6% for 0.5, at t₁ of one half).

    References
    ----------
    Bloom, H. S. (1995). Minimum detectable effects. *Evaluation Review* 19(5).
    Dong, N. and Maynard, R. (2013). PowerUp!. *Journal of Research on Educational Effectiveness* 6(1).
    Eldridge, S. M., Ashby, D. and Kerry, S. (2006). Sample size for cluster randomized trials. *International
    Journal of Epidemiology* 35(5).

    Examples
    --------
    A trial of supported employment: 30% of controls work at 12 months, 6 in 10 take up the offer.

    >>> plan = PowerDesign(name="IPS", n=2_000, control_rate=0.30, effect=0.10, take_up=0.6, response=0.9)
    >>> round(float(plan.power()), 3), round(float(plan.minimum_detectable_effect()), 4), plan.required_size()
    (0.774, 0.1034, 2136)
    >>> PowerDesign.from_dict(plan.to_dict()) == plan
    True
    """

    name: str = Field(min_length=1)
    outcome: str = Field(default="outcome", min_length=1)
    n: Count | None = None
    clusters: Count | None = None
    cluster_size: Number | None = None
    cluster_size_cv: Number = 0.0
    cluster_sizes: tuple[Count, ...] = ()
    icc: Number = 0.0
    blocks: Count = 1
    block_terms: Literal["separate", "shared"] = "separate"
    covariates: Count = 0
    cluster_covariates: Count = 0
    allocation: Number = 0.5
    sd: Number | None = None
    sd_treated: Number | None = None
    control_rate: Number | None = None
    unit: str = ""
    effect: Number | None = None
    direction: Literal["increase", "decrease"] = "increase"
    take_up: Number = 1.0
    control_take_up: Number = 0.0
    response: Number = 1.0
    response_control: Number | None = None
    r2: Number = 0.0
    r2_clusters: Number = 0.0
    weights_cv: Number = 0.0
    alpha: Number = 0.05
    target_power: Number = 0.8
    df_rule: Literal["satterthwaite", "design"] = "satterthwaite"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [*self._out_of_range(), *self._contradictions()]
        if not faults and self.size is not None:
            faults += self._too_small(self.size)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _out_of_range(self) -> list[str]:
        def check(names: tuple[str, ...], rule: str, ok: Any) -> list[str]:
            given = {name: getattr(self, name) for name in names}
            return [
                f"`{name}` must be {rule}, got {value:g}"
                for name, value in given.items()
                if value is not None and not ok(value)
            ]

        return [
            *check(("n",), "a whole number of 4 or more", lambda value: value >= 4),
            *check(("clusters",), "a whole number of 4 or more", lambda value: value >= 4),
            *check(("blocks",), "1 or more", lambda value: value >= 1),
            *check(_POSITIVE, "more than 0", lambda value: value > 0),
            *check(_NOT_NEGATIVE, "0 or more", lambda value: value >= 0),
            *check(_INSIDE, "between 0 and 1, neither included", lambda value: 0 < value < 1),
            *check(_BELOW_ONE, "0 or more and less than 1", lambda value: 0 <= value < 1),
            *check(_UP_TO_ONE, "more than 0 and at most 1", lambda value: 0 < value <= 1),
        ]

    def _contradictions(self) -> list[str]:
        said = []
        if self.n is not None and self.clustered:
            said.append("give `n` where people are randomised, or `clusters` and `cluster_size` where clusters are")
        if self.clusters is not None and self.cluster_size is None and not self.cluster_sizes:
            said.append("`clusters` needs their `cluster_size`, or `cluster_sizes`")
        if self.cluster_sizes and (self.cluster_size is not None or self.cluster_size_cv):
            said.append("give `cluster_sizes`, or `cluster_size` and `cluster_size_cv`, not both")
        if any(size < 1 for size in self.cluster_sizes):
            said.append("every one of `cluster_sizes` must be 1 or more")
        if self.cluster_sizes and self.clusters is None and len(self.cluster_sizes) < 4:
            said.append(f"`cluster_sizes` must list 4 clusters or more, got {len(self.cluster_sizes)}")
        if not self.clustered:
            idle = [name for name in _CLUSTERED_ONLY if getattr(self, name)]
            said += [f"`{name}` is about clusters: give `clusters` and `cluster_size`" for name in idle]
        if self.control_rate is not None and (self.sd is not None or self.sd_treated is not None):
            said.append("a yes/no outcome has the variance of its rate: leave `sd` and `sd_treated` out")
        if self.control_rate is not None and self.unit not in ("", "proportion"):
            said.append(f'the unit of a yes/no outcome is "proportion", not "{self.unit}"')
        if self.sd_treated is not None and self.sd is None:
            said.append("`sd_treated` needs `sd`")
        if self.take_up <= self.control_take_up:
            said.append("`take_up` must be more than `control_take_up`: nothing would differ between the arms")
        elif self.control_rate is not None and self.effect is not None and self.effect > 0:
            reached = self.control_rate + self._sign * self.effect * self.dilution
            if not 0 <= reached <= 1:
                said.append(f"`control_rate` and the diluted effect lead to a rate of {reached:g} among the treated")
        if self.target_power <= self.alpha:
            said.append("`target_power` must be more than `alpha`")
        if self.size is None and self.effect is None:
            said.append("give `n` (or `clusters`), `effect`, or both: there is nothing to work out from neither")
        return said

    def _too_small(self, size: int) -> list[str]:
        treated, control = (float(arm) for arm in self._arms(size))
        if min(treated, control) < 2:
            return [f"each arm needs two {self.size_unit} or more; they would have {treated:g} and {control:g}"]
        if not float(self.df(size)) > 0:
            return [f"no degrees of freedom are left with {size:,} {self.size_unit}: use fewer blocks or covariates"]
        return []

    @classmethod
    def from_trial(
        cls, study: StudyData, *, outcome: str, name: str = "", population: str = "all", **changes: Any
    ) -> PowerDesign:
        """Fill a design from data in hand, for example a pilot or a trial's baseline.

        Parameters
        ----------
        study : StudyData
        outcome : str
            Its spread, response, weights and, with clusters, its intracluster correlation are taken.
        name : str, optional
        population : str, default "all"
        **changes
            Options to set otherwise, for example ``effect`` or ``r2``.

        Notes
        -----
        Taken from the data: people or clusters and their sizes, allocation, blocks, response by arm, take-up by arm
        (the design's ``receipt``), the control arm's standard deviation or rate, the variation of the weights, and the
        analysis-of-variance estimate of the intracluster correlation within arms, not below zero. These are
        estimates: a correlation from a few clusters is a guess.
        """
        from impactkit.inference.power_study import options_from_study

        found = options_from_study(study, outcome=outcome, population=population)
        return cls(**{**found, "name": name or outcome, **changes})

    # --- what follows from the options ----------------------------------------------------------------

    @property
    def clustered(self) -> bool:
        """Whether clusters are randomised, and not people."""
        return self.clusters is not None or self.cluster_size is not None or bool(self.cluster_sizes)

    @property
    def size(self) -> int | None:
        """Planned number of people, or of clusters, to be randomised."""
        if not self.clustered:
            return self.n
        return self.clusters if self.clusters is not None else len(self.cluster_sizes) or None

    @property
    def size_unit(self) -> str:
        """What :attr:`size` counts."""
        return "clusters" if self.clustered else "people"

    @property
    def shown_unit(self) -> str:
        """Unit of effects."""
        named = "proportion" if self.control_rate is not None else "sd" if self.sd is None else "points"
        return self.unit or named

    @property
    def dilution(self) -> float:
        """Effect of allocation for each unit of the effect of taking part."""
        return self.take_up - self.control_take_up

    @property
    def furthest_rate(self) -> float:
        """The rate among the treated that no effect can pass."""
        return 1.0 if self.direction == "increase" else 0.0

    @property
    def _sign(self) -> float:
        return 1.0 if self.direction == "increase" else -1.0

    def _cluster_sizes(self) -> tuple[float, float]:
        if self.cluster_sizes:
            return size_variation(self.cluster_sizes)
        return (1.0 if self.cluster_size is None else self.cluster_size), self.cluster_size_cv

    def _sized(self, size: ArrayLike | None) -> Floats:
        given = self.size if size is None else size
        if given is None:
            raise ValueError(f'"{self.name}" has no size: give `n` or `clusters`, or pass `size`')
        return np.asarray(given, dtype=float)

    def _arms(self, size: ArrayLike) -> tuple[Floats, Floats]:
        whole = np.asarray(size, dtype=float)
        treated = np.floor(whole * self.allocation + 0.5)
        return treated, whole - treated

    def _responses(self) -> tuple[float, float]:
        return self.response, self.response if self.response_control is None else self.response_control

    def people(self, size: ArrayLike | None = None) -> Floats:
        """Give how many people a size (the planned one if left out) randomises."""
        return self._sized(size) * self._cluster_sizes()[0]

    def df(self, size: ArrayLike | None = None) -> Floats:
        """Give the degrees of freedom of the test of the effect; NaN where there are none."""
        whole = self._sized(size)
        treated, control = self._arms(whole)
        answer_treated, answer_control = self._responses()
        lost = (self.blocks - 1) * (2 if self.block_terms == "separate" else 1)
        if not self.clustered:
            analysed = treated * answer_treated + control * answer_control
            left = analysed - 2 - lost - self.covariates
        else:
            lost += self.cluster_covariates
            left = whole - 2 - lost
            if self.df_rule == "satterthwaite":
                mean, spread = self._cluster_sizes()
                answer = self.allocation * answer_treated + (1 - self.allocation) * answer_control
                uneven = spread**2 + (1 - answer + self.weights_cv**2) / (mean * answer)
                left = np.minimum(left, cluster_df(treated, control, size_cv=np.sqrt(uneven)) - lost)
        found: Floats = np.where((left > 0) & (treated >= 1) & (control >= 1), left, np.nan)
        return found

    def std_error(self, effect: ArrayLike | None = None, size: ArrayLike | None = None) -> Floats:
        """Give the standard error of the effect of allocation; a yes/no outcome's depends on the effect."""
        if self.control_rate is None:
            base = 1.0 if self.sd is None else self.sd
            control, treated = np.asarray(base**2), np.asarray((self.sd_treated or base) ** 2)
        else:
            shift = 0.0 if effect is None and self.effect is None else self.diluted(effect)
            rate = np.clip(self.control_rate + self._sign * shift, 0.0, 1.0)
            control, treated = np.asarray(self.control_rate * (1 - self.control_rate)), rate * (1 - rate)
        mean, spread = self._cluster_sizes()
        groups, answers = self._arms(self._sized(size)), self._responses()
        parts = [
            arm_variance(
                variance,
                arm,
                size=mean,
                size_cv=spread,
                response=answer,
                icc=self.icc,
                r2=self.r2,
                r2_clusters=self.r2_clusters,
                weights_cv=self.weights_cv,
            )
            for variance, arm, answer in zip((treated, control), groups, answers, strict=True)
        ]
        found: Floats = np.sqrt(parts[0] + parts[1])
        return found

    def design_effect(self) -> float:
        """Give the variance over that of as many responding people, unclustered and unweighted."""
        mean, spread = self._cluster_sizes()
        options = {"size": mean, "size_cv": spread, "response": self.response}
        whole = arm_variance(1.0, 1.0, icc=self.icc, weights_cv=self.weights_cv, **options)
        return float(whole / arm_variance(1.0, 1.0, size=mean, response=self.response))

    # --- the three questions --------------------------------------------------------------------------

    def diluted(self, effect: ArrayLike | None = None) -> Floats:
        """Give the effect of allocation that an effect of taking part leads to."""
        given = self.effect if effect is None else effect
        if given is None:
            raise ValueError(f'"{self.name}" has no `effect`: give one, or pass it')
        return np.asarray(given, dtype=float) * self.dilution

    def power(self, effect: ArrayLike | None = None, size: ArrayLike | None = None) -> Floats:
        """Give the power, for arrays of effects (of taking part) and sizes as well.

        Parameters
        ----------
        effect, size : array_like, optional
            Those of the design when left out.
        """
        shift = self.diluted(effect)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = shift / self.std_error(effect, size)
        return t_power(ratio, self.df(size), alpha=self.alpha)

    def minimum_detectable_effect(self, size: ArrayLike | None = None) -> Floats:
        """Give the smallest effect of taking part found with the target power.

        Returns
        -------
        ndarray
            NaN where there are no degrees of freedom, or where even a rate of 0 or 1 among the treated falls short.
        """
        df = self.df(size)
        if self.control_rate is None:
            multiplier = detectable_multiplier(df, alpha=self.alpha, power=self.target_power)
            return multiplier * self.std_error(size=size) / self.dilution
        room = (1 - self.control_rate if self._sign > 0 else self.control_rate) / self.dilution
        ceiling = np.where(np.isnan(df), np.nan, room)
        return crossing(lambda effect: self.power(effect, size) - self.target_power, ceiling, grow=False)

    def required_size(self, effect: float | None = None) -> int | None:
        """Give the fewest people (or clusters) to randomise for the target power; ``None`` if no number will do.

        Notes
        -----
        With few clusters and unequal arms one more control can cost power, since arms are whole and the degrees of
        freedom fall as arms grow apart; the answer is the smallest size that does, also where the next does not.
        """
        found = smallest_size(lambda size: float(self.power(effect, size)), self.target_power, least=4)
        if found is None:
            return None
        window = 2 * int(np.ceil(1 / min(self.allocation, 1 - self.allocation)))
        sizes = np.arange(max(4, found - window), found + 1)
        return int(sizes[self.power(effect, sizes) >= self.target_power][0])
