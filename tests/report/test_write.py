"""Writing: all or nothing, and never over something by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from impactkit.errors import OutputError
from impactkit.report import frame_csv, write_file, write_files


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_set_is_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    written = write_files(tmp_path, {"a.csv": "£\n", "sub/b.png": b"\x89"})
    assert written == (tmp_path / "a.csv", tmp_path / "sub" / "b.png")
    assert listing(tmp_path) == {"a.csv": "£\n".encode(), "sub/b.png": b"\x89"}


def test_all_files_in_the_way_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1", "b": "2"})
    with pytest.raises(OutputError, match="2 files in the way") as error:
        write_files(tmp_path, {"a": "x", "new": "x", "b": "x"})
    assert str(tmp_path / "a") in str(error.value)
    assert str(tmp_path / "b") in str(error.value)
    assert listing(tmp_path) == {"a": b"1", "b": b"2"}
    write_files(tmp_path, {"a": "x", "b": "y"}, overwrite=True)
    assert listing(tmp_path) == {"a": b"x", "b": b"y"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_failure_half_way_undoes_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    names = ["a", "b", "c"] if not overwrite else ["a", "b", "new"]
    before = {} if not overwrite else write_files(tmp_path, {"a": "1", "b": "2"}) and {"a": b"1", "b": b"2"}
    real = os.replace if overwrite else os.link

    def failing(source: str | Path, target: str | Path) -> None:
        if Path(target).name == names[-1]:
            raise FileExistsError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace" if overwrite else "link", failing)
    with pytest.raises(OutputError, match="No space left"):
        write_files(tmp_path, dict.fromkeys(names, "x"), overwrite=overwrite)
    monkeypatch.undo()
    assert listing(tmp_path) == before


def test_a_failure_while_writing_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutputError, match="No space left"):
        write_files(tmp_path, {"a": "x"})
    assert listing(tmp_path) == {}


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def slow(handle: int) -> None:
        (tmp_path / "a").write_text("theirs", encoding="utf-8")
        real(handle)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(OutputError):
        write_files(tmp_path, {"a": "ours"})
    assert listing(tmp_path) == {"a": b"theirs"}


def test_without_hard_links_it_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    write_file(tmp_path / "a", "1")
    write_file(tmp_path / "a", "2", overwrite=True)
    assert listing(tmp_path) == {"a": b"2"}


@pytest.mark.parametrize("name", ["../out", "/etc/out", "", "a\\b", "a/../../b"])
def test_a_name_may_not_leave_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="stay inside"):
        write_files(tmp_path / "in", {name: "x"})
    assert listing(tmp_path) == {}


def test_csv_floats_read_back_exactly() -> None:
    frame = pd.DataFrame({"x": [0.1 + 0.2, 1e-17, float("nan")], "n": [3, "c", None], "name": ["a,b", 'q"', "£"]})
    text = frame_csv(frame)
    assert text == 'x,n,name\n0.30000000000000004,3,"a,b"\n1e-17,c,"q"""\n,,£\n'
    assert "\r" not in text
