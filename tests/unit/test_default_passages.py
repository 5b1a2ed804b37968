"""What the first token does to means over tokens, on the model and the passages of the default run.

SmolLM2-135M, 40 passages in two translations, seed 0. A mean over all tokens holds the first one, whose norm outweighs
the others from layer 12 on. The numbers are those of a script of its own, written before fathom stored such means.
Downloads a wheel of 90 MB, and runs the model over 10,000 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.measures import only

from fathom.activations.command import command as extract
from fathom.corpora.command import command as build
from fathom.io.corpus_table import read_corpus
from fathom.metrics import infonce, linear_cka, matrix_entropy, prepare, two_nn
from fathom.metrics.corpus_tables import corpus_table
from fathom.metrics.job import MetricJob
from fathom.metrics.measure import make_measure
from fathom.models.command import command as prepare_model
from fathom.store.reader import Activations
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

pytestmark = pytest.mark.nightly

Array = npt.NDArray[np.float64]
MODEL, CORPUS = "smollm2-135m", "bible"
# Layer: dataset entropy / log 40, InfoNCE between the translations, share of passages whose own paraphrase is the
# nearest by the cosine of centred means; each over all tokens, and without the first.
EXPECTED = {
    6: ((0.84, 0.84), (0.28, 0.25), (0.95, 0.97)),
    9: ((0.85, 0.85), (0.14, 0.13), (0.97, 0.97)),
    12: ((0.53, 0.86), (2.34, 0.49), (0.78, 0.93)),
    15: ((0.61, 0.87), (1.59, 0.38), (0.85, 0.93)),
    18: ((0.67, 0.84), (0.95, 0.32), (0.90, 0.95)),
    21: ((0.71, 0.83), (0.64, 0.25), (0.93, 0.97)),
    30: ((0.77, 0.77), (0.25, 0.25), (0.97, 0.97)),
}


@dataclass(frozen=True)
class Passages:
    """States of the passages, and the means of both kinds that are made of them here: (passages, layers, width)."""

    activations: Activations
    corpus: pd.DataFrame
    lengths: npt.NDArray[np.int64]
    means: tuple[tuple[Array, Array], tuple[Array, Array]]
    """Over all tokens and without the first; each of the originals, and of their paraphrases in the same order."""


def run(command: click.Command, *arguments: object) -> None:
    done = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def passages(tmp_path_factory: pytest.TempPathFactory) -> Passages:
    folder = tmp_path_factory.mktemp("passages")
    plan = Plan(load_config({"activations": {"corpora": {CORPUS: {"positions": ["tokens", "mean"]}}}}, []))
    at = Wildcards(model=MODEL, corpus=CORPUS, shard="1-of-1")
    model, texts, store = folder / "model", folder / "texts.parquet", folder / "store" / "1-of-1"
    run(prepare_model, "--settings", plan.models.settings(at), "--folder", model, "--manifest", model / "manifest.json")
    run(build, "--settings", plan.corpora.settings(at), "--output", texts)
    names = ("--settings", plan.activations.settings(at), "--corpus", texts, "--model", model / "manifest.json")
    manifest = store.with_suffix(".manifest.json")
    run(extract, *names, "--store", store.with_suffix(".zarr.zip"), "--manifest", manifest)
    activations, corpus = Activations([manifest]), read_corpus(texts)
    sums, firsts = [], []
    for block in activations.token_blocks(128 << 20):
        for states in block:
            sums.append(states.sum(axis=1, dtype=np.float64))
            firsts.append(states[:, 0].astype(np.float64))
    lengths = activations.lengths
    tokens = lengths[:, np.newaxis, np.newaxis]
    everything, rest = np.stack(sums) / tokens, (np.stack(sums) - np.stack(firsts)) / (tokens - 1)
    rows = {
        view: at_view.set_index("id")["row"] for view, at_view in corpus.assign(row=range(len(corpus))).groupby("view")
    }
    originals = rows["original"].to_numpy()
    paraphrases = rows["paraphrase"].loc[rows["original"].index].to_numpy()
    pairs = [(means[originals], means[paraphrases]) for means in (everything, rest)]
    return Passages(activations, corpus, lengths[originals], (pairs[0], pairs[1]))


def retrieved(one: Array, other: Array) -> float:
    """Share of rows whose nearest in `other` is their own."""
    nearest = (prepare(one, "centred") @ prepare(other, "centred").T).argmax(axis=1)
    return float((nearest == np.arange(len(one))).mean())


@pytest.mark.parametrize("layer", list(EXPECTED))
def test_metrics_of_means_with_and_without_the_first_token(passages: Passages, layer: int) -> None:
    for form, (originals, paraphrases) in enumerate(passages.means):
        one, other = originals[:, layer], paraphrases[:, layer]
        prepared = prepare(one, "centred"), prepare(other, "centred")
        found = (
            matrix_entropy(prepared[0]) / np.log(len(one)),
            infonce(*prepared),
            retrieved(one, other),
        )
        assert len(one) == 40
        assert found == pytest.approx([both[form] for both in EXPECTED[layer]], abs=0.01)


def test_one_direction_rules_the_means_over_all_tokens_at_layer_12(passages: Passages) -> None:
    with_first, without = (originals[:, 12] for originals, _ in passages.means)
    assert linear_cka(with_first, without) == pytest.approx(0.45, abs=0.01)
    dimensions = [two_nn(prepare(states, "centred")) for states in (with_first, without)]
    assert dimensions == pytest.approx([10.1, 16.0], abs=0.1)
    left, scales, _ = np.linalg.svd(with_first - with_first.mean(axis=0), full_matrices=False)
    assert scales[0] ** 2 / (scales**2).sum() == pytest.approx(0.81, abs=0.01)
    assert abs(np.corrcoef(left[:, 0], 1 / passages.lengths)[0, 1]) == pytest.approx(0.69, abs=0.01)


@pytest.mark.parametrize(("metric", "at"), [("dataset_entropy", 0), ("infonce", 1)])
def test_tables_hold_both_forms(passages: Passages, metric: str, at: int) -> None:
    """Over all tokens they are the numbers above; without sinks the hump is gone, and what a sink was is the first."""
    plan = Plan(load_config({}, []))
    told = MetricJob.model_validate_json(plan.metrics.settings(Wildcards(model=MODEL, corpus=CORPUS, metric=metric)))
    few: dict[str, Any] = {"samples": 100}
    (one,) = (settings.model_copy(update=few) for settings in told.measured)
    table = corpus_table(passages.activations, passages.corpus, make_measure(one), told, 2)
    table = only(table, view=table["view"].iloc[0])
    values = {sinks: only(table, sinks=sinks).set_index("layer")["value"] for sinks in ("with", "without")}
    expected = {layer: numbers[at] for layer, numbers in EXPECTED.items()}
    assert values["with"].loc[list(EXPECTED)].tolist() == pytest.approx([one for one, _ in expected.values()], abs=0.01)
    if metric == "dataset_entropy":
        without = [other for _, other in expected.values()]
        assert values["without"].loc[list(EXPECTED)].tolist() == pytest.approx(without, abs=0.01)
        assert values["without"].min() > 0.75
    else:
        # Three texts have a second sink token, which the numbers above keep.
        assert (values["without"].loc[9:28] < 0.2).all()
    sinks = passages.activations.sinks()
    assert all(marked[0] for marked in sinks)
    assert sum(int(marked.sum()) for marked in sinks) == len(sinks) + 3
