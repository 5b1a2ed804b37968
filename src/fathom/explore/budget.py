"""What the page leaves out where it would be too large, in which order, and how it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fathom.explore.curves import Curves
from fathom.explore.job import Words


@dataclass(frozen=True)
class Content:
    """What a page can be made smaller by."""

    curves: Curves
    tokens: tuple[dict[str, object], ...]
    left_out: tuple[str, ...] = ()
    """Sentences."""


def smaller(content: Content, words: Sequence[Words]) -> Iterator[Content]:
    """Ever smaller contents, what matters least left out first; each says what all before it left out as well."""
    steps: list[Callable[[Content], tuple[Content, str]]] = [
        _one_text_a_corpus,
        _no_intervals_of_pairs,
        lambda one: _main_only(one, words, ("label", "measure", "selection"), "labels, measures and penalties"),
        lambda one: _main_only(one, words, ("estimator", "variant", "site", "preparation"), "other forms"),
        _no_tokens,
        _no_pairs,
        lambda one: _without(one, one.curves.curves["control"] != "", "controls of probes"),
    ]
    for step in steps:
        made, said = step(content)
        if said:
            content = replace(made, left_out=(*content.left_out, said))
            yield content
    while len(models := list(dict.fromkeys(content.curves.curves["model"]))) > 1:
        kept = models[: max(1, len(models) // 2)]
        made, _ = _without(content, ~content.curves.curves["model"].isin(kept), "")
        told = f"all models but the first {len(kept)} of {len(models)} (results/metrics, results/probes, results/tasks)"
        content = replace(made, left_out=(*content.left_out, told))
        yield content


def _one_text_a_corpus(content: Content) -> tuple[Content, str]:
    first = {(str(one["model"]), str(one["corpus"])): one for one in reversed(content.tokens)}
    kept = tuple(one for one in content.tokens if first[str(one["model"]), str(one["corpus"])] is one)
    lost = len(content.tokens) - len(kept)
    said = f"{lost} texts of tokens: one a corpus is shown (results/activations)" if lost else ""
    return replace(content, tokens=kept), said


def _no_tokens(content: Content) -> tuple[Content, str]:
    return replace(content, tokens=()), "all texts of tokens (results/activations)" if content.tokens else ""


def _no_intervals_of_pairs(content: Content) -> tuple[Content, str]:
    of_pairs = content.curves.curves["other_layers"].to_numpy(dtype=bool)
    rows = np.repeat(of_pairs, content.curves.curves["points"].to_numpy(dtype=np.int64))
    points = content.curves.points
    blanked = {name: points[name].where(~rows) for name in ("low", "high")}
    if not points.loc[rows, "low"].notna().any():
        return content, ""
    curves = Curves(content.curves.curves, points.assign(**blanked))
    return replace(content, curves=curves), "intervals of matrices (results/metrics/*/*/*.layers.parquet)"


def _no_pairs(content: Content) -> tuple[Content, str]:
    return _without(content, content.curves.curves["other_layers"], "matrices (results/metrics/*/*/*.layers.parquet)")


def _without(content: Content, dropped: pd.Series, said: str) -> tuple[Content, str]:
    gone = dropped.astype(bool)
    if not gone.any():
        return content, ""
    return replace(content, curves=content.curves.only(~gone)), said


def _main_only(content: Content, words: Sequence[Words], keys: Sequence[str], what: str) -> tuple[Content, str]:
    """Only the curves that are shown unasked, as far as some keys go."""
    curves = content.curves.curves
    names = curves["stage"] + "/" + curves["name"]
    dropped = pd.Series(data=False, index=curves.index)
    for key in keys:
        main = {f"{one.stage}/{one.name}": one.main[key] for one in words if key in one.main}
        wanted = names.map(main)
        present = (curves[key] == wanted).groupby(names).transform("any")
        dropped |= wanted.notna() & present & (curves[key] != wanted) & (curves["choice"] == "")
    return _without(content, dropped, f"{what} that are not the main ones (results/probes/*/*.layers.parquet)")
