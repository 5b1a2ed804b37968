"""A config as Snakemake read it, checked: one line for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fathom.figures.settings import RENAMED
from fathom.runtime.errors import FathomError
from fathom.schema import UNKNOWN_KEY
from fathom.workflow.checks import problems
from fathom.workflow.config import Config
from fathom.workflow.strict_yaml import read_config_file

# Sections whose entries say by a key of which kind they are.
KINDS_OF_ENTRIES = ("nursery", "models", "corpora", "tasks", "figures")
LONGEST_SHOWN = 100  # characters of a wrong value in an error


def load_config(data: Mapping[str, Any], files: Sequence[str], *, files_here: bool = True) -> Config:
    """Check a config that Snakemake has read from `files`, and these files themselves, by a stricter reader.

    Without `files_here` the files that the config names are not looked for: a job may run where they are not.
    Errors: FathomError with one line: the key, the file it stands in, what was expected and what was found.
    """
    contents = {str(file): read_config_file(Path(file)) for file in files}
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _refused(*_first_problem(error), contents, more=error.error_count() - 1) from error
    found = next(problems(config, files_here=files_here), None)
    if found is not None:
        place, value, expected = found
        raise _refused(place, f"{place}: expected {expected}; found {value!r}", contents)
    return config


def _refused(place: str, message: str, contents: Mapping[str, Any], *, more: int = 0) -> FathomError:
    others = f" (and {more} more)" if more else ""
    return FathomError(f"config: {_file_with(place, contents)}: {message}{others}".replace("\n", "\\n"))


def _first_problem(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False)[0]
    facts = first.get("ctx", {})
    place = _place(first["loc"])
    if first["type"] == UNKNOWN_KEY:
        place = ".".join(part for part in (place, facts["key"]) if part)
        return place, f"{place}: {first['msg']}"
    if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        place = f"{place}.{facts['discriminator'].strip(chr(39))}"
        renamed = RENAMED.get(facts.get("tag", "")) if place.startswith("figures.") else None
        if renamed is not None:
            return place, f"{place}: expected {renamed!r}, as {facts['tag']!r} is called now"
        wrong = (
            f"expected one of {facts['expected_tags']}; found {facts['tag']!r}" if "tag" in facts else "field required"
        )
        return place, f"{place}: {wrong}"
    found = repr(first["input"])
    shown = f"; found {found}" if first["type"] != "missing" and len(found) <= LONGEST_SHOWN else ""
    return place, f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}{shown}"


def _place(location: Sequence[int | str]) -> str:
    """Keys down to a problem, without the words that pydantic adds for the kind of entry that it tried."""
    parts = [str(part) for part in location if part != "[key]"]
    if parts and parts[0] in KINDS_OF_ENTRIES:
        del parts[2:3]
    return ".".join(parts)


def _file_with(place: str, contents: Mapping[str, Any]) -> str:
    """The last of the config files that holds a key, or the nearest part of it."""
    parts = place.split(".")
    for depth in range(len(parts), 0, -1):
        for file, content in reversed(list(contents.items())):
            if _holds(content, parts[:depth]):
                return str(file)
    return ", ".join(contents) if contents else "command line or defaults"


def _holds(content: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True
