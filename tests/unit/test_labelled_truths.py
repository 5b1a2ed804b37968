"""Known truths of labelled texts: planted labels, surfaces, leaks and groups are found for what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from tests.unit.test_labelled import built, sentences

from fathom.probes.curve_tables import ProbeTables
from fathom.probes.design import ProbeDesign
from fathom.probes.probing import plan_probes, run_probes
from fathom.probes.surface import TOKEN, surface_tables, with_gap

FloatArray = npt.NDArray[np.float64]
LAYERS, FROM, WIDTH, TEXTS = 6, 3, 32, 90
QUICK = ProbeDesign(estimators=("ridge",), repeats=2, permutations=60, bootstrap=200)
SEEDS = 600


def noise(seed: int, layers: int = LAYERS, texts: int = TEXTS) -> FloatArray:
    """States that hold nothing."""
    return np.asarray(np.random.default_rng(seed).standard_normal((layers, texts, WIDTH)))


def planted(codes: npt.ArrayLike, seed: int = 0, since: int = FROM) -> FloatArray:
    """States that hold a number of each text from a layer on."""
    states = noise(seed, texts=len(np.asarray(codes)))
    states[since:] += np.multiply.outer(np.asarray(codes, dtype=np.float64), np.full(WIDTH, 0.7))
    return states


def probed(corpus: pd.DataFrame, states: FloatArray, design: ProbeDesign = QUICK) -> tuple[ProbeTables, pd.DataFrame]:
    """Curves of the label of a corpus, and what the surface of its texts tells."""
    asked: dict[str, Any] = {
        "labels": {"mood": corpus["label.mood"].to_numpy()},
        "groups": corpus["group"].to_numpy(str),
    }
    if corpus["split"].notna().any():
        asked["tested"] = (corpus["split"] == "test").to_numpy()
    main = run_probes(states, **asked, design=design)
    plan = plan_probes(**asked, design=design.as_control())
    surfaces = surface_tables(corpus["text"].tolist(), plan, design.as_control())
    tables = [with_gap(one, main, design.level).assign(control=name) for name, one in surfaces.items()]
    return main, pd.concat(tables, ignore_index=True)


def accuracy(curves: pd.DataFrame) -> pd.DataFrame:
    return curves[(curves["measure"] == "balanced_accuracy") & (curves["selection"] == "fixed")]


def test_a_label_is_found_from_the_layer_on_that_holds_it_and_no_surface_tells_it(tmp_path: Path) -> None:
    moods = np.random.default_rng(1).integers(0, 2, TEXTS)
    table = pd.DataFrame({"text": sentences(TEXTS), "mood": np.where(moods, "good", "bad")})
    corpus = built(table, tmp_path, {"mood": 5}, labels=["mood"], shuffled=False)
    main, surface = probed(corpus, planted(moods))
    curve = accuracy(main.curves)
    assert (curve["p_family_wise"].to_numpy()[:FROM] > 0.05).all()
    assert (curve["p_family_wise"].to_numpy()[FROM:] < 0.05).all()
    assert (accuracy(surface)["gap_low"] > 0).all()


def test_a_label_that_words_tell_is_told_as_well_by_the_surface(tmp_path: Path) -> None:
    moods = np.arange(TEXTS) % 2
    texts = [f"{text} {'glad' if mood else 'grim'}" for text, mood in zip(sentences(TEXTS), moods, strict=True)]
    table = pd.DataFrame({"text": texts, "mood": np.where(moods, "good", "bad")})
    corpus = built(table, tmp_path, {"mood": 5}, labels=["mood"], shuffled=False)
    _, surface = probed(corpus, planted(moods))
    alike = accuracy(surface).set_index("control")["gap_low"] <= 0
    assert alike.to_dict() == {"surface": True, "length": False, "first_word": False}


def test_a_label_that_length_tells_is_told_by_length_alone(tmp_path: Path) -> None:
    moods = np.arange(TEXTS) % 2
    # Every word is a text's own, so that no bag of words knows it from training.
    ends = ["".join(f" w{row}x{at}" for at in range(9 * mood)) for row, mood in enumerate(moods)]
    texts = [text + end for text, end in zip(sentences(TEXTS), ends, strict=True)]
    assert surface_scores(texts, moods, tmp_path)["length"] == 1.0


def test_a_label_that_the_first_word_tells_is_told_by_the_first_word(tmp_path: Path) -> None:
    moods = np.arange(TEXTS) % 2
    texts = [f"{'Then' if mood else 'Well'} {text}" for text, mood in zip(sentences(TEXTS), moods, strict=True)]
    scores = surface_scores(texts, moods, tmp_path)
    assert scores["first_word"] == 1.0
    assert scores["length"] < 0.7


def surface_scores(texts: list[str], moods: npt.NDArray[np.int64], folder: Path) -> pd.Series:
    table = pd.DataFrame({"text": texts, "mood": np.where(moods, "good", "bad")})
    corpus = built(table, folder, {"mood": 5}, labels=["mood"], shuffled=False)
    return accuracy(probed(corpus, planted(moods))[1]).set_index("control")["score"]


def test_texts_that_occur_twice_leak_unless_they_are_one_group(tmp_path: Path) -> None:
    half = TEXTS // 2
    moods = np.tile(np.random.default_rng(2).integers(0, 2, half), 2)
    texts = [*sentences(half), *(f"{text.upper()} !" for text in sentences(half))]
    table = pd.DataFrame({"text": texts, "mood": np.where(moods, "good", "bad")})
    # Wide enough that a probe can learn single texts by heart.
    rng = np.random.default_rng(3)
    states = np.tile(rng.standard_normal((2, half, 300)), (1, 2, 1)) + 0.1 * rng.standard_normal((2, TEXTS, 300))
    scores = {}
    for join in (True, False):
        corpus = built(table, tmp_path, {"mood": 5}, labels=["mood"], shuffled=False, join_near_equal=join)
        assert corpus["near"].notna().all()
        scores[join] = accuracy(probed(corpus, states)[0].curves)
    assert scores[False]["score"].min() > 0.75
    assert (scores[False]["p_family_wise"] < 0.05).all()
    assert (scores[True]["p_family_wise"] > 0.05).all()


def test_groups_that_carry_the_label_leak_unless_they_are_named(tmp_path: Path) -> None:
    writers = np.arange(TEXTS) % 18
    moods = np.random.default_rng(5).permutation(np.arange(18) % 2)[writers]
    voices = np.random.default_rng(6).standard_normal((18, WIDTH))
    table = pd.DataFrame({"text": sentences(TEXTS), "mood": np.where(moods, "good", "bad"), "writer": writers})
    states = noise(7) * 0.3 + voices[writers]
    named = built(table, tmp_path, {"mood": 5}, labels=["mood"], group="writer", shuffled=False)
    not_named = built(table, tmp_path, {"mood": 5}, labels=["mood"], shuffled=False)
    assert (accuracy(probed(named, states)[0].curves)["p_family_wise"] > 0.05).all()
    assert accuracy(probed(not_named, states)[0].curves)["score"].min() > 0.9


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_given_split_scores_as_scikit_learn_does(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    moods = rng.integers(0, 2, TEXTS)
    numbers = moods + 0.5 * rng.standard_normal(TEXTS)
    parts = np.array(["train", "train", "test", "dev"])[rng.integers(0, 4, TEXTS)]
    table = pd.DataFrame({"text": sentences(TEXTS), "mood": moods if kind == "classes" else numbers, "part": parts})
    corpus = built(table, tmp_path, labels=["mood"], split="part", shuffled=False)
    inside = corpus["split"].isin(("train", "test"))
    corpus = corpus[inside].reset_index(drop=True)
    states = planted(numbers)[:, inside.to_numpy()]
    main, _ = probed(corpus, states)
    test = (corpus["split"] == "test").to_numpy()
    truth = corpus["label.mood"].to_numpy().astype(np.float64)
    expected = []
    for layer in states:
        scaler = StandardScaler().fit(layer[~test])
        # The penalty is in the unit of the Gram matrix over the width.
        model = Ridge(alpha=WIDTH).fit(scaler.transform(layer[~test]), 2 * truth[~test] - 1)
        guess = model.predict(scaler.transform(layer[test]))
        if kind == "classes":
            expected.append(balanced_accuracy_score(truth[test] > 0, guess > 0))
        else:
            expected.append(np.corrcoef(guess, truth[test])[0, 1])
    measure = "balanced_accuracy" if kind == "classes" else "r"
    chosen = main.curves[(main.curves["measure"] == measure) & (main.curves["selection"] == "fixed")]
    assert chosen["score"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert set(chosen["texts"]) == {int(test.sum())}
    if kind == "classes":
        assert len(main.texts[main.texts["layer"] == 0]) == test.sum()


def test_words_in_a_bag_score_as_scikit_learn_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    words = np.array([f"w{number}" for number in range(40)])
    numbers = rng.standard_normal(TEXTS)
    texts = [
        " ".join([*rng.choice(words[: 20 + 20 * (number > 0)], 8), f"own{row}"]) for row, number in enumerate(numbers)
    ]
    table = pd.DataFrame({"text": texts, "mood": numbers, "part": ["train"] * 60 + ["test"] * 30})
    corpus = built(table, tmp_path, labels=["mood"], split="part", shuffled=False)
    _, surface = probed(corpus, noise(10))
    test = (corpus["split"] == "test").to_numpy()
    rows = TfidfVectorizer(token_pattern=TOKEN, sublinear_tf=True)
    seen = rows.fit_transform(np.array(texts)[~test]).toarray()
    unseen = rows.transform(np.array(texts)[test]).toarray()
    scale = np.sqrt(((seen - seen.mean(axis=0)) ** 2).sum(axis=1).mean())
    model = Ridge(alpha=1.0).fit(seen / scale, numbers[~test])
    guess = model.predict(unseen / scale)
    bag = surface[(surface["control"] == "surface") & (surface["selection"] == "fixed")].set_index("measure")["score"]
    assert bag["r"] == pytest.approx(np.corrcoef(guess, numbers[test])[0, 1], abs=1e-9)
    residual = ((guess - numbers[test]) ** 2).sum() / ((numbers[test] - numbers[~test].mean()) ** 2).sum()
    assert bag["r2"] == pytest.approx(1 - residual, abs=1e-9)
    assert r2_score(numbers[test], guess) <= bag["r2"]


@pytest.mark.nightly
@pytest.mark.parametrize("given", ["folds", "split"])
@pytest.mark.parametrize("sizes", [(36, 24), (30, 18, 12)])
def test_what_is_not_there_is_found_in_few_of_many_seeds(given: str, sizes: tuple[int, ...]) -> None:
    design = ProbeDesign(estimators=("ridge",), repeats=1, permutations=100, bootstrap=0)
    found = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        # Uneven classes and groups of one to three texts.
        labels = rng.permutation(np.repeat(list("abc")[: len(sizes)], sizes))
        groups = np.sort(rng.integers(0, 40, 60))
        tested = groups >= 26 if given == "split" else None
        states = rng.standard_normal((4, 60, 16)) + rng.standard_normal((40, 16))[groups]
        curves = run_probes(states, {"x": labels}, groups, design, tested=tested).curves
        found += bool((accuracy(curves)["p_family_wise"] <= 0.05).any())
    assert found / SEEDS <= 0.07


@pytest.mark.nightly
def test_the_label_of_a_writer_is_found_in_few_of_many_seeds() -> None:
    """Of writers of 2 to 30 texts, each of one class: folds that were balanced in texts made 8 % of p <= 0.05."""
    design = ProbeDesign(estimators=("ridge",), repeats=1, permutations=100, bootstrap=0)
    found = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(24), np.minimum(1 + rng.geometric(0.15, 24), 30))
        # Each class of five writers at least, one a fold.
        labels = rng.permutation(np.repeat(["a", "b"], [15, 9]))[groups]
        states = rng.standard_normal((1, len(groups), 16)) + rng.standard_normal((24, 16))[groups]
        curves = run_probes(states, {"x": labels}, groups, design).curves
        found += bool((accuracy(curves)["p_family_wise"] <= 0.05).any())
    assert found / SEEDS <= 0.07


def test_folds_of_groups_are_those_of_scikit_learn(tmp_path: Path) -> None:
    """A group is in one fold, and every fold has its share of an uneven class."""
    moods = np.where(np.arange(TEXTS) % 9 == 0, "rare", "usual")
    table = pd.DataFrame({"text": sentences(TEXTS), "mood": moods, "writer": np.arange(TEXTS) // 2})
    corpus = built(table, tmp_path, {"mood": 5}, labels=["mood"], group="writer", shuffled=False)
    main, _ = probed(corpus, noise(11))
    splitter = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=0)
    held = [(moods[test] == "rare").sum() for _, test in splitter.split(moods, moods, table["writer"])]
    assert min(held) > 0
    assert (main.folds["texts"] >= TEXTS // 5 - 4).all()
    assert set(accuracy(main.curves)["chance"]) == {0.5}
