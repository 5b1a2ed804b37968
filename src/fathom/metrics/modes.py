"""Whether the texts of a corpus fall into two kinds at some layer: dip tests, and the texts at the two modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fathom.io.corpus_table import ORIGINAL
from fathom.metrics.job import ModesJob
from fathom.statistics.dip_test import dip, dip_null, dip_p, modes
from fathom.statistics.multiple_testing import holm
from fathom.statistics.words import counted

ROW_COLUMNS = ("text", "view", "layer", "depth", "sinks", "value")
TEXT_COLUMNS = ("id", "view", "text")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EXAMPLES = 5
FEWEST_TEXTS = 2  # that a dip is taken of
EXCERPT = 160
RESIDUAL = "residual"
SUMMARISED_AS = {"dip": "value", "p": "p_single", "p_family_wise": "p"}


def modes_tables(job: ModesJob, table: pd.DataFrame, corpus: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The dips of one metric of texts on the residual stream, and the texts at its modes.

    Of the original texts, in the first preparation, with and without sink tokens. The first table has the columns of a
    summary: `value` is the dip, `p` corrected over layers, `p_single` that of one layer.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    rows = table[(table["site"] == RESIDUAL) & (table["view"] == ORIGINAL)]
    if rows.empty:
        msg = f"table of {job.metric}: no rows of the original texts on the residual stream"
        raise ValueError(msg)
    preparation = rows["preparation"].iloc[0]
    rows = rows[rows["preparation"] == preparation]
    layers, examples = bimodality_table(rows, corpus, samples=job.samples, seed=job.seed, level=job.level)
    place = {
        "stage": "metrics",
        "name": job.metric,
        "model": job.model,
        "corpus": job.corpus,
        "site": RESIDUAL,
        "preparation": preparation,
    }
    summary = layers.rename(columns=SUMMARISED_AS).assign(**place, measure="dip", samples=job.samples)
    return summary, examples.assign(**place)


def bimodality_table(
    rows: pd.DataFrame, texts: pd.DataFrame, *, samples: int, seed: int, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test at every layer whether the values of the texts have more than one mode, and name texts at the two modes.

    The dip of each layer is compared with uniform samples of the same size. The layers hold the same texts and are not
    independent, and the null hypothesis says nothing of how they hang together, so p values are corrected by Holm's
    method, which asks for no independence. It cannot go below layers / (1 + samples): take at least 20 samples a layer
    to reach 0.05. Texts are taken as independent draws; a corpus of near copies of texts would mimic modes. As in the
    curves, each layer is tested on the texts that have a value there; a layer with fewer than 2 is left out.

    Args:
        rows: one metric of texts: text, view, layer, depth, sinks, value; one row a text and layer of a view and sinks
        texts: the corpus: id, view, text, and `tokens` where the number of tokens is known
        samples: uniform samples, at least 1
        seed: of these samples
        level: the critical dip is this quantile of the uniform samples' dips; 0.95 for tests at 0.05

    Returns:
        layers: view, sinks, layer, depth, dip, critical, p, p_family_wise, low_mode, high_mode, quantiles q05 to q95,
            texts (used), left_out (texts). Modes: see `fathom.statistics.dip_test.modes`; every layer has them, bimodal
            or not.
        examples: view, sinks, layer (of the largest dip), mode ("low" | "high"), rank (1 is nearest to the mode), id,
            value, tokens (null where unknown), characters, excerpt; the 5 texts of each part that are nearest to its
            mode.

    Raises:
        ValueError: naming what is missing or wrong.
    """
    for name, frame, columns in (("rows", rows, ROW_COLUMNS), ("texts", texts, TEXT_COLUMNS)):
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            msg = f"{name}: columns are missing: {', '.join(missing)}"
            raise ValueError(msg)
        if frame.empty:
            msg = f"{name}: there are no rows"
            raise ValueError(msg)
    if rows["text"].isna().any():
        msg = "rows: column text is null; bimodality is of a metric that has a value for every text"
        raise ValueError(msg)
    if not 0 < level < 1:
        msg = f"level: {level}; expected a number between 0 and 1"
        raise ValueError(msg)
    nulls: dict[int, npt.NDArray[np.float64]] = {}
    tables, examples = [], []
    for view, sinks in rows[["view", "sinks"]].drop_duplicates().to_numpy().tolist():
        part = rows[(rows["view"] == view) & (rows["sinks"] == sinks)]
        place = f"view {view}, sinks {sinks}"
        values = _values(part, place)
        by_layer = {
            layer: values[layer].dropna() for layer in map(int, values.columns) if values[layer].count() >= FEWEST_TEXTS
        }
        if not by_layer:
            most = int(values.count().max())
            msg = f"rows: {place}: no layer has values of more than {counted(most, 'text')}; expected {FEWEST_TEXTS}"
            raise ValueError(msg)
        for texts_there in {len(column) for column in by_layer.values()} - set(nulls):
            nulls[texts_there] = dip_null(texts_there, samples=samples, seed=seed)
        depths = part.drop_duplicates("layer").set_index("layer")["depth"]
        table = _test_layers(by_layer, nulls, level=level)
        table = table.assign(left_out=len(values) - table["texts"], depth=depths.loc[table["layer"]].to_numpy())
        tables.append(table.assign(view=view, sinks=sinks))
        largest = int(table["layer"].iloc[int(table["dip"].to_numpy().argmax())])
        found = _examples(by_layer[largest], texts[texts["view"] == view], place)
        examples.append(found.assign(view=view, sinks=sinks, layer=largest))
    return (
        _first(pd.concat(tables, ignore_index=True), ("view", "sinks", "layer", "depth")),
        _first(pd.concat(examples, ignore_index=True), ("view", "sinks", "layer")),
    )


