"""What a paper claims in a figure, and a test that says in numbers whether this run agrees.

Nearly every test reads one number a text from the raw rows (the depth of its valley, the change of its curve, a trend)
and asks on which side of zero their mean lies, with a bootstrap interval over groups of texts. So models are compared
on the same texts, text by text. Each interval stands for itself: a figure with several lines is not corrected for their
number. "Undecided" is the answer where the interval includes zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from fathom.io.verdicts import WHICH_TOKENS, marked
from fathom.metrics.claims.rows import (
    RESIDUAL,
    ClaimTables,
    Curves,
    curves_by_place,
    curves_of,
    levels_of,
    required_tables,
)
from fathom.metrics.claims.verdict import (
    Resampling,
    Verdict,
    mean_with_interval,
    verdict_on_corpora,
    verdict_on_texts,
)
from fathom.statistics.quantities import quantities_of
from fathom.statistics.resampling import group_codes
from fathom.statistics.words import counted, three_digits

MODES = "prompt_entropy.modes"
ON_THE_STREAM = ("attention_residual", RESIDUAL)
OUTPUTS = ("attention", "mlp")


def deeper_valley(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether the first model's valley of prompt entropy is deeper than that of each other one."""
    verdicts = []
    for curves in curves_by_place(frames, "prompt_entropy", models=2):
        first, *others = curves
        depth = valley_depth(first)
        for other in others:
            other_depth = valley_depth(other)
            statement = (
                f"valley {mean_with_interval(depth, first, resampling)} in {marked(first.model)} against "
                f"{mean_with_interval(other_depth, other, resampling)} in {other.words}"
            )
            difference = (depth - other_depth).dropna()
            verdicts.append(
                verdict_on_texts(statement, "difference", difference, [first, other], resampling, expected=1)
            )
    return verdicts


