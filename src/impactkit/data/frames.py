"""Open a table, whatever it is kept in: a pandas, polars, pyarrow or DuckDB frame, a CSV or a Parquet file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from impactkit.data.columns import Column
from impactkit.errors import DataError, did_you_mean, require_extra

__all__ = ["Columns", "open_tables", "read_table"]

NO_ANSWER = ("", "NA", "NaN", "nan")
"""Cells of a CSV file that are read as missing; the last three are counted in the notes."""

LEADING_ZERO = r"[+-]?0[0-9]+"


class Columns(Mapping[str, NDArray[Any]]):
    """A table as a mapping from column names to read-only arrays; columns are converted when first asked for.

    ``table["weeks"]`` gives float64 with NaN for numbers and truth values, an object array with ``None``
    for text, ``datetime64[us]`` for dates; :meth:`column` gives the canonical form the checks read.

    Parameters
    ----------
    frame : frame
        A pandas DataFrame, or an eager narwhals frame of anything else.
    words : str
        What messages call the table, for example ``'table "visits"'``.
    orders : mapping of str to tuple of str
        Orders of categories that the frame itself has lost.
    """

    __slots__ = ("_cache", "_file", "_frame", "_orders", "names", "repeated", "size", "words")

    def __init__(self, frame: Any, words: str, orders: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._frame = frame
        self._cache: dict[str, Column] = {}
        self._file: _CsvFile | None = None
        self._orders = dict(orders or {})
        self.words = words
        self.size = len(frame)
        self.names: tuple[str, ...] = tuple(dict.fromkeys(name for name in frame.columns if isinstance(name, str)))
        counts = Counter(name for name in frame.columns if isinstance(name, str))
        self.repeated: frozenset[str] = frozenset(name for name, count in counts.items() if count > 1)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.column(name).values()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __repr__(self) -> str:
        return f"Columns({self.words}: {self.size} rows, {len(self.names)} columns)"

    def column(self, name: str) -> Column:
        """Give one column in canonical form.

        Raises
        ------
        DataError
            If there is no such column, or two of that name.
        """
        if name not in self._cache:
            if name not in self.names or name in self.repeated:
                raise DataError([self.absent(name)])
            self._cache[name] = self._convert(name)
        return self._cache[name]

    def absent(self, name: str, needed_by: str = "") -> str:
        """Say that a column is missing (or there twice), who needs it, and which name is close."""
        needed = f"; needed by {needed_by}" if needed_by else ""
        if name in self.repeated:
            return (
                f"column `{name}` should be in {self.words} once and is there more than once{needed}: "
                "drop or rename all but one"
            )
        if name in self._index_names():
            return (
                f"column `{name}` is missing from {self.words}{needed}; it is the frame's index: call `reset_index()`"
            )
        hint = did_you_mean(name, self.names)
        return f"column `{name}` is missing from {self.words}{needed}.{hint} Add the column or correct the name"

    def use_text(self, names: Sequence[str], path: Path) -> None:
        """Remember the CSV file, and keep key columns with leading zeros as the text they are."""
        self._file = _CsvFile(path, tuple(name for name in dict.fromkeys(names) if self._has_leading_zeros(name, path)))

    def remarks(self, used: Sequence[str]) -> list[str]:
        """Say what reading a file did to the columns that are used."""
        if self._file is None:
            return []
        remarks = [
            f"column `{name}` of {self.words} has numbers with leading zeros and was read as text"
            for name in self._file.as_text
        ]
        with_gaps = [name for name in used if name in self.names and bool(self.column(name).missing.any())]
        if with_gaps:
            raw = self._file.read(with_gaps)
            for name in with_gaps:
                count = int(raw[name].isin(NO_ANSWER[1:]).sum())
                if count:
                    remarks.append(
                        f'column `{name}` of {self.words}: {count} cells with the text "NA" or "NaN" '
                        "were read as missing"
                    )
        return remarks

    def _convert(self, name: str) -> Column:
        from impactkit.data.convert import from_arrow, from_narwhals, from_pandas

        if self._file is not None and name in self._file.as_text:
            raw = self._file.read([name])[name]
            return from_pandas(name, raw.where(~raw.isin(NO_ANSWER), None))
        if _is_pandas(self._frame):
            return from_pandas(name, self._frame[name])
        series = self._frame[name]
        if series.implementation.is_pyarrow() and name not in self._orders:
            return from_arrow(name, series.to_native(), declared=name in _pandas_categories(self._frame))
        return from_narwhals(name, series, self._orders.get(name))

    def _has_leading_zeros(self, name: str, path: Path) -> bool:
        if name not in self.names or name in self.repeated or self._frame[name].dtype.kind not in "iuf":
            return False
        return bool(_CsvFile(path).read([name])[name].str.fullmatch(LEADING_ZERO).any())

    def _index_names(self) -> tuple[Any, ...]:
        return tuple(self._frame.index.names) if _is_pandas(self._frame) else ()


class _CsvFile:
    """A CSV file to look into again for the text of its cells."""

    def __init__(self, path: Path, as_text: tuple[str, ...] = ()) -> None:
        self.path = path
        self.as_text = as_text

    def read(self, names: list[str]) -> Any:
        import pandas as pd

        return pd.read_csv(self.path, usecols=names, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def read_table(source: Any, name: str = "", *, keys: Sequence[str] = ()) -> Columns:
    """Open one table.

    Parameters
    ----------
    source : frame, str or Path
        A pandas DataFrame; anything narwhals reads, eager or lazy (polars, pyarrow, a DuckDB relation);
        or the path of a ``.csv`` (UTF-8) or ``.parquet`` file.
    name : str, optional
        What messages call the table; ``"the data"`` when left out.
    keys : sequence of str
        Columns of identifiers: in a CSV file, ``007`` in such a column stays ``"007"``.

    Returns
    -------
    Columns

    Raises
    ------
    DataError
        If the source is no table or the file cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> from impactkit.data import read_table
    >>> read_table(pd.DataFrame({"weeks_off": [8.5, None]}))["weeks_off"]
    array([8.5, nan])
    """
    words = f'table "{name}"' if name else "the data"
    if isinstance(source, str | Path):
        return _read_file(Path(source), words, keys)
    if _is_pandas(source):
        return Columns(source, words)
    return _read_frame(source, words)


def open_tables(
    data: Any, person_table: str, keys: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Columns], list[str]]:
    """Open everything a study was given; the person table stands under ``""``.

    Returns
    -------
    tables : dict of str to Columns
    problems : list of str
    """
    if data is None:
        return {}, []
    if not isinstance(data, Mapping):
        return {"": read_table(data, keys=keys.get("", ()))}, []
    tables: dict[str, Columns] = {}
    problems: list[str] = []
    for name, source in data.items():
        key = "" if name == person_table else str(name)
        try:
            tables[key] = read_table(source, str(name), keys=keys.get(key, ()))
        except DataError as error:
            problems.extend(error.problems)
    if data and person_table not in data:
        given = ", ".join(f'"{name}"' for name in data)
        hint = did_you_mean(person_table, [str(name) for name in data])
        problems.append(
            f'the design\'s person table is "{person_table}"; the data have tables {given}.{hint} '
            "Give the people under that name, or set the design's `table`"
        )
    return tables, problems


def _is_pandas(frame: Any) -> bool:
    pandas = sys.modules.get("pandas")  # whoever made a pandas frame has imported pandas
    return pandas is not None and isinstance(frame, pandas.DataFrame)


def _read_file(path: Path, words: str, keys: Sequence[str]) -> Columns:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise DataError([f'{words} is the file "{path.name}": give a .csv or .parquet file, or a frame you have read'])
    if not path.is_file():
        raise DataError([f'{words} should be the file "{path}", which is not there: correct the path'])
    try:
        return _read_csv(path, words, keys) if suffix == ".csv" else _read_parquet(path, words)
    except UnicodeDecodeError:
        raise DataError([f'the file "{path.name}" is not UTF-8 text: save it as "CSV UTF-8"']) from None


def _exact_digits() -> dict[str, Any]:
    """Ask pandas 2 to read the digits in the file as the number they are, to the last bit; pandas 3 always does."""
    import pandas as pd

    return {"float_precision": "round_trip"} if pd.__version__.startswith("2.") else {}


def _read_csv(path: Path, words: str, keys: Sequence[str]) -> Columns:
    import pandas as pd

    try:
        frame = pd.read_csv(
            path,
            keep_default_na=False,
            na_values=list(NO_ANSWER),
            encoding="utf-8-sig",
            low_memory=False,
            **_exact_digits(),
        )
    except pd.errors.EmptyDataError:
        raise DataError([f'the file "{path.name}" is empty: a first line with column names was expected']) from None
    except pd.errors.ParserError:
        raise DataError(
            [f'the file "{path.name}" has lines with more cells than its first line: correct or quote them']
        ) from None
    table = Columns(frame, words)
    table.use_text(keys, path)
    return table


def _read_parquet(path: Path, words: str) -> Columns:
    require_extra("pyarrow", "data", "Reading a Parquet file")
    import narwhals as nw
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowInvalid:
        raise DataError([f'the file "{path.name}" is not a Parquet file: check what wrote it']) from None
    return Columns(nw.from_native(table, eager_only=True), words)


def _read_frame(source: Any, words: str) -> Columns:
    import narwhals as nw

    try:
        frame = nw.from_native(source)
    except TypeError:
        raise DataError(
            [
                f"{words} is of type {type(source).__name__}: give a frame (pandas, polars, pyarrow, DuckDB) or the "
                "path of a .csv or .parquet file; several tables go in a mapping of names to those"
            ]
        ) from None
    orders: dict[str, tuple[str, ...]] = {}
    if isinstance(frame, nw.LazyFrame):
        schema = frame.collect_schema()  # collecting through Arrow forgets the order of an ENUM
        orders = {name: tuple(dtype.categories) for name, dtype in schema.items() if isinstance(dtype, nw.Enum)}
        if not frame.implementation.is_polars():
            require_extra("pyarrow", "data", f"Reading a {type(source).__name__}")
        frame = frame.collect()
    if frame.implementation.is_pandas():
        return Columns(frame.to_native(), words)
    return Columns(frame, words, orders)


def _pandas_categories(frame: Any) -> set[str]:
    """Name the columns that pandas wrote as categories, whose order is then meant."""
    described = frame.to_native().schema.pandas_metadata or {}
    return {
        str(column["name"])
        for column in described.get("columns", [])
        if column.get("pandas_type") == "categorical" and column.get("name") is not None
    }
