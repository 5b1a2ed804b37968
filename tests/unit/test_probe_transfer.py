"""Probes that are trained on one corpus and tested on another: what is found where, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler
from tests.designs import RELATION, pair_table
from tests.probed import WIDTH, probe_job, stored, written
from tests.unit.test_labelled import built, sentences

from fathom.corpora.relations import relation_texts
from fathom.probes.tables import Tables, probe_tables
from fathom.probes.transfer import OtherCorpus, near, sharing_items
from fathom.runtime.errors import FathomError
from fathom.store.reader import Activations

FloatArray = npt.NDArray[np.float64]
TEXTS, LAYERS = 60, 4


def corpus_of(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    folder.mkdir()
    return written(built(table, folder, {"mood": 5}, labels=["mood"], shuffled=False), folder / "c.parquet")


def states_of(moods: npt.NDArray[np.int64], at: list[int], seed: int) -> FloatArray:
    """Noise, and in some layers the mood, in one direction for every corpus."""
    states = np.random.default_rng(seed).standard_normal((LAYERS, len(moods), WIDTH))
    states[at] += np.multiply.outer(2.0 * moods - 1, np.random.default_rng(0).standard_normal(WIDTH))
    return np.asarray(states)


def own(
    folder: Path, words: list[str], moods: npt.NDArray[np.int64], at: list[int], seed: int, **more: Any
) -> OtherCorpus:
    table = pd.DataFrame({"text": words, "mood": np.where(moods, "good", "bad")} | more)
    corpus = corpus_of(folder, table)
    manifest = stored(folder / "c.parquet", {("residual", "mean"): states_of(moods, at, seed)})
    return OtherCorpus("other", corpus, Activations([manifest]))


def tables(trained: OtherCorpus, tested: OtherCorpus, **settings: Any) -> Tables:
    job = probe_job(test="other", inner=("ridge",), permutations=20, **settings).model_copy(update={"designed": False})
    return probe_tables(job, trained.texts, trained.activations, 1, tested)


@pytest.fixture(scope="module")
def moods() -> npt.NDArray[np.int64]:
    return np.random.default_rng(1).permutation(np.arange(TEXTS) % 2)


@pytest.fixture(scope="module")
def trained(moods: npt.NDArray[np.int64], tmp_path_factory: pytest.TempPathFactory) -> OtherCorpus:
    """Texts whose mood is in layers 1, 2 and 3."""
    return own(tmp_path_factory.mktemp("a") / "a", sentences(TEXTS), moods, [1, 2, 3], 2)


@pytest.fixture(scope="module")
def across(
    trained: OtherCorpus, moods: npt.NDArray[np.int64], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tables, OtherCorpus]:
    """Tested on texts whose mood is in layer 2 alone, two of which are training texts, one in other letters."""
    words = [f"Far away {text}" for text in sentences(2 * TEXTS)[TEXTS:]]
    words[3], words[5] = sentences(TEXTS)[7], sentences(TEXTS)[9].upper() + " !"
    tested = own(tmp_path_factory.mktemp("b") / "b", words, moods, [2], 3)
    return tables(trained, tested), tested


def curve(found: pd.DataFrame, control: str) -> pd.DataFrame:
    chosen = (found["control"] == control) & (found["selection"] == "fixed") & (found["sinks"] == "with")
    return found[chosen & (found["measure"] == "balanced_accuracy")].reset_index(drop=True)


def test_a_label_is_found_outside_of_its_domain_where_both_corpora_hold_it(across: tuple[Tables, OtherCorpus]) -> None:
    inside, outside = (curve(across[0].curves, control) for control in ("", "transfer"))
    assert (inside["score"][1:] > 0.95).all()
    assert outside["score"].loc[2] > 0.95
    assert outside["peak"].tolist() == [False, False, True, False]
    assert (outside["p_family_wise"] <= 0.05).tolist() == [False, False, True, False]
    assert outside["score"].drop(2).max() < 0.75
    assert set(outside["test_corpus"]) == {"other"}


def test_the_gap_is_what_the_curve_inside_is_ahead(across: tuple[Tables, OtherCorpus]) -> None:
    inside, outside = (curve(across[0].curves, control) for control in ("", "transfer"))
    np.testing.assert_allclose(outside["gap"], inside["score"] - outside["score"])
    assert (outside["gap_low"] > 0).tolist() == [False, True, False, True]
    assert (outside[["gap_low", "gap_high"]].to_numpy() != 0).any()


def test_the_mean_over_labels_has_a_gap(moods: npt.NDArray[np.int64], tmp_path: Path) -> None:
    """Two labels of two values, one of which the other corpus does not hold in its states, and one of three."""
    words = [f"Far away {text}" for text in sentences(2 * TEXTS)[TEXTS:]]
    both = {"luck": np.where(np.roll(moods, 7), "yes", "no"), "three": np.arange(TEXTS) % 3}
    labels = ("mood", "luck", "three")
    frames = []
    for name, texts, at, seed in (("a", sentences(TEXTS), [1, 2, 3], 2), ("b", words, [2], 3)):
        (tmp_path / name).mkdir()
        table = pd.DataFrame({"text": texts, "mood": np.where(moods, "good", "bad")} | both)
        table["three"] = table["three"].map({0: "x", 1: "y", 2: "z"})
        folds = dict.fromkeys(labels, 5)
        path = tmp_path / name / "c.parquet"
        corpus = written(built(table, tmp_path / name, folds, labels=list(labels), shuffled=False), path)
        manifest = stored(path, {("residual", "mean"): states_of(moods, at, seed)})
        frames.append(OtherCorpus("other", corpus, Activations([manifest])))
    found = tables(*frames, labels=labels).curves
    outside = found[(found["control"] == "transfer") & (found["sinks"] == "with") & (found["selection"] == "fixed")]
    for measure in ("balanced_accuracy", "auc"):
        gaps = outside[outside["measure"] == measure].pivot(index="layer", columns="label", values="gap")
        np.testing.assert_allclose(gaps["mean"], gaps[["mood", "luck"]].mean(axis=1))
    mean = outside[(outside["label"] == "mean") & (outside["measure"] == "balanced_accuracy")].set_index("layer")
    inside = found[(found["control"] == "") & (found["label"] == "mean") & (found["sinks"] == "with")]
    inside = inside[(inside["selection"] == "fixed") & (inside["measure"] == "balanced_accuracy")].set_index("layer")
    np.testing.assert_allclose(mean["gap"], inside["score"] - mean["score"])
    assert (mean["gap_low"] <= mean["gap"]).all()
    assert (mean["gap"] <= mean["gap_high"]).all()


def test_texts_that_the_training_gives_away_are_left_out_and_counted(across: tuple[Tables, OtherCorpus]) -> None:
    outside = curve(across[0].curves, "transfer")
    assert set(outside["texts"]) == {TEXTS - 2}
    assert set(outside["texts_known"]) == {2}
    assert set(curve(across[0].curves, "")["texts"]) == {TEXTS}


def test_the_layer_that_inner_folds_choose_is_not_the_oracle_of_the_test(across: tuple[Tables, OtherCorpus]) -> None:
    choices = curve(across[0].choices, "transfer").set_index("choice")
    assert choices["layer"].loc["oracle"] == 2
    assert choices["score"].loc["oracle"] == curve(across[0].curves, "transfer")["score"].max()
    # Inside, layers 1 to 3 tell all, so that the first is chosen, which tells nothing outside.
    assert choices["layer"].loc["inner_folds"] in {1, 2, 3}
    assert choices["score"].loc["inner_folds"] <= choices["score"].loc["oracle"]
    assert curve(across[0].choices, "").set_index("choice")["score"].loc["inner_folds"] > 0.95


def test_the_scores_are_those_of_scikit_learn(trained: OtherCorpus, across: tuple[Tables, OtherCorpus]) -> None:
    tested = across[1]
    kept = [row for row in range(TEXTS) if row not in (3, 5)]
    signs = [np.where(one.texts["label.mood"] == "good", 1, -1) for one in (trained, tested)]
    for layer in range(LAYERS):
        first, second = (one.activations.pooled("mean", layer).astype(float) for one in (trained, tested))
        scaler = StandardScaler().fit(first)
        scale = np.sqrt(WIDTH)
        fitted = Ridge(alpha=1.0).fit(scaler.transform(first) / scale, signs[0])
        predicted = np.sign(fitted.predict(scaler.transform(second[kept]) / scale))
        expected = balanced_accuracy_score(signs[1][kept], predicted)
        assert curve(across[0].curves, "transfer").loc[layer, "score"] == pytest.approx(expected)


def test_other_classes_are_refused_in_one_line(
    trained: OtherCorpus, moods: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    words = [f"Far away {text}" for text in sentences(2 * TEXTS)[TEXTS:]]
    tested = own(tmp_path / "b", words, moods, [2], 3)
    tested.texts["label.mood"] = tested.texts["label.mood"].replace({"bad": "awful"})
    with pytest.raises(FathomError) as refused:
        tables(trained, tested)
    assert str(refused.value) == (
        "probes.e.test: corpus other has other classes of mood than c: it lacks 'bad'; it has 'awful', on which "
        "nothing is trained; expected the same classes in both: rename or leave out texts of the others"
    )


def test_a_corpus_of_known_texts_alone_leaves_nothing_to_test(trained: OtherCorpus) -> None:
    with pytest.raises(FathomError, match="no text is left to test, 60 are known from the training"):
        tables(trained, trained)


def test_of_a_design_the_texts_that_share_an_item_are_known() -> None:
    corpus = relation_texts(pair_table([4] * 3), [RELATION])
    corpus = corpus[corpus["view"] == "original"].reset_index(drop=True)
    first = corpus["group"] == corpus["group"].iloc[0]
    assert 0 < first.sum() < len(corpus)
    np.testing.assert_array_equal(sharing_items(corpus[first], corpus), first)


def test_nearly_equal_texts_are_known_through_the_first_of_equal_ones() -> None:
    trained = pd.DataFrame({"text": ["one two three four five", "six seven eight nine ten"]})
    words = ["ONE two three, four five!", "one two three four five more", "eleven twelve", "eleven twelve"]
    words += ["ten nine eight seven six", "six seven eleven twelve one"]
    found = near(trained, pd.DataFrame({"text": words}))
    assert found.tolist() == [True, True, False, False, True, False]


def test_a_split_of_either_corpus_says_what_is_trained_on_and_tested(
    moods: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    words = [f"Far away {text}" for text in sentences(2 * TEXTS)[TEXTS:]]
    trained = own(tmp_path / "a", sentences(TEXTS), moods, [1, 2, 3], 2)
    tested = own(tmp_path / "b", words, moods, [2], 3)
    parts = np.where(np.arange(TEXTS) % 3 == 0, "test", "train")
    trained.texts["split"], tested.texts["split"] = parts, parts
    found = tables(trained, tested).curves
    assert set(curve(found, "transfer")["texts"]) == set(curve(found, "")["texts"]) == {int((parts == "test").sum())}
    assert curve(found, "transfer")["score"].loc[2] > 0.9
