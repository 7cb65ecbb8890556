"""The verdict on attrition in plain words, from rules that are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Grade", "verdict"]

Grade = Literal["nothing missing", "robust", "size not robust", "depends on who is missing", "not robust", "not judged"]

MOVED = 1.0
"""Standard errors of complete cases beyond which an estimate counts as moved."""

_WORDS = {
    "weighting": "weighting",
    "imputation": "imputation",
    "lee": "Lee bounds",
    "worst_case": "the worst case",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one method says.

    Parameters
    ----------
    method : {"complete_case", "weighting", "imputation", "lee", "worst_case"}
    sign : int
        −1, 0 or 1; of a bound pair, 0 unless both bounds have it.
    significant : bool
        P value below ``1 − conf_level``; of a bound pair, whether its interval leaves out zero.
    shift : float
        How far the estimate lies from complete cases, in standard errors of complete cases; 0 for bounds.
    """

    method: str
    sign: int
    significant: bool
    shift: float = 0.0


def agrees(base: Finding, other: Finding) -> bool:
    """Whether a method keeps the conclusion of complete cases.

    Examples
    --------
    >>> agrees(Finding("complete_case", 1, True), Finding("lee", 0, False))
    False
    >>> agrees(Finding("complete_case", 1, False), Finding("imputation", -1, False))
    True
    """
    if not base.significant:
        return not other.significant
    return other.significant and other.sign == base.sign


def verdict(
    base: Finding | None, others: list[Finding], *, missing: int, asked: tuple[str, ...], differential: bool = False
) -> tuple[Grade, str]:
    """Grade the conclusion and say why.

    Parameters
    ----------
    base : Finding or None
        Complete cases; ``None`` when they gave no test.
    others : list of Finding
        The methods that gave an answer.
    missing : int
        People without the outcome.
    asked : tuple of str
        Methods asked for, so that one that gave no answer is named.
    differential : bool
        Whether covariates predict response differently by arm, by the joint test.

    Returns
    -------
    grade, sentence

    Notes
    -----
    *Agrees*: where complete cases are significant, the same sign and significant; where they are not, not significant
    either. *Robust*: every method but the worst case was asked for, answered and agrees. *Size not robust*: the same,
    but weighting or imputation moves the estimate by more than one standard error of complete cases. *Depends on who
    is missing*: weighting and imputation agree, Lee bounds do not. *Not robust*: weighting or imputation disagrees.
    *Not judged*: complete cases gave no test, or a method other than the worst case was not asked for or gave no
    answer.

    Examples
    --------
    >>> base = Finding("complete_case", 1, True)
    >>> others = [Finding(name, 1, True) for name in ("weighting", "imputation", "lee")]
    >>> print(verdict(base, [*others, Finding("worst_case", 0, False)], missing=9, asked=())[1])
    Verdict: robust. Complete cases give a significant increase; it keeps its sign and significance under weighting, \
imputation and Lee bounds, but not under the worst case.
    """
    if missing == 0:
        return "nothing missing", "Verdict: nothing missing. Everybody has the outcome, so there is nothing to correct."
    if base is None:
        return "not judged", "Verdict: not judged. Complete cases give no test to compare with."
    kept = [found.method for found in others if agrees(base, found)]
    lost = [found.method for found in others if not agrees(base, found)]
    answered = {found.method for found in others}
    silent = [name for name in _WORDS if name in asked and name not in answered]
    if any(name in lost for name in ("weighting", "imputation")):
        grade: Grade = "not robust"
    elif not {"weighting", "imputation", "lee"} <= answered:
        grade = "not judged"
    elif "lee" in lost:
        grade = "depends on who is missing"
    elif any(abs(found.shift) > MOVED for found in others):
        grade = "size not robust"
    else:
        grade = "robust"
    if base.significant:
        opening = f"Complete cases give a significant {'increase' if base.sign > 0 else 'decrease'}"
        keeps, loses = "it keeps its sign and significance under", "but not under"
        none = "it does not keep its sign and significance under"
    else:
        opening = "Complete cases give no significant difference"
        keeps, loses, none = "nor is there one under", "but there is under", "there is one under"
    if kept:
        said = f"{keeps} {_listed(kept)}" + (f", {loses} {_listed(lost)}" if lost else "")
    else:
        said = (
            f"{none} {_listed(lost, 'or' if base.significant else 'and')}" if lost else "no other method gave an answer"
        )
    ending = f" No answer from {_listed(silent)}." if silent else ""
    moved = [f"{_WORDS[found.method]} ({abs(found.shift):.1f})" for found in others if abs(found.shift) > MOVED]
    if moved:
        ending = f" Its size moves by more than its standard error under {' and '.join(moved)}.{ending}"
    if differential:
        ending += (
            " Covariates predict response differently by arm, so response may move in both directions, and Lee bounds "
            "assume that it does not."
        )
    return grade, f"Verdict: {grade}. {opening}; {said}.{ending}"


def _listed(methods: list[str], last: str = "and") -> str:
    words = [_WORDS[name] for name in methods]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
