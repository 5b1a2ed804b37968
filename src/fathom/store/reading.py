"""What a reader of any result must know of how a model read the texts, from the manifests of their stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def reading_notes(manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Phrases over all shards of a corpus: texts that were cut, start tokens, and what else the manifests note."""
    texts = sum(int(facts.get("texts", 0)) for facts in manifests)
    notes = []
    cut = sum(int(facts.get("truncated", 0)) for facts in manifests)
    if cut:
        notes.append(f"{cut:,} of {texts:,} texts cut at {manifests[0]['longest']:,} tokens")
    doubled = [facts["doubled_start"] for facts in manifests if facts.get("doubled_start")]
    if doubled:
        count = sum(int(one["count"]) for one in doubled)
        notes.append(
            f"{count:,} of {texts:,} texts begin with two start tokens {doubled[0]['token']} (first: "
            f"{doubled[0]['first']}), one of their own and one that the tokenizer adds"
        )
    start = manifests[0].get("settings", {}).get("activations", {}).get("start_token", "tokenizer")
    if start != "tokenizer":
        notes.append(f"start token {start.replace('_', ' ')}, whatever the tokenizer does")
    return [*notes, *dict.fromkeys(str(note) for facts in manifests for note in facts.get("notes", ()))]
