"""Settings and code of the jobs of the corpora stage."""

from __future__ import annotations

from fathom.corpora.settings import CorpusSettings, DocumentsCorpus, HierarchyCorpus, ItemsCorpus
from fathom.workflow.code_digest import code_digest


def corpus_code(settings: CorpusSettings) -> str:
    """Digest of the code behind a corpus of these settings, and of fathom's own table where it uses it."""
    own: tuple[str, ...] = ()
    if isinstance(settings, HierarchyCorpus) and settings.table is None and not getattr(settings, "questions", None):
        table = "items" if isinstance(settings, ItemsCorpus | DocumentsCorpus) else "pairs"
        own = (f"corpora/data/{table}.csv",)
    return code_digest("fathom.corpora.command", data=own)