def scale_trends(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether larger models have a deeper valley, lower curvature and higher LiDAR."""
    verdicts = [
        _trend_over_models("valley of prompt entropy", curves, valley_depth, resampling, expected=1)
        for curves in curves_by_place(frames, "prompt_entropy", models=2)
    ]
    verdicts += [
        _trend_over_models("mean curvature", curves, _mean_over_layers, resampling, expected=-1)
        for curves in curves_by_place(frames, "curvature", models=2)
    ]
    for corpus, levels in levels_of(frames, "lidar", models=2):
        small, large = levels[0], levels[-1]
        statement = f"mean LiDAR over layers {small} and {large} on {corpus}{WHICH_TOKENS}"
        verdicts.append(verdict_on_corpora(statement, "difference", small=small, large=large, expected=1))
    return verdicts


def finetuned_invariance(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:  # noqa: ARG001 - that of all tests
    """Whether fine-tuned models have a lower InfoNCE loss than the first one, their base."""
    return [
        verdict_on_corpora(
            f"mean InfoNCE loss over layers {base} and {tuned} on {corpus}{WHICH_TOKENS}",
            "difference",
            small=base,
            large=tuned,
            expected=-1,
        )
        for corpus, (base, *others) in levels_of(frames, "infonce", models=2)
        for tuned in others
    ]


def changes_in_training(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether middle layers change most from the first checkpoint to the last, and early ones are still later on."""
    verdicts = []
    measured = [name for name in ("prompt_entropy", "curvature") if name in {metric for _, _, metric, _ in frames}]
    if not measured:
        required_tables(frames, "prompt_entropy")
    for metric in measured:
        for curves in curves_by_place(frames, metric, models=2):
            first, last = curves[0], curves[-1]
            words = metric.replace("_", " ")
            if any(len(one.depths) != len(first.depths) for one in curves):
                msg = f"{metric}: checkpoints have different numbers of layers"
                raise ValueError(msg)
            change = (last.values - first.values).dropna().abs()
            middle, outer = change.loc[:, first.middle].mean(axis=1), change.loc[:, ~first.middle].mean(axis=1)
            verdicts.append(
                verdict_on_texts(
                    f"{words}{WHICH_TOKENS} changes from {marked(first.model)} to {marked(last.model)} by "
                    f"{three_digits(middle.mean())} in the middle third of the layers and by "
                    f"{three_digits(outer.mean())} elsewhere",
                    "difference",
                    middle - outer,
                    [first, last],
                    resampling,
                    expected=1,
                )
            )
            if len(curves) > 2:
                verdicts.append(_late_changes(words, curves, resampling))
    models = list(dict.fromkeys(model for model, _, _, _ in frames))
    if len(models) == 2:
        why = "two checkpoints; it takes three to see when a layer comes to rest"
        statement = "whether early layers come to rest sooner"
        verdicts.append(
            Verdict(
                statement=statement,
                statistic="no number",
                value=math.nan,
                agrees=None,
                why=why,
                metric=measured[0],
                models=tuple(models),
            )
        )
    return verdicts


def repetition_lowers(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether prompt entropy at mid depth falls with the probability that a token is repeated."""
    return _probability_trends(frames, resampling, expected=-1)


def randomness_raises(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether prompt entropy at mid depth rises with the probability that a token is random."""
    return _probability_trends(frames, resampling, expected=1)


def length_raises(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether raw prompt entropy grows with the number of tokens, and more slowly than log tokens.

    Beyond as many tokens as the states are wide, log width bounds it, and the second must hold.
    """
    verdicts = []
    for one, table in _sweeps(frames, raw=True):
        lengths = table.columns.to_numpy(dtype=np.float64)
        if lengths.min() <= 1:
            msg = f"prompt_entropy: {one.model}: a length of {lengths.min():g} tokens; expected lengths above 1"
            raise ValueError(msg)
        doublings = np.log2(lengths)
        slopes = (table * (doublings - doublings.mean())).sum(axis=1) / ((doublings - doublings.mean()) ** 2).sum()
        relative = table.div(np.log(lengths), axis="columns")
        ends = f"from {lengths[0]:g} to {lengths[-1]:g} tokens"
        verdicts += [
            verdict_on_texts(
                f"{one.words}: entropy at mid depth {_first_and_last(table)} nats {ends}",
                "nats a doubling",
                slopes,
                [one],
                resampling,
                expected=1,
            ),
            verdict_on_texts(
                f"{one.words}: entropy / log tokens {_first_and_last(relative)} {ends}",
                "change",
                relative.iloc[:, -1] - relative.iloc[:, 0],
                [one],
                resampling,
                expected=-1,
            ),
        ]
    return verdicts


def power_law_entropy(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:  # noqa: ARG001 - that of all tests
    """Whether entropies fall with beta, and small eigenvalues contribute more at a larger alpha."""
    (_, _, _, table), *_ = required_tables(frames, "power_law")
    grid = table.pivot(index="beta", columns="alpha", values="value").sort_index()
    if len(grid) < 2 or len(grid.columns) < 2:
        msg = "power_law: expected at least two betas and two alphas"
        raise ValueError(msg)
    steps = grid.diff().dropna().to_numpy()
    lost = table.assign(lost=1 - table["value_larger_half"] / table["value"])
    shares = lost.pivot(index="beta", columns="alpha", values="lost").sort_index()
    alphas = shares.columns.to_numpy(dtype=np.float64)
    beta = float(shares.index[int(np.abs(shares.index.to_numpy(dtype=np.float64) - 1).argmin())])
    named = sorted({float(alphas[0]), float(alphas[np.abs(alphas - 1).argmin()]), float(alphas[-1])})
    words = ", ".join(f"{100 * float(shares[alpha][beta]):.2g} % at alpha = {alpha:g}" for alpha in named)
    more = float((shares[alphas[-1]] - shares[alphas[0]])[shares.index > 0].mean())
    return [
        Verdict(
            statement=f"entropy from one beta to the next, {grid.shape[1]} alphas",
            statistic="largest change",
            value=float(steps.max()),
            agrees=bool((steps < 0).all()),
            metric="power_law",
        ),
        Verdict(
            statement=f"without the smaller half of the eigenvalues, entropy at beta = {beta:g} falls by {words}",
            statistic=f"mean difference between alpha = {alphas[-1]:g} and {alphas[0]:g} over beta > 0",
            value=more,
            agrees=more > 0,
            metric="power_law",
        ),
    ]


def residual_ranks(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether the effective rank at mid depth is lower on the residual stream than in the sub-layers' outputs."""
    sites = {site: curves_by_place(frames, "effective_rank", site=site) for site in (*ON_THE_STREAM, *OUTPUTS)}
    by_site = {
        site: {(one.model, one.corpus, one.sinks): _at_mid_depth(one) for place in places for one in place}
        for site, places in sites.items()
    }
    verdicts = []
    for stream in [one for place in sites[RESIDUAL] for one in place]:
        key = (stream.model, stream.corpus, stream.sinks)
        inside, outside = (
            [by_site[site][key] for site in some if key in by_site[site]] for some in (ON_THE_STREAM, OUTPUTS)
        )
        if not outside:
            msg = f"effective_rank: {stream.model} on {stream.corpus} has no outputs of sub-layers; store their sites"
            raise ValueError(msg)
        ranks = pd.DataFrame({"inside": _mean_of(inside), "outside": _mean_of(outside)}).dropna()
        statement = (
            f"{stream.words}: effective rank at mid depth {three_digits(ranks['inside'].mean())} on the "
            f"residual stream, {three_digits(ranks['outside'].mean())} in the outputs of sub-layers"
        )
        difference = ranks["outside"] - ranks["inside"]
        verdicts.append(verdict_on_texts(statement, "difference", difference, [stream], resampling, expected=1))
    return verdicts


def bimodal_entropy(frames: ClaimTables, resampling: Resampling) -> list[Verdict]:
    """Whether the prompt entropies of the texts have more than one mode at some layer."""
    verdicts = []
    known = [table for table in frames if table[2] == MODES]
    if not known:
        msg = f"expected a table of {MODES}, which the figure of the kind bimodality reads"
        raise ValueError(msg)
    for model, corpus, _, rows in known:
        for sinks, dips in rows.groupby("sinks", sort=False):
            largest = dips.iloc[int(dips["value"].to_numpy().argmax())]
            p, samples = float(largest["p"]), int(largest["samples"])
            smallest_p = len(dips) / (1 + samples)
            hopeless = smallest_p >= 1 - resampling.level
            texts = int(largest["texts"])
            tested = f"{counted(texts, 'text')}, p by Holm over {counted(len(dips), 'layer')}"
            verdicts.append(
                Verdict(
                    statement=f"{marked(model)}{WHICH_TOKENS}, {tested}",
                    statistic="largest dip",
                    layer=int(largest["layer"]),
                    metric="prompt_entropy",
                    models=(model,),
                    corpus=corpus,
                    sinks=str(sinks),
                    texts=texts,
                    value=float(largest["value"]),
                    p=p,
                    agrees=True if p < 1 - resampling.level else None,
                    why=f"with {samples} samples no p is below {smallest_p:.2g}" if hopeless else "",
                )
            )
    return verdicts


def valley_depth(curves: Curves) -> pd.Series:
    """Depth of the valley in each text's curve: the lower one of its two ends, minus the lowest layer between.

    A curve that only falls has no valley: its depth is negative. The lower end is that of the mean curve. The lowest
    layer is that of the mean curve of the other half of the groups: a layer picked on the same texts would make a
    valley of noise, the deeper the more layers a model has. So noise alone makes none.

    Raises:
        ValueError: if there are fewer than three layers.
    """
    table = curves.values.to_numpy(dtype=np.float64)
    if table.shape[1] < 3:
        msg = f"{curves.model} has {counted(table.shape[1], 'layer')}; a valley needs at least 3"
        raise ValueError(msg)
    halves = group_codes(curves.groups.loc[curves.values.index].to_numpy()) % 2
    end = table[:, 0] if table[:, 0].mean() <= table[:, -1].mean() else table[:, -1]
    depth = np.empty(len(table))
    for half in (0, 1):
        others = table[halves != half]
        lowest = 1 + int((others if len(others) else table)[:, 1:-1].mean(axis=0).argmin())
        depth[halves == half] = (end - table[:, lowest])[halves == half]
    return pd.Series(depth, index=curves.values.index)


def rank_trend(table: pd.DataFrame) -> pd.Series:
    """Spearman correlation of each row with the order of the columns: -1 falls throughout, 1 rises throughout.

    A row whose values are all the same has no trend: 0.
    """
    ranks = table.rank(axis=1).to_numpy()
    order = np.arange(table.shape[1]) - (table.shape[1] - 1) / 2
    deviations = ranks - ranks.mean(axis=1, keepdims=True)
    scale = np.sqrt((deviations**2).sum(axis=1) * (order**2).sum())
    flat = scale == 0
    return pd.Series(np.where(flat, 0.0, deviations @ order / np.where(flat, 1.0, scale)), index=table.index)


def _trend_over_models(
    words: str,
    curves: Sequence[Curves],
    statistic: Callable[[Curves], pd.Series],
    resampling: Resampling,
    *,
    expected: int,
) -> Verdict:
    """With two models the difference of a statistic, with more its rank correlation with their order, text by text."""
    table = pd.concat([statistic(one) for one in curves], axis=1, keys=range(len(curves))).dropna()
    found = ", ".join(f"{three_digits(table[at].mean())} ({marked(one.model)})" for at, one in enumerate(curves))
    statement = f"{words}{WHICH_TOKENS} {found}"
    if len(curves) == 2:
        return verdict_on_texts(statement, "difference", table[1] - table[0], curves, resampling, expected=expected)
    return verdict_on_texts(statement, "rank correlation", rank_trend(table), curves, resampling, expected=expected)


def _late_changes(words: str, curves: Sequence[Curves], resampling: Resampling) -> Verdict:
    """How much further the layers after the first third move in the second half of the checkpoints."""
    late = curves[len(curves) // 2 :]
    path = sum(
        ((after.values - before.values).dropna().abs() for before, after in pairwise(late)),
        start=pd.DataFrame(0.0, index=late[0].values.index, columns=late[0].values.columns),
    ).dropna()
    early = late[0].depths < 1 / 3 - 1e-9
    first, rest = path.loc[:, early].mean(axis=1), path.loc[:, ~early].mean(axis=1)
    statement = (
        f"{words}{WHICH_TOKENS} still changes from {marked(late[0].model)} to {marked(late[-1].model)} by "
        f"{three_digits(first.mean())} in the first third of the layers and by {three_digits(rest.mean())} after it"
    )
    return verdict_on_texts(statement, "difference", rest - first, late, resampling, expected=1)


def _probability_trends(frames: ClaimTables, resampling: Resampling, *, expected: int) -> list[Verdict]:
    verdicts = []
    for one, table in _sweeps(frames, raw=False):
        ends = table.mean()
        statement = (
            f"{one.words}: entropy at mid depth {three_digits(ends.iloc[0])} at p = {ends.index[0]:g} and "
            f"{three_digits(ends.iloc[-1])} at p = {ends.index[-1]:g}"
        )
        trend = rank_trend(table)
        verdicts.append(
            verdict_on_texts(statement, "rank correlation with p", trend, [one], resampling, expected=expected)
        )
    return verdicts


def _sweeps(frames: ClaimTables, *, raw: bool) -> list[tuple[Curves, pd.DataFrame]]:
    """The first quantity's curves, and texts by quantity: prompt entropy, mean over the middle third of the layers."""
    found = []
    for model, corpus, metric, rows in required_tables(frames, "prompt_entropy"):
        views = quantities_of(rows)
        if len(views) < 2:
            msg = f"{metric}: {model} on {corpus}: one view, {next(iter(views))!r}; expected several quantities"
            raise ValueError(msg)
        own = rows.assign(value=rows["raw"]) if raw and "raw" in rows else rows
        by_view = {
            quantity: curves_of(model, corpus, own[own["view"] == view], metric=metric)
            for view, quantity in sorted(views.items(), key=lambda item: item[1])
        }
        for at, one in enumerate(next(iter(by_view.values()))):
            columns = {quantity: _at_mid_depth(curves[at]) for quantity, curves in by_view.items()}
            table = pd.DataFrame(columns).dropna()
            if table.empty:
                msg = f"{metric}: {model} on {corpus}: no text has a value in every view"
                raise ValueError(msg)
            found.append((one, table))
    return found


def _mean_over_layers(curves: Curves) -> pd.Series:
    return curves.values.mean(axis=1)


def _at_mid_depth(curves: Curves) -> pd.Series:
    if not curves.middle.any():
        msg = f"{curves.model} has no layer in the middle third of its depth"
        raise ValueError(msg)
    return curves.values.loc[:, curves.middle].mean(axis=1)


def _mean_of(numbers: Sequence[pd.Series]) -> pd.Series:
    """Mean of several numbers a text, of the texts that have them all."""
    return pd.concat(numbers, axis=1).dropna().mean(axis=1)


def _first_and_last(table: pd.DataFrame) -> str:
    means = table.mean()
    return f"{three_digits(means.iloc[0])} to {three_digits(means.iloc[-1])}"
