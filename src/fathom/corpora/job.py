"""The settings of one job of the corpora stage."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from fathom.schema import Line, MemberPath, Name, PathLine, Settings


class CorpusJob(Settings):
    """One corpus. The kinds that there are stand in fathom.corpora.settings, which no job reads."""

    name: Name
    """Of the corpus."""
    module: Annotated[str, StringConstraints(pattern=r"^fathom\.corpora\.\w+$")]
    """Module that builds it."""
    options: dict[str, Any]
    """Arguments of the module's `build`: plain JSON values."""
    base: Name | None = None
    """The corpus that it is made of."""
    compared: dict[Name, tuple[Line, ...]] = Field(default_factory=dict)
    """Other corpora that probes train on or test besides -> labels, whose classes are the same in both."""
    files: tuple[PathLine, ...] = ()
    """Files of the user's that it is made of."""
    data: tuple[MemberPath, ...] = ()
    """Files of the package that it is made of."""
