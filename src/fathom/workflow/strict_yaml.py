"""The files of a config, read strictly: data only, every key once, of bounded size however its parts refer to others.

Snakemake reads them first, by a wider loader of its own: of a key that stands twice it takes the last, and where a file
says `__use_yte__` it evaluates the Python in it. So a config from somebody else is read with `fathom check`
before Snakemake sees it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fathom.io.strict_json import parse_json
from fathom.runtime.errors import FathomError, first_line

LARGEST = 1 << 20  # bytes of a file
MOST_VALUES = 100_000  # values once every alias is written out
PROGRAMS = "__use_yte__"  # Snakemake's word for: evaluate the Python in this file


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which no key stands twice."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
    for index, key in enumerate(own):
        if key in own[:index]:
            msg = f"the key {key[:100]!r} stands there twice"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark)
    loader.flatten_mapping(node)
    content = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            msg = "a key that is a list or a mapping"
            raise yaml.constructor.ConstructorError(None, None, msg, key_node.start_mark)
        content[key] = loader.construct_object(value_node, deep=True)
    return content


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_config_file(path: Path) -> Any:
    """Content of a config file, YAML or JSON.

    Errors: FathomError that names the file and says in one line what is wrong with it.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            msg = f"larger than {LARGEST:,} bytes"
            raise ValueError(msg)
        return _parse(content.decode("utf-8"), json=path.suffix == ".json")
    except (OSError, ValueError, yaml.YAMLError) as error:
        msg = f"config: {path}: not a config that can be read ({_said(error)})"
        raise FathomError(msg) from error


def read_config_files(paths: Sequence[str]) -> dict[str, Any]:
    """The config that Snakemake makes of several files: later ones go over earlier ones, key by key.

    Errors: FathomError if one cannot be read, or has no keys.
    """
    config: dict[str, Any] = {}
    for path in paths:
        content = read_config_file(Path(path))
        if not isinstance(content, dict):
            msg = f"config: {path}: expected keys at top level"
            raise FathomError(msg)
        _put_over(config, content)
    return config


def _put_over(config: dict[str, Any], content: Mapping[str, Any]) -> None:
    for key, value in content.items():
        if isinstance(value, Mapping):
            if not isinstance(config.get(key), dict):
                config[key] = {}
            _put_over(config[key], value)
        else:
            config[key] = value


def _said(error: Exception) -> str:
    """What a parser says, in one line: the problem and where it is."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        return f"{error.problem or error.context}{where}"
    return first_line(error)


def _parse(text: str, *, json: bool) -> Any:
    if json:
        found = parse_json(text.encode())
    else:
        loader = _StrictLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _refuse_bombs(node)
            found = loader.construct_document(node)
        except RecursionError:
            msg = "nested too deeply"
            raise ValueError(msg) from None
        finally:
            loader.dispose()
    if isinstance(found, dict) and PROGRAMS in found:
        msg = f"it asks for {PROGRAMS}: Snakemake would evaluate, or already has evaluated, the Python in it"
        raise ValueError(msg)
    return found


def _refuse_bombs(root: yaml.Node) -> None:
    """Count values as if every alias were written out, without writing them out."""
    counted: dict[int, int] = {}
    open_: set[int] = set()

    def count(node: yaml.Node) -> int:
        if id(node) in open_:
            msg = "a part that holds itself"
            raise ValueError(msg)
        if id(node) not in counted:
            open_.add(id(node))
            parts: list[yaml.Node] = []
            if isinstance(node, yaml.SequenceNode):
                parts = node.value
            elif isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            counted[id(node)] = 1 + sum(map(count, parts))
            open_.discard(id(node))
        return counted[id(node)]

    if count(root) > MOST_VALUES:
        msg = f"more than {MOST_VALUES:,} values once every alias is written out"
        raise ValueError(msg)
