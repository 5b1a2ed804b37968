"""The documents keep up with the code: their configs are accepted, and their links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from fathom.workflow.load import load_config

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "config/README.md", "docs/probes.md", "docs/validation.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_config_in_a_document_is_accepted(root: Path, document: str) -> None:
    text = (root / document).read_text(encoding="utf-8")
    for example in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL):
        config = load_config(yaml.safe_load(example), [], files_here=False)
        assert config.all_figures


def test_links_between_documents_lead_somewhere(root: Path) -> None:
    documents = [root / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    documents += [*root.glob("config/*.md"), *root.glob("docs/*.md"), *root.glob("benchmarks/*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#][^)]*)\)", document.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = document.parent / path
            assert file.exists(), f"{document.name}: {target}"
            if anchor:
                assert anchor in _anchors(file), f"{document.name}: {target}"


@pytest.mark.parametrize("document", ["docs/faults.md", "docs/security.md"])
def test_tables_name_tests_that_there_are(root: Path, document: str) -> None:
    """A row names files, `file.py::test_name`, or `test_name` of the file before it; `...` stands for an ending."""
    page = (root / document).read_text(encoding="utf-8")
    rows = re.findall(r"^\|(?! what|-| fault).*\|$", page, flags=re.MULTILINE)
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(?:([\w/*]+\.py)(?:::)?)?(\w*)(\.{3})?`", row.split("|")[-2])
        assert named, row
        files: list[Path] = []
        for file, name, open_ended in named:
            if file:  # tests of the cluster are named with their folder
                folders = ["."] if "/" in file else ["unit", "property", "workflow"]
                files = [found for folder in folders for found in (root / "tests" / folder).glob(file)]
            assert files, f"{file}: {row}"
            if name:
                pattern = f"{name}.+" if open_ended else name
                assert any(re.fullmatch(pattern, test) for one in files for test in _tests(one)), f"{name}: {row}"


def _tests(file: Path) -> list[str]:
    """Names of a file's tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def _anchors(file: Path) -> set[str]:
    """Anchors that GitHub makes of the headings: lower case, hyphens for spaces, no other punctuation."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
