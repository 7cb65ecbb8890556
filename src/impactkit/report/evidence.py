"""What a design can support, as the words that may stand above a number.

Only a randomised comparison is headed "Impact". Every table and figure takes its heading from here, and a
heading of the author's own that says "impact" above weaker evidence is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from impactkit.errors import SpecError
from impactkit.report.rounding import is_missing

__all__ = [
    "EFFECT_WORDS",
    "RANDOMISED",
    "effect_heading",
    "effect_label",
    "normalise_evidence",
    "refuse_impact_heading",
    "weakest",
]

RANDOMISED = "randomised"

#: From the strongest to the weakest. The last stands for anything not recognised.
EFFECT_WORDS: tuple[tuple[str, str], ...] = (
    (RANDOMISED, "Impact"),
    ("adjusted comparison", "Adjusted comparison"),
    ("comparison with a norm", "Comparison with a norm"),
    ("before-after only", "Before-after change (not causal)"),
    ("not stated", "Comparison (strength of evidence not stated)"),
)
_ROW_WORDS = ("Impact", "Adjusted difference", "Difference from the norm", "Change", "Difference")

_SHORT = {
    "randomized": RANDOMISED,
    "trial": RANDOMISED,
    "comparison": "adjusted comparison",
    "adjusted": "adjusted comparison",
    "norm": "comparison with a norm",
    "norm comparison": "comparison with a norm",
    "comparison with norm": "comparison with a norm",
    "before after": "before-after only",
    "before after only": "before-after only",
    "before after change": "before-after only",
}


def normalise_evidence(label: object) -> str:
    """Give the canonical label of a strength of evidence; "not stated" for anything unknown.

    Examples
    --------
    >>> normalise_evidence("before_after"), normalise_evidence("Randomised"), normalise_evidence(None)
    ('before-after only', 'randomised', 'not stated')
    """
    if is_missing(label):
        return "not stated"
    words = re.sub(r"[\s_\-]+", " ", str(label)).strip().lower()
    for known, _ in EFFECT_WORDS:
        if words == known.replace("-", " "):
            return known
    return _SHORT.get(words, "not stated")


def weakest(labels: Iterable[object]) -> str:
    """Give the weakest of several labels; "not stated" when there are none.

    Examples
    --------
    >>> weakest(["randomised", "norm"])
    'comparison with a norm'
    """
    order = [known for known, _ in EFFECT_WORDS]
    places = [order.index(normalise_evidence(label)) for label in labels]
    return order[max(places, default=len(order) - 1)]


def effect_heading(label: object) -> str:
    """Give the word for an effect of this strength of evidence.

    Examples
    --------
    >>> effect_heading("randomised"), effect_heading("before-after only")
    ('Impact', 'Before-after change (not causal)')
    """
    return dict(EFFECT_WORDS)[normalise_evidence(label)]


def effect_label(label: object) -> str:
    """Give the short word for an effect, for the head of a row or column under the heading.

    Examples
    --------
    >>> effect_label("randomised"), effect_label("before-after only")
    ('Impact', 'Change')
    """
    order = [known for known, _ in EFFECT_WORDS]
    return _ROW_WORDS[order.index(normalise_evidence(label))]


def refuse_impact_heading(heading: str, evidence: str) -> None:
    """Raise when a heading says "impact" over anything but a randomised comparison.

    Parameters
    ----------
    heading : str
        The heading as the author wrote it.
    evidence : str
        The weakest evidence that stands under it.

    Raises
    ------
    SpecError
        Naming the heading and the words to use instead.
    """
    if normalise_evidence(evidence) != RANDOMISED and re.search(r"\bimpacts?\b", heading, flags=re.IGNORECASE):
        raise SpecError(
            f'the heading "{heading}" says impact, but the evidence under it is "{normalise_evidence(evidence)}": '
            f'only a randomised comparison may be called an impact; write "{effect_heading(evidence)}" instead'
        )
