"""Writing outputs: a whole set or nothing, and never over something by accident."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from impactkit.errors import OutputError
from impactkit.report.render_csv import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_csv", "write_file", "write_files"]


def frame_csv(frame: pd.DataFrame) -> str:
    r"""Write a frame as CSV: UTF-8 text, ``\n`` line ends, floats that read back exactly, missing left empty.

    Parameters
    ----------
    frame : DataFrame
        Its index is not written.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> frame_csv(pd.DataFrame({"n": [107, "c"], "estimate": [0.1 + 0.2, float("nan")]}))
    'n,estimate\n107,0.30000000000000004\nc,\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([str(name) for name in frame.columns])
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([plain(value) for value in row])
    return out.getvalue()


def write_file(path: str | os.PathLike[str], content: str | bytes, *, overwrite: bool = False) -> Path:
    """Write one file as `write_files` does."""
    target = Path(path)
    return write_files(target.parent, {target.name: content}, overwrite=overwrite)[0]


def write_files(
    directory: str | os.PathLike[str], files: Mapping[str, str | bytes], *, overwrite: bool = False
) -> tuple[Path, ...]:
    r"""Write a set of files into a directory, all of them or none.

    Every file is first written in full beside its place under a temporary name, then all are moved into
    place. If a move fails, those already made are undone. A reader never sees half a file.

    Parameters
    ----------
    directory : path
        Made if it is not there.
    files : mapping of name to content
        Names relative to the directory, with ``/`` for folders. Text is written as UTF-8 as it is.
    overwrite : bool
        Whether files of these names may be replaced.

    Returns
    -------
    tuple of Path
        What was written, in the order given.

    Raises
    ------
    OutputError
        If files are in the way (all of them are listed), a name leads out of the directory, or the disk refuses.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_files(folder, {"tables/impacts.csv": "n\n899\n"})
    ...     written[0].read_text()
    'n\n899\n'
    """
    root = Path(directory)
    targets = {name: _inside(root, name) for name in files}
    in_the_way = [target for target in targets.values() if target.exists() or target.is_symlink()]
    blocked = [target for target in in_the_way if not overwrite or target.is_dir()]
    if blocked:
        listed = "".join(f"\n  {target}" for target in blocked)
        count = f"{len(blocked)} file{'' if len(blocked) == 1 else 's'}"
        raise OutputError(
            f"{count} in the way, nothing was written:{listed}\n"
            "Choose another directory, move them, or allow it: overwrite=True, on the command line --overwrite"
        )
    made: dict[Path, Path] = {}
    saved: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for name, target in targets.items():
            made[target] = _written_beside(target, files[name])
        for target, temporary in made.items():
            if overwrite and target.exists():
                saved[target] = _kept_beside(target)
            _move(temporary, target, overwrite=overwrite)
            placed.append(target)
    except OSError as error:
        for target in placed:
            target.unlink(missing_ok=True)
        for target, old in saved.items():
            with contextlib.suppress(OSError):
                os.replace(old, target)
        saved.clear()
        raise OutputError(f"{error.strerror or error}: {error.filename or root}; nothing was written") from error
    finally:
        for leftover in (*made.values(), *saved.values()):
            leftover.unlink(missing_ok=True)
    return tuple(targets.values())


def _inside(root: Path, name: str) -> Path:
    parts: Sequence[str] = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        raise OutputError(f'a file name must stay inside its directory; got "{name}": give a relative name')
    return root.joinpath(*parts)


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.{ending}")


def _written_beside(target: Path, content: str | bytes) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target, "new")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _kept_beside(target: Path) -> Path:
    """Keep a second name for the file about to be replaced, so that it can be brought back."""
    old = _beside(target, "old")
    try:
        os.link(target, old)
    except OSError:  # a file system without hard links
        shutil.copy2(target, old)
    return old


def _move(temporary: Path, target: Path, *, overwrite: bool) -> None:
    """Put a finished file in its place; without overwriting, even one that appeared in the meantime."""
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(17, "the file appeared while writing", str(target)) from None
        os.replace(temporary, target)
