"""Adjusted p values as they may be shown: withheld or rounded where the raw ones are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from impactkit.evaluation.result import EvaluationResult
    from impactkit.report.disclosure import Disclosed

__all__ = ["adjusted_p_values"]

ROUNDED = 4  # decimals of a p value behind which there are few people


def adjusted_p_values(result: EvaluationResult, frames: Disclosed) -> pd.DataFrame | None:
    """Give adjusted p values, withheld or rounded where the raw one is: p values of few people give counts away."""
    frame = result.adjusted()
    if frame.empty:
        return None
    names = ["analysis", "outcome", "population", "term"]
    # Frames may leave out rows that have a table of their own, so rows are met by name and not by place.
    whole = [*names, "measure"]
    raw = {tuple(key): value for *key, value in result.tidy()[[*whole, "p_value"]].to_numpy().tolist()}
    changed = {
        tuple(key[:-1]): after
        for *key, after in frames.tidy[[*whole, "p_value"]].to_numpy().tolist()
        if isinstance(after, str) or (raw[tuple(key)] == raw[tuple(key)] and raw[tuple(key)] != after)
    }
    touched = [tuple(key) in changed for key in frame[names].to_numpy()]
    for column in ("p_value", "p_adjusted") if any(touched) else ():
        values: list[Any] = frame[column].tolist()
        for place, key in enumerate(frame[names].to_numpy()):
            if touched[place]:
                after = changed[tuple(key)]
                values[place] = after if isinstance(after, str) else round(values[place], ROUNDED)
        frame[column] = values
    return frame
