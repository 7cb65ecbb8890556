"""Read EQ-5D answers: five columns of levels or one of five-digit profiles, every cell accounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impactkit.compute.eq5d import DIMENSIONS, digits_lookup, level_table, profile_states
from impactkit.data.checks import rows
from impactkit.data.columns import Column

__all__ = ["Answers", "Impossible", "answers_problems", "mixed_problems", "read_levels", "read_profiles"]

Impossible = Literal["error", "missing"]

ENOUGH = 50
"""So many 5L profiles with a problem and no level 4 or 5 among them are taken for 3L answers."""

FIRST = 4096
"""So many rows are looked at before all of them."""

_SHOWN, _LONGEST = 6, 4
_OTHER_QUESTIONNAIRE = "level 4 or 5"
_PROFILE = re.compile(r"\s*([0-9]{5})(\.0+)?\s*")
_LEVEL = re.compile(r"\s*([0-9])(\.0+)?\s*")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """EQ-5D answers as positions of profiles.

    Parameters
    ----------
    states : ndarray of int16, shape (n,)
        Position of the profile in digit order; -1 where an answer is missing, -2 where one is impossible.
    missing : mapping of str to int
        By dimension (or ``"profile"``), how many answers are missing.
    impossible : mapping of str to Counter
        By dimension (or ``"profile"``), the impossible answers with how often each occurs.
    """

    states: NDArray[np.int16]
    missing: Mapping[str, int] = field(default_factory=dict)
    impossible: Mapping[str, Counter[str]] = field(default_factory=dict)


def read_levels(columns: Sequence[Any], levels: int, missing: Sequence[Any] = ()) -> Answers:
    """Read five columns of levels, in the order of the dimensions.

    Parameters
    ----------
    columns : sequence of five arrays, Series or Column
    levels : int
        3 or 5.
    missing : sequence
        Codes that mean "no answer", for example 9.
    """
    clean: list[NDArray[np.int16]] = []
    flaws: list[NDArray[np.int8]] = []
    absent, impossible = dict[str, int](), dict[str, Counter[str]]()
    for dimension, column in zip(DIMENSIONS, columns, strict=True):
        code, flaw, wrong = _level_codes(column, levels, missing)
        clean.append(code)
        absent[dimension] = 0
        if flaw is not None:
            flaws.append(flaw)
            absent[dimension] = int(np.count_nonzero(flaw == -1))
        if wrong:
            impossible[dimension] = wrong
    states = profile_states(clean, levels)
    if flaws:
        worst = flaws[0] if len(flaws) == 1 else np.minimum.reduce(flaws)
        states = np.where(worst < 0, worst.astype(np.int16), states)
    return Answers(states, absent, impossible)


def read_profiles(column: Any, levels: int, missing: Sequence[Any] = ()) -> Answers:
    """Read one column of five-digit profiles, as text or whole numbers."""
    lookup = digits_lookup(levels)
    values, codes, uniques = _raw(column)
    wrong: Counter[str] = Counter()
    if values is None:
        known = [_profile_state(unique, lookup, missing) for unique in uniques]
        table = np.array([*known, -1], dtype=np.int16)
        states = table[codes]
        counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
        for unique, state, count in zip(uniques, known, counts.tolist(), strict=True):
            if state == -2 and count:
                wrong[_profile_words(unique, levels)] += count
    else:
        inside, whole = _whole(values, 99_999)
        states = lookup[whole]
        if inside is not None:
            states = np.where(inside, states, np.int16(-2))
        gone = _gone(values, missing)
        if gone is not None:
            states = np.where(gone, np.int16(-1), states)
        odd = states == -2
        if missing and odd.any():  # 11912 with missing=(9,): one answer is missing
            whole_or_not, back = np.unique(values[odd], return_inverse=True)
            states[odd] = np.array([_profile_state(value, lookup, missing) for value in whole_or_not.tolist()])[back]
            odd = states == -2
        if odd.any():
            wrong = _tally(values[odd], lambda value: _profile_words(value, levels))
    found = {"profile": wrong} if wrong else {}
    return Answers(states, {"profile": int(np.count_nonzero(states == -1))}, found)


def answers_problems(answers: Answers, levels: int, what: str) -> list[str]:
    """Say which impossible answers there are: one sentence for one set of columns."""
    if not answers.impossible:
        return []
    parts = []
    for name, wrong in answers.impossible.items():
        shown = ", ".join(f"{value!r} {rows(count, 'time')}" for value, count in wrong.most_common(_SHOWN))
        more = len(wrong) - _SHOWN
        parts.append(f"{name}: {shown}" + (f" and {more} other values" if more > 0 else ""))
    profile = "profile" in answers.impossible
    expected = f"five digits from 1 to {levels}" if profile else f"whole levels from 1 to {levels}"
    hint = (
        "; levels 4 and 5 belong to the five-level questionnaire: check which one was used"
        if levels == 3 and _has_45(answers)
        else ""
    )
    count = int(np.count_nonzero(answers.states == -2))
    return [
        f"{what} should hold {expected}; found something else in {rows(count)} ({'; '.join(parts)}){hint}. "
        "Correct them, leave missing answers empty (or list their code in `missing`), or count them as missing with "
        'impossible="missing"'
    ]


def mixed_problems(groups: Mapping[str, Answers], levels: int) -> tuple[list[str], list[str]]:
    """Look for answers to the other questionnaire: levels 4 and 5 in 3L data, none of them in 5L data.

    Returns
    -------
    problems, remarks : list of str
    """
    problems, remarks = list[str](), list[str]()
    if levels == 3:
        for name, answers in groups.items():
            count = _count_45(answers)
            if count:
                problems.append(
                    f"{name}: {rows(count, 'answer')} at level 4 or 5, which the three-level questionnaire does not "
                    "have: score these with a 5L value set, or set check_questionnaire=False once you know that they "
                    "are typing errors"
                )
        return problems, remarks
    high = np.append(level_table(5).max(axis=1) >= 4, [False, False])  # positions -1 and -2 pick the appended ones
    for name, answers in groups.items():
        states = answers.states
        if bool(high[states[:FIRST]].any()):
            continue
        unwell = int(np.count_nonzero(states > 0))
        if unwell == 0 or bool(high[states].any()):
            continue
        said = f"{name}: no level 4 or 5 among {rows(unwell, 'profile')} with a problem"
        if unwell >= ENOUGH:
            problems.append(
                f"{said}, so these look like three-level answers, which a 5L value set would misread: score them "
                "with a 3L value set, or set check_questionnaire=False once you know that the questionnaire was the "
                "five-level one"
            )
        elif unwell >= 10:
            remarks.append(f"{said}: check that the questionnaire was the five-level one")
    return problems, remarks


def _count_45(answers: Answers) -> int:
    return sum(
        wrong[_OTHER_QUESTIONNAIRE] if name == "profile" else wrong["4"] + wrong["5"]
        for name, wrong in answers.impossible.items()
    )


def _has_45(answers: Answers) -> bool:
    return _count_45(answers) > 0


def _raw(column: Any) -> tuple[NDArray[Any] | None, NDArray[np.int64], list[Any]]:
    """Give numbers as an array, or codes (-1 missing) and the distinct values behind them."""
    none = np.empty(0, dtype=np.int64)
    if isinstance(column, Column):
        if column.numbers is not None and column.kind != "truth":
            return column.numbers, none, []
        if column.codes is not None and column.levels is not None:
            return None, column.codes.astype(np.int64), list(column.levels)
        return None, np.zeros(column.size, dtype=np.int64), [column.found or column.kind]
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind in "iuf" and kind and type(column.dtype).__module__.startswith("numpy"):
        return np.asarray(column), none, []
    import pandas as pd

    series = column if isinstance(column, pd.Series) else pd.Series(column)
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        if not isinstance(series.dtype, np.dtype):
            return series.to_numpy(dtype=np.float64, na_value=np.nan), none, []
        return series.to_numpy(), none, []
    codes, uniques = pd.factorize(series, use_na_sentinel=True)
    return None, codes.astype(np.int64), list(uniques)


def _level_codes(
    column: Any, levels: int, missing: Sequence[Any]
) -> tuple[NDArray[np.int16], NDArray[np.int8] | None, Counter[str]]:
    """Give levels (1 where there is none), what is wrong by row (-1 missing, -2 impossible; ``None``: nothing)."""
    values, codes, uniques = _raw(column)
    wrong: Counter[str] = Counter()
    if values is None:
        known = [_level(unique, levels, missing) for unique in uniques]
        table = np.array([*known, -1], dtype=np.int16)
        found = table[codes]
        counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
        for unique, level, count in zip(uniques, known, counts.tolist(), strict=True):
            if level == -2 and count:
                wrong[_level_words(unique)] += count
        bad = found < 1
        if not bad.any():
            return found, None, wrong
        return np.where(bad, np.int16(1), found), np.where(bad, found, 0).astype(np.int8), wrong
    if values.dtype.kind in "iu" and values.size and not missing:
        together = np.ascontiguousarray(values)  # a column of a frame is often a strided view
        if int(together.min()) >= 1 and int(together.max()) <= levels:
            return together.astype(np.int16), None, wrong
    inside, whole = _whole(values, levels, least=1)
    flaw = np.zeros(len(values), dtype=np.int8)
    if inside is not None:
        flaw[~inside] = -2
    gone = _gone(values, missing)
    if gone is not None:
        flaw[gone] = -1
    if not flaw.any():
        return whole.astype(np.int16), None, wrong
    odd = flaw == -2
    if odd.any():
        wrong = _tally(values[odd], _level_words)
    return np.where(flaw < 0, np.int16(1), whole.astype(np.int16)), flaw, wrong


def _whole(values: NDArray[Any], most: int, least: int = 0) -> tuple[NDArray[np.bool_] | None, NDArray[np.int64]]:
    """Give whole numbers within bounds (``least`` where they are not), and which are; ``None`` when all are."""
    if values.dtype.kind in "iu":
        inside = (values >= least) & (values <= most)
        if inside.all():
            return None, values.astype(np.int64, copy=False)
        return inside, np.where(inside, values, least).astype(np.int64)
    with np.errstate(invalid="ignore"):
        inside = (values >= least) & (values <= most)
        whole = np.where(inside, values, least).astype(np.int64)
        inside &= whole == values
    return (None if inside.all() else inside), whole


def _gone(values: NDArray[Any], missing: Sequence[Any]) -> NDArray[np.bool_] | None:
    gone = np.isnan(values) if values.dtype.kind == "f" else None
    codes = [number for number in map(_as_number, missing) if number is not None]
    if codes:
        coded = np.isin(values, codes)
        gone = coded if gone is None else gone | coded
    return gone


def _as_number(code: Any) -> float | None:
    try:
        return float(code)
    except (TypeError, ValueError):
        return None


def _is_missing(value: Any, missing: Sequence[Any]) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if isinstance(value, bool | np.bool_):
        return False
    text = str(value).strip()
    return any(text == str(code) or (not isinstance(value, str) and value == code) for code in missing)


def _level(value: Any, levels: int, missing: Sequence[Any]) -> int:
    if _is_missing(value, missing):
        return -1
    if isinstance(value, bool | np.bool_):
        return -2
    match = _LEVEL.fullmatch(str(value))
    level = int(match.group(1)) if match else 0
    return level if 1 <= level <= levels else -2


def _profile_state(value: Any, lookup: NDArray[np.int16], missing: Sequence[Any]) -> int:
    if _is_missing(value, missing):
        return -1
    match = _PROFILE.fullmatch(str(value))
    if match is None:
        return -2
    digits = match.group(1)
    coded = {str(code) for code in missing if len(str(code)) == 1}
    if coded & set(digits) and int(lookup[int("".join("1" if digit in coded else digit for digit in digits))]) >= 0:
        return -1  # 11912 with missing=(9,): one answer is missing
    return int(lookup[int(digits)])


def _level_words(value: Any) -> str:
    """Name an impossible level; a longer one, which may identify somebody, is not repeated."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else "something longer"


def _profile_words(value: Any, levels: int) -> str:
    """Say what is wrong with a profile without repeating it: it may be an identifier."""
    match = _PROFILE.fullmatch(str(value))
    if match is None or isinstance(value, bool | np.bool_):
        return "not five digits"
    if levels == 3 and set(match.group(1)) <= set("12345"):
        return _OTHER_QUESTIONNAIRE
    return f"a digit outside 1 to {levels}"


def _tally(values: NDArray[Any], words: Callable[[Any], str]) -> Counter[str]:
    found, counts = np.unique(values, return_counts=True)
    total: Counter[str] = Counter()
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        total[words(value)] += count
    return total
