"""Synthetic people shaped like the Health-led Employment Trials: nobody real, and every frame says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from impactkit.data.synthetic_facts import GROUPS, fact
from impactkit.design import Family, Outcome, Population, TrialDesign
from impactkit.errors import SpecError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["SYNTHETIC_TITLE", "synthetic_health_led_design", "synthetic_health_led_trials"]

SYNTHETIC_TITLE = "SYNTHETIC people shaped like the Health-led Employment Trials (nobody's real data)"
"""Title of every plan and report on these people."""

_SCORE_MEAN, _SCORE_SD = 50.0, 10.0
_STREAM = 9785
"""Keeps these draws apart from others made with the same seed."""


def synthetic_health_led_trials(seed: int) -> pd.DataFrame:
    """Make 9,785 synthetic recruits whose mean effects are those printed for the Health-led Employment Trials.

    Use it to see a whole trial evaluated, to teach, and to test: it holds no real person's data, and its column
    ``synthetic`` and its ids say so in every file.

    Parameters
    ----------
    seed : int
        The same seed gives the same people, to the byte.

    Returns
    -------
    DataFrame
        One row per recruit:

        - ``person_id``, ``synthetic`` (always true), ``site``, ``group``, ``trial_group``, ``arm``, ``enrolled``;
        - at recruitment ``age``, ``sex``, ``conditions``, ``weeks_worked_2y``, ``earnings_before``, ``health_0m``,
          ``wellbeing_0m``;
        - administrative, for those linked: ``worked_13_weeks``, ``earnings_12m``;
        - 4-month survey: ``confidence_4m`` with weight ``w_4m``; 12-month survey: ``health_12m`` and
          ``wellbeing_12m`` with weight ``w_12m``.

    See Also
    --------
    impactkit.data.synthetic_facts.health_led_facts : every constant used, with its source.

    Notes
    -----
    *Employment.* With s standard normal (labour-market attachment, health and chance), a person works 13 weeks or
    more if s > Φ⁻¹(1 − p), so that the share is p exactly, whatever s depends on. Controls and those not enrolled
    have the control share p₀; those enrolled have p₀ + δ/π, with δ the printed effect and π the take-up, so that
    the effect of allocation is δ.

    *Earnings.* Lognormal with mean M for the employed; a share q of the others has a shorter job with mean m; the
    rest earn nothing. Pay of those enrolled is multiplied by k, which is solved from
    k [p₁M + (1 − p₁)qm] = p₀M + (1 − p₀)qm + Δ/π, p₁ being the share employed of those enrolled.
    The factor k makes the printed effect on earnings go with the printed effect on employment. It is no finding.

    *Health, wellbeing.* Scores with mean 50 and standard deviation 10 among controls, correlated with the same
    score at recruitment. Those enrolled gain 10 δ/π.

    *Survey response.* With v standard normal (0.8 age + 0.6 health at recruitment), a person answers with
    probability Φ(a + bv). The mean over v is Φ(a/√(1 + b²)), which gives a for each arm: the printed rate plus or
    minus half of the assumed gap. Weights are the inverse of the probability, so that the weighted estimate aims
    at all recruits.

    *Pooled groups* (All SCR, All OOW) are what the three groups imply. They are never targets.

    References
    ----------
    Newton, B. and Gloster, R. (2023). *Summary: Evaluation of the Health-led Employment Trials*. Department for
    Work and Pensions and Department of Health and Social Care. Contains public sector information licensed under
    the Open Government Licence v3.0.

    Examples
    --------
    >>> people = synthetic_health_led_trials(seed=1)
    >>> people["trial_group"].value_counts().to_dict()
    {'WMCA': 3675, 'SCR OOW': 3591, 'SCR IW': 2519}
    >>> bool(people["synthetic"].all()), people["person_id"][0]
    (True, 'synthetic-0001')
    """
    import pandas as pd

    given: object = seed
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 0:
        raise SpecError(f"a seed should be a whole number of 0 or more; got {seed!r}: choose one and write it down")
    rng = np.random.default_rng([int(seed), _STREAM])
    parts = [_group(name, rng) for name in GROUPS]
    people = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    people.insert(0, "person_id", [f"synthetic-{place:04d}" for place in range(1, len(people) + 1)])
    people.insert(1, "synthetic", True)
    people.attrs["title"] = SYNTHETIC_TITLE
    return people


def _group(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Make the recruits of one group, column by column."""
    n = int(fact("recruits", name))
    age, work, health, mind, pay = rng.standard_normal((5, n))
    wellbeing = 0.5 * health + np.sqrt(0.75) * mind
    treated = _allocate(n, rng)
    enrolled = treated & (rng.random(n) < fact("take-up", name))
    columns = {
        "site": name.split()[0],
        "group": "IW" if name == "SCR IW" else "OOW",
        "trial_group": name,
        "arm": np.where(treated, "IPS", "usual"),
        "enrolled": enrolled.astype(int),
        **_at_recruitment(name, rng, age=age, work=work, health=health, wellbeing=wellbeing, pay=pay),
        **_administrative(name, rng, enrolled=enrolled, work=work, health=health, pay=pay),
    }
    answer, wave, spirit, shared = rng.standard_normal((4, n))
    propensity = 0.8 * age + 0.6 * health
    early, early_weight = _response(4, propensity, treated, answer)
    late, late_weight = _response(12, propensity, treated, 0.7 * answer + np.sqrt(0.51) * wave)
    confidence = 0.3 * work + np.sqrt(0.91) * rng.standard_normal(n)
    rest = 0.4 * shared + np.sqrt(0.84) * spirit
    after = {
        "confidence_4m": (confidence, "impact on job-search confidence at 4 months", early),
        "health_12m": (_follow(health, shared, fact("health explained at baseline")), "impact on health", late),
        "wellbeing_12m": (
            _follow(wellbeing, rest, fact("wellbeing explained at baseline")),
            "impact on wellbeing",
            late,
        ),
    }
    gain = enrolled / fact("take-up", name)
    for column, (score, effect, answered) in after.items():
        columns[column] = np.where(answered, _score(score + fact(effect, name) * gain), np.nan)
    columns["w_4m"] = np.where(early, early_weight, np.nan)
    columns["w_12m"] = np.where(late, late_weight, np.nan)
    return columns


