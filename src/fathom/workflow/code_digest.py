"""Digests of fathom's own code, so that a stage runs again when the code behind it changed, and only then."""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
import os
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path

import grimp

PACKAGE = "fathom"
RUNTIME = "fathom.runtime"
# By version, since Python's own writer of syntax trees differs.
KEPT = Path(f".snakemake/fathom-code-{sys.version_info.major}.{sys.version_info.minor}.json").absolute()
MOST_KEPT = 5000
DIGITS = 64


def code_digest(*modules: str, data: tuple[str, ...] = ()) -> str:
    """Digest of modules, of all modules of fathom that they import (at whatever depth), and of data files.

    It is taken over the syntax tree without comments and docstrings. A package's front door (`__init__`) counts only
    where code imports from it: merely importing a module beneath it runs nothing there but a list of names.
    `fathom.runtime` counts nowhere, since nothing in it can change a result. `data` are paths inside the package.
    """
    state = hashlib.sha256()
    for module in sorted(imported_modules(*modules)):
        state.update(f"{module} {_module_digest(module)}\n".encode())
    for name in sorted(data):
        state.update(f"{name}\n".encode() + files(PACKAGE).joinpath(name).read_bytes())
    return state.hexdigest()[:16]


def imported_modules(*modules: str) -> set[str]:
    """Modules of fathom that `modules` import, at whatever depth, and themselves; none of `fathom.runtime`."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        if module.startswith(RUNTIME):
            continue
        found.add(module)
        waiting |= _imported_by(module) - found
    return found


@cache
def _imported_by(module: str) -> frozenset[str]:
    """Modules of fathom that a module imports itself: asked for again and again, by every kind of job."""
    return frozenset(_import_graph().find_modules_directly_imported_by(module))


@cache
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)


@cache
def _module_digest(module: str) -> str:
    """Digest of the code of one module."""
    folder = Path(str(files(PACKAGE)))
    path = folder.joinpath(*module.split(".")[1:])
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_bytes()
    kept, key = _kept_digests(), hashlib.sha256(source).hexdigest()
    if key not in kept:
        kept[key] = hashlib.sha256(plain_code(source.decode()).encode()).hexdigest()
        atexit.unregister(_keep_digests)
        atexit.register(_keep_digests)
    return kept[key]


@cache
def _kept_digests() -> dict[str, str]:
    """Digest of a file -> digest of its code, from earlier starts: to parse all files anew takes half a second."""
    try:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    right = isinstance(kept, dict) and all(isinstance(one, str) and len(one) == DIGITS for one in kept.values())
    return kept if right else {}


def _keep_digests() -> None:
    """Write digests down where Snakemake keeps its own facts; where that fails, the next start parses again."""
    kept = dict(list(_kept_digests().items())[-MOST_KEPT:])
    if KEPT.parent.is_dir():
        with contextlib.suppress(OSError):
            draft = KEPT.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(kept), encoding="utf-8")
            draft.replace(KEPT)


def plain_code(source: str) -> str:
    """Python source without comments, docstrings and layout."""
    tree = ast.parse(source)
    _drop_docstrings(tree)
    return ast.unparse(tree)


def _drop_docstrings(node: ast.AST) -> None:
    """Drop strings that stand alone: docstrings of modules, classes, functions and attributes.

    Only statements are looked at, not every expression in them: each start of Snakemake waits for this.
    """
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        statements = getattr(node, part, [])
        statements[:] = [one for one in statements if not _is_string(one)]
        for statement in statements:
            _drop_docstrings(statement)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
