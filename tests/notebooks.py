"""Run the cells of a notebook in this process, as Jupyter would, and keep what they show.

`python -m tests.notebooks docs/notebook.ipynb NAME=VALUE ...` runs one and saves it with its outputs; NAME=VALUE (in
Python) goes after the cell that is tagged `parameters`.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from matplotlib.figure import Figure
from nbformat.v4 import new_output

PARAMETERS = "parameters"


def run_notebook(path: Path, parameters: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The notebook with fresh outputs, and the names that its cells have defined."""
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
        cell.outputs = _run(cell.source, names, f"{path.name}, cell {number}", number)
        if PARAMETERS in cell.metadata.get("tags", []):
            unknown = parameters.keys() - names.keys()
            assert not unknown, f"{path}: the cell of parameters sets no {', '.join(unknown)}"
            names |= parameters
    return notebook, names


def _run(source: str, names: dict[str, Any], place: str, number: int) -> list[Any]:
    """Run a cell; its outputs are what it prints and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, place, "exec"), names)
        shown = None if last is None else eval(compile(ast.Expression(last.value), place, "eval"), names)
    outputs = []
    if printed.getvalue():
        outputs.append(new_output("stream", name="stdout", text=printed.getvalue()))  # type: ignore[no-untyped-call]
    if shown is not None:
        outputs.append(
            new_output("execute_result", data=_shown(shown), execution_count=number)  # type: ignore[no-untyped-call]
        )
    return outputs


def _shown(value: Any) -> dict[str, str]:
    found = {"text/plain": repr(value)}
    if isinstance(value, Figure):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=100)
        found["image/png"] = base64.b64encode(picture.getvalue()).decode("ascii")
    elif hasattr(value, "_repr_html_"):
        found["text/html"] = value._repr_html_()
    return found


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    made, _ = run_notebook(Path(sys.argv[1]), {name: ast.literal_eval(value) for name, value in given.items()})
    nbformat.write(made, sys.argv[1])  # type: ignore[no-untyped-call]