def _allocate(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Allocate half to each arm at random; the odd one by a coin."""
    places = np.zeros(n, dtype=bool)
    half = n * (1 - fact("share allocated to control"))
    places[: int(half + 0.5 * rng.integers(2))] = True
    chosen: NDArray[np.bool_] = rng.permutation(places)
    return chosen


def _at_recruitment(
    name: str,
    rng: np.random.Generator,
    *,
    age: NDArray[np.float64],
    work: NDArray[np.float64],
    health: NDArray[np.float64],
    wellbeing: NDArray[np.float64],
    pay: NDArray[np.float64],
) -> dict[str, Any]:
    n = len(age)
    in_work = name == "SCR IW"
    illness = -0.6 * health + 0.8 * rng.standard_normal(n)
    conditions = np.clip(np.floor(fact("median health conditions") + 2.5 * illness), 1, 20)
    weeks = np.clip(np.round((90 if in_work else 4) + 35 * work), 0, 104)
    mean = fact("mean earnings if employed", name)
    before = np.where(weeks > 0, mean * weeks / 52 * np.exp(0.5 * pay - 0.125), 0.0)
    return {
        "age": np.clip(np.round(42 + 11 * age), 18, 65).astype(int),
        "sex": np.where(rng.random(n) < 0.52, "woman", "man"),
        "conditions": conditions.astype(int),
        "weeks_worked_2y": weeks.astype(int),
        "earnings_before": np.round(before, 0),
        "health_0m": _score(health),
        "wellbeing_0m": _score(wellbeing),
    }


def _administrative(
    name: str,
    rng: np.random.Generator,
    *,
    enrolled: NDArray[np.bool_],
    work: NDArray[np.float64],
    health: NDArray[np.float64],
    pay: NDArray[np.float64],
) -> dict[str, Any]:
    """Make employment and earnings; empty for those not linked to the records."""
    from scipy.special import ndtri

    n = len(work)
    takeup, base = fact("take-up", name), fact("control employment", name)
    mean, short = fact("mean earnings if employed", name), fact("mean earnings of a shorter job")
    some, spread = fact("share with a shorter job"), fact("spread of log earnings")
    share = base + fact("impact on employment", name) / takeup
    attachment = 0.35 * work + 0.15 * health + np.sqrt(1 - 0.35**2 - 0.15**2) * rng.standard_normal(n)
    employed = attachment > np.where(enrolled, ndtri(1 - share), ndtri(1 - base))
    usual = base * mean + (1 - base) * some * short
    factor = (usual + fact("impact on earnings", name) / takeup) / (share * mean + (1 - share) * some * short)
    level = np.where(employed, mean, np.where(rng.random(n) < some, short, 0.0)) * np.where(enrolled, factor, 1.0)
    noise = 0.5 * pay + np.sqrt(0.75) * rng.standard_normal(n)
    earned = np.round(level * np.exp(spread * noise - spread**2 / 2), 0)
    linked = rng.random(n) < fact("linked to administrative data")
    return {
        "worked_13_weeks": np.where(linked, employed.astype(float), np.nan),
        "earnings_12m": np.where(linked, earned, np.nan),
    }


def _response(
    months: int, propensity: NDArray[np.float64], treated: NDArray[np.bool_], chance: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Say who answers a survey, and the weight each has if they do."""
    from scipy.special import ndtr, ndtri

    slope, gap = fact("slope of response"), fact("response gap")
    rate = fact(f"response at {months} months") + np.where(treated, gap / 2, -gap / 2)
    index = np.sqrt(1 + slope**2) * ndtri(rate) + slope * propensity
    weight: NDArray[np.float64] = np.round(rate / ndtr(index), 4)
    answers: NDArray[np.bool_] = chance < index
    return answers, weight


def _follow(before: NDArray[np.float64], noise: NDArray[np.float64], tie: float) -> NDArray[np.float64]:
    score: NDArray[np.float64] = tie * before + np.sqrt(1 - tie**2) * noise
    return score


def _score(standard: NDArray[np.float64]) -> NDArray[np.float64]:
    score: NDArray[np.float64] = np.round(_SCORE_MEAN + _SCORE_SD * standard, 1)
    return score


def synthetic_health_led_design() -> TrialDesign:
    """Give the design of the synthetic trials: five overlapping populations, survey outcomes with their own weights.

    Returns
    -------
    TrialDesign
        People were allocated within ``trial_group`` (an assumption: the summary does not say within what). Employment
        and earnings come from records and have no weight; health and wellbeing have the 12-month weight,
        job-search confidence the 4-month one.

    Examples
    --------
    >>> [population.name for population in synthetic_health_led_design().populations]
    ['WMCA', 'SCR IW', 'SCR OOW', 'All SCR', 'All OOW']
    """
    return TrialDesign(
        unit="person_id",
        arm="arm",
        treated="IPS",
        control="usual",
        strata=("trial_group",),
        receipt="enrolled",
        populations=(
            *(Population(name=name, where=(("trial_group", name),)) for name in GROUPS),
            Population(name="All SCR", where=(("site", "SCR"),)),
            Population(name="All OOW", where=(("group", "OOW"),)),
        ),
        outcomes=(
            Outcome(
                name="employment", column="worked_13_weeks", kind="binary", weights=None, label="Employment (synthetic)"
            ),
            Outcome(name="earnings", column="earnings_12m", kind="money", weights=None, label="Earnings (synthetic)"),
            Outcome(name="health", column="health_12m", kind="continuous", weights="w_12m", label="Health (synthetic)"),
            Outcome(
                name="wellbeing",
                column="wellbeing_12m",
                kind="continuous",
                weights="w_12m",
                label="Wellbeing (synthetic)",
            ),
            Outcome(
                name="confidence",
                column="confidence_4m",
                kind="continuous",
                weights="w_4m",
                label="Job-search confidence (synthetic)",
            ),
        ),
        families=(
            Family(name="work", outcomes=("employment", "earnings")),
            Family(name="health and wellbeing", outcomes=("health", "wellbeing")),
        ),
    )
