"""Directions of probes: they score as the estimator does on the states themselves, and are kept without loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tests.probed import WIDTH, probe_job, run_probes_command, stored, written
from tests.unit.test_labelled import built, sentences

from fathom.io.corpus_table import read_corpus
from fathom.probes import apply, read_directions
from fathom.probes.directions import Place, fit_directions
from fathom.probes.targets import read_targets
from fathom.runtime.errors import FathomError

FloatArray = npt.NDArray[np.float64]
TEXTS, LAYERS = 40, 4
# The iterations of margin classifiers end where theirs do.
EXACT = {"ridge": 1e-9, "svm": 2e-3, "logistic": 1e-2}
PLACE = Place("mood", "ridge", "original", "residual", "mean", "with")


@pytest.mark.parametrize("estimator", ["ridge", "svm", "logistic"])
@pytest.mark.parametrize("classes", [2, 3])
def test_new_states_are_scored_as_scikit_learn_scores_them(estimator: str, classes: int) -> None:
    rng = np.random.default_rng(classes)
    states, new = rng.standard_normal((1, TEXTS, WIDTH)) + 5, rng.standard_normal((7, 3, WIDTH)) + 5
    states[:, :, 3] = 1.0  # constant, and left out
    codes = rng.integers(0, classes, TEXTS)
    target = read_targets({"mood": np.array(["a", "b", "c"])[codes]}, TEXTS)[0]

    found = fit_directions(states, target, estimator, 0.5, PLACE, [4])  # type: ignore[arg-type]

    scaling = StandardScaler().fit(states[0])
    features, asked = (scaling.transform(one.reshape(-1, WIDTH)) for one in (states[0], new))
    asked[:, 3] = 0
    expected = []
    for code in [1] if classes == 2 else range(classes):
        truth = np.where(codes == code, 1, -1)
        model = {
            "ridge": Ridge(alpha=0.5 * WIDTH),
            "svm": SVC(C=1 / (0.5 * WIDTH), kernel="linear", class_weight="balanced", tol=1e-8),
            "logistic": LogisticRegression(C=1 / (0.5 * WIDTH), class_weight="balanced", tol=1e-8, max_iter=10_000),
        }[estimator].fit(features, truth)
        decide = model.predict if estimator == "ridge" else model.decision_function
        expected.append(decide(asked).reshape(7, 3))
    scores = found.score(new, 4)
    np.testing.assert_allclose(
        scores, expected[0] if classes == 2 else np.stack(expected, axis=-1), atol=EXACT[estimator]
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts whose mood is in the states from layer 2 on, with a number beside it."""
    folder = tmp_path_factory.mktemp("directions")
    moods = np.arange(TEXTS) % 2
    table = pd.DataFrame({"text": sentences(TEXTS), "mood": np.where(moods, "good", "bad"), "size": np.arange(TEXTS)})
    texts = written(
        built(table, folder, {"mood": 5, "size": 5}, labels=["mood", "size"], shuffled=False), folder / "c.parquet"
    )
    assert len(texts) == TEXTS
    states = np.random.default_rng(0).standard_normal((LAYERS, TEXTS, WIDTH))
    states[2:] += np.multiply.outer(2.0 * moods - 1, np.ones(WIDTH))
    stored(folder / "c.parquet", {("residual", "mean"): states})
    job = probe_job(keep_directions=True).model_copy(update={"directions": True, "designed": False})
    done = run_probes_command(job, folder / "c.parquet", [folder / "c.manifest.json"])
    assert done.exception is None, done.output
    return folder / "c.parquet"


def kept(corpus: Path) -> Path:
    return corpus.parent / "out" / "e.directions.safetensors"


def test_a_run_keeps_the_directions_of_every_label(corpus: Path) -> None:
    found = {one.place.label: one for one in read_directions(kept(corpus))}
    assert found["mood"].classes == ("bad", "good")
    assert found["size"].classes == ()
    assert found["mood"].layers == tuple(range(LAYERS))
    assert found["mood"].weights.shape == (LAYERS, 1, WIDTH)
    assert kept(corpus).read_bytes()[8:].startswith(b"{")  # a header of safetensors, nothing pickled


def test_every_token_of_a_text_is_scored_with_the_file(corpus: Path) -> None:
    assert read_corpus(corpus)["label.mood"].iloc[1] == "good"
    tokens = np.stack([np.full(WIDTH, -1.0), np.zeros(WIDTH), np.full(WIDTH, 1.0)])
    scores = apply(kept(corpus), tokens, label="mood", layer=3)
    assert scores.shape == (3,)
    assert (np.diff(scores) > 0).all()
    assert scores[0] < 0 < scores[2]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layer": 3}, "label: expected one of mood, size, since the file has directions of each"),
        ({"layer": 3, "label": "x"}, "label: 'x'; expected one of mood, size"),
        ({"layer": 9, "label": "mood"}, "layer: 9; expected one of 0, 1, 2, 3"),
        ({"layer": 3, "label": "mood", "estimator": "svm"}, "estimator: 'svm'; expected one of ridge"),
    ],
)
def test_what_is_not_kept_is_refused_in_one_line(corpus: Path, asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        apply(kept(corpus), np.zeros(WIDTH), **asked)  # type: ignore[arg-type]
    assert str(refused.value) == said


def test_states_of_another_width_and_other_files_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{WIDTH}\), the width of the model"):
        apply(kept(corpus), np.zeros(3), label="mood", layer=0)
    with pytest.raises(FathomError, match="no such file; an experiment with `keep_directions: true` writes it"):
        apply(tmp_path / "none.safetensors", np.zeros(WIDTH), layer=0)
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(FathomError, match="holds no directions of probes"):
        apply(tmp_path / "torn.safetensors", np.zeros(WIDTH), layer=0)
