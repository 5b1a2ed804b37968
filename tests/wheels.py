"""Wheels made for a test."""

from __future__ import annotations

import zipfile
from pathlib import Path

LINK = 0o120777 << 16  # what a zip file says of a symbolic link


def wheel_with(
    folder: Path, members: dict[str, bytes], *, links: tuple[str, ...] = (), tag: str = "py3-none-any"
) -> Path:
    """A wheel of the package tiny-model 1.0 with some files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny_model-1.0-{tag}.whl"
    facts = {
        "tiny_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        "tiny_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | facts).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = LINK if name in links else 0o644 << 16
            archive.writestr(entry, content)
        record = "".join(f"{name},,\n" for name in archive.namelist())
        archive.writestr("tiny_model-1.0.dist-info/RECORD", record + "tiny_model-1.0.dist-info/RECORD,,\n")
    return path
