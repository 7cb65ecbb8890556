"""From one column of a frame to a :class:`~impactkit.data.columns.Column`: pandas natively, the rest by narwhals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impactkit.data.columns import LARGEST_EXACT, Column, Floats

__all__ = ["from_arrow", "from_narwhals", "from_pandas"]

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
_DATES = {"date", "datetime", "datetime64"}


def from_pandas(name: str, series: Any) -> Column:
    """Convert a pandas Series: numpy, nullable, Arrow-backed, categorical or object."""
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(name, series.cat.codes.to_numpy(), series.cat.categories, declared=True)
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        return from_arrow(name, pa.chunked_array([pa.array(series.array)]), declared=False)
    if isinstance(dtype, pd.StringDtype):
        return _text(name, series)
    if pd.api.types.is_bool_dtype(dtype):
        return _numbers(name, series.to_numpy(dtype=np.float64, na_value=np.nan), truth=True)
    if pd.api.types.is_complex_dtype(dtype):
        return _unreadable(name, len(series), "complex numbers")
    if pd.api.types.is_numeric_dtype(dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_integer_dtype(dtype) and _is_long(numbers) and not series.hasnans:
            unsigned = pd.api.types.is_unsigned_integer_dtype(dtype)
            return _numbers(name, numbers, exact=series.to_numpy(dtype=np.uint64 if unsigned else np.int64))
        return _numbers(name, numbers)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        wall_clock = series.dt.tz_localize(None) if getattr(dtype, "tz", None) is not None else series
        return _dates(name, wall_clock.to_numpy())
    if dtype.kind == "O":
        return _objects(name, series)
    return _unreadable(name, len(series), f"values of type {dtype}")


def from_arrow(name: str, chunked: Any, *, declared: bool) -> Column:
    """Convert a pyarrow ChunkedArray; ``declared`` says that a dictionary's order is an order of categories."""
    import narwhals as nw
    import pyarrow as pa

    if pa.types.is_dictionary(chunked.type):
        chunks = chunked.unify_dictionaries().chunks
        if not chunks:
            return _categories(name, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object), declared=declared)
        indices = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in _signed(chunks)]
        values = np.array([*chunks[0].dictionary.to_pylist(), None], dtype=object)[:-1]
        return _categories(name, np.concatenate(indices), values, declared=declared or chunked.type.ordered)
    return from_narwhals(name, nw.from_native(chunked, series_only=True))


def from_narwhals(name: str, series: Any, categories: tuple[str, ...] | None = None) -> Column:
    """Convert a narwhals Series of any backend; ``categories`` is an order known from elsewhere."""
    import narwhals as nw
    import pandas as pd

    dtype = series.dtype
    if dtype == nw.Boolean:
        return _numbers(name, series.cast(nw.Float64).to_numpy(), truth=True)
    if dtype.is_numeric():
        numbers = series.cast(nw.Float64).to_numpy()
        if dtype.is_integer() and _is_long(numbers) and not np.isnan(numbers).any():
            return _numbers(name, numbers, exact=series.to_numpy())
        return _numbers(name, numbers)
    if dtype == nw.String:
        return _text(name, np.asarray(series.to_numpy(), dtype=object), categories)
    if dtype in (nw.Enum, nw.Categorical):
        declared = categories or (tuple(dtype.categories) if isinstance(dtype, nw.Enum) else None)
        return _text(name, np.asarray(series.cast(nw.String).to_numpy(), dtype=object), declared)
    if dtype == nw.Date:
        return _dates(name, series.cast(nw.Datetime).to_numpy())
    if dtype == nw.Datetime:
        if getattr(dtype, "time_zone", None):
            series = series.dt.replace_time_zone(None)
        return _dates(name, series.to_numpy())
    if dtype in (nw.Object, nw.Unknown):
        return _objects(name, pd.Series(series.to_list(), dtype=object))
    return _unreadable(name, len(series), f"values of type {dtype}")


def _signed(chunks: list[Any]) -> list[Any]:
    """Give the dictionary chunks with signed indices, so that -1 can stand for missing."""
    import pyarrow as pa

    return [pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int64()), chunk.dictionary) for chunk in chunks]