def _first(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return frame[[*columns, *(column for column in frame if column not in columns)]]


def _values(part: pd.DataFrame, place: str) -> pd.DataFrame:
    """Texts by layers, NaN where a text has no value."""
    if part.duplicated(["text", "layer"]).any():
        msg = f"rows: {place}: a text has more than one row for a layer"
        raise ValueError(msg)
    if np.isinf(part["value"].to_numpy(dtype=np.float64)).any():
        msg = f"rows: {place}: column value holds an infinite value"
        raise ValueError(msg)
    return part.pivot(index="text", columns="layer", values="value")


def _test_layers(
    values: Mapping[int, pd.Series], nulls: Mapping[int, npt.NDArray[np.float64]], *, level: float
) -> pd.DataFrame:
    """Test the values of the texts at each layer against the dips `nulls` of samples of as many."""
    columns = [column.to_numpy(dtype=np.float64) for column in values.values()]
    dips = np.array([dip(column) for column in columns])
    p = np.concatenate([dip_p(dips[[at]], nulls[len(column)]) for at, column in enumerate(columns)])
    table = pd.DataFrame(
        {
            "layer": list(values),
            "dip": dips,
            "critical": [float(np.quantile(nulls[len(column)], level)) for column in columns],
            "p": p,
            "p_family_wise": holm(p),
        }
    )
    # A layer at which all texts have the same value, such as an embedding of one token, has no two modes.
    pairs = [modes(column) if column.min() < column.max() else (np.nan, np.nan) for column in columns]
    table[["low_mode", "high_mode"]] = np.array(pairs)
    for share in QUANTILES:
        table[f"q{100 * share:02.0f}"] = [np.quantile(column, share) for column in columns]
    return table.assign(texts=[len(column) for column in columns])


def _examples(values: pd.Series, texts: pd.DataFrame, place: str) -> pd.DataFrame:
    known = texts.drop_duplicates("id").set_index("id")
    lost = values.index.difference(known.index)
    if len(lost):
        msg = f"texts: {place}: there is no text {lost[0]!r}"
        raise ValueError(msg)
    if values.min() == values.max():
        return pd.DataFrame(columns=["mode", "rank", "id", "value", "tokens", "characters", "excerpt"])
    low, high = modes(values.to_numpy(dtype=np.float64))
    nearer_low = (values - low).abs() <= (values - high).abs()
    parts = []
    for mode, centre, part in (("low", low, values[nearer_low]), ("high", high, values[~nearer_low])):
        nearest = part.loc[(part - centre).abs().sort_values(kind="stable").index[:EXAMPLES]]
        chosen = known.loc[nearest.index]
        written = chosen["text"].fillna("")
        tokens = chosen["tokens"] if "tokens" in chosen else pd.Series(pd.NA, index=chosen.index)
        parts.append(
            pd.DataFrame(
                {
                    "mode": mode,
                    "rank": np.arange(1, len(nearest) + 1),
                    "id": nearest.index,
                    "value": nearest.to_numpy(),
                    "tokens": tokens.astype("Int64").to_numpy(),
                    "characters": written.str.len().to_numpy(),
                    "excerpt": [_excerpt(text) for text in written],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _excerpt(text: str) -> str:
    """Return the beginning of a text on one line, cut after a word."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT:
        return line
    return line[: EXCERPT + 1].rsplit(" ", 1)[0][:EXCERPT] + " …"
