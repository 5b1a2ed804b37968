"""The documents keep up with the code: their configs are accepted, and their links lead somewhere."""

from __future__ import annotations

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


def _anchors(file: Path) -> set[str]:
    """Anchors that GitHub makes of the headings: lower case, hyphens for spaces, no other punctuation."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