def _numbers(name: str, numbers: Any, *, truth: bool = False, exact: NDArray[Any] | None = None) -> Column:
    values: Floats = np.array(numbers, dtype=np.float64, order="C")  # a copy: the user's frame may change later
    kept = None if exact is None else exact.copy()
    return Column(name, "truth" if truth else "number", len(values), numbers=values, exact=kept)


def _is_long(numbers: Floats) -> bool:
    """Whether whole numbers are too long for float64."""
    return bool(numbers.size) and bool(np.fmax.reduce(np.abs(numbers)) >= LARGEST_EXACT)


def _text(name: str, values: Any, declared: tuple[str, ...] | None = None) -> Column:
    import pandas as pd

    codes, levels = pd.factorize(values)
    labels = np.asarray(levels, dtype=object)
    return Column(name, "text", len(codes), codes=codes.astype(np.int32), levels=labels, declared=declared)


def _dates(name: str, values: NDArray[Any]) -> Column:
    import pandas as pd

    moments = values.astype("datetime64[us]")
    codes, levels = pd.factorize(moments)
    stamps = np.asarray(levels, dtype="datetime64[us]")
    whole_days = bool((stamps == stamps.astype("datetime64[D]")).all())
    written = np.datetime_as_string(stamps, unit="D" if whole_days else "s").astype(object)
    return Column(name, "date", len(codes), codes=codes.astype(np.int32), levels=written)


def _categories(name: str, codes: NDArray[Any], categories: Any, *, declared: bool) -> Column:
    """Convert codes into categories, which may themselves be text, numbers or truth values."""
    import pandas as pd

    kinds = _objects(name, pd.Series(np.asarray(categories, dtype=object), dtype=object))
    if kinds.numbers is not None:
        order = tuple(kinds.numbers.tolist()) if declared else None
        numbers = np.append(kinds.numbers, np.nan)[codes]
        return Column(name, kinds.kind, len(codes), numbers=numbers, declared=order)
    if kinds.codes is None or kinds.levels is None:
        return _unreadable(name, len(codes), "categories that are neither text nor numbers")
    names = np.array([*kinds.levels, None], dtype=object)[kinds.codes]
    present, first = np.unique(codes, return_index=True)
    present, first = present[present >= 0], first[present >= 0]
    present = present[np.argsort(first)]
    position = np.full(len(names) + 1, -1, dtype=np.int32)
    position[present] = np.arange(len(present), dtype=np.int32)
    order = tuple(names.tolist()) if declared and kinds.kind == "text" else None
    return Column(name, kinds.kind, len(codes), codes=position[codes], levels=names[present], declared=order)


def _objects(name: str, series: Any) -> Column:
    """Convert a column of Python objects by what its cells turn out to be."""
    import pandas as pd

    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred == "string":
        return _text(name, series)
    if inferred == "empty":
        return _numbers(name, np.full(len(series), np.nan))
    if inferred == "boolean" or inferred in _NUMBERS:
        cells = series.to_numpy(dtype=object, copy=True)
        empty = pd.isna(cells)
        cells[empty] = np.nan
        numbers = cells.astype(np.float64)
        if inferred == "integer" and _is_long(numbers) and not empty.any():
            dtype = np.uint64 if (numbers >= 0).all() else np.int64
            return _numbers(name, numbers, exact=cells.astype(dtype))
        return _numbers(name, numbers, truth=inferred == "boolean")
    if inferred in _DATES:
        return _dates(name, np.array([_naive(cell) for cell in series], dtype="datetime64[us]"))
    return _mixture(name, series, inferred)


def _naive(cell: Any) -> Any:
    import pandas as pd

    return np.datetime64("NaT") if pd.isna(cell) else pd.Timestamp(cell).tz_localize(None).to_datetime64()


def _mixture(name: str, series: Any, inferred: str) -> Column:
    cells = series[series.notna()]
    texts = sum(isinstance(cell, str) for cell in cells)
    numbers = sum(isinstance(cell, (bool, int, float, np.number, np.bool_)) for cell in cells)
    if inferred == "complex" or texts + numbers == 0:
        return _unreadable(name, len(series), f"values of type {inferred}")
    parts = [(texts, "text"), (numbers, "numbers"), (len(cells) - texts - numbers, "something else")]
    found = ", ".join(f"{what} in {count} rows" for count, what in parts if count)
    return Column(name, "mixed", len(series), found=found)


def _unreadable(name: str, size: int, found: str) -> Column:
    return Column(name, "other", size, found=found)
