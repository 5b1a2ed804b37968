"""A metric over layers and training is a map and curves; losses stand beside those of unigrams and bigrams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from tests.drawings import check_texts, names

from fathom.figures.drawing.steps import step_edges, step_places
from fathom.figures.metrics.losses import draw_losses, verdict
from fathom.figures.metrics.training import draw_training

STEPS = (0, 1, 2, 4, 8, 1000)
LAYERS = 4


def cells(trainings: tuple[str, ...] = ("small",), forms: tuple[str, ...] = ("with", "without")) -> pd.DataFrame:
    rows = [
        {"training": training, "sinks": form, "step": step, "layer": layer, "value": 0.1 * layer + 0.05 * at}
        for training in trainings
        for form in forms
        for at, step in enumerate(STEPS)
        for layer in range(LAYERS)
    ]
    found = pd.DataFrame(rows).assign(corpus="prose", preparation="centred", texts=24)
    return found.assign(depth=found["layer"] / (LAYERS - 1), low=found["value"] - 0.02, high=found["value"] + 0.03)


def losses(last: float) -> pd.DataFrame:
    steps = np.array([0, 1, 2, 4])
    held_out = pd.DataFrame({"step": steps, "split": "held-out", "loss": [6.9, 6.8, 6.0, last], "error": 0.02})
    return held_out.assign(training="small", tokens=steps * 512, uniform=6.9, unigram=5.8, bigram=4.0)


def test_steps_stand_on_a_logarithmic_axis_with_0_at_its_left_end() -> None:
    np.testing.assert_allclose(step_places([0, 1, 2, 4, 1024]), [-1, 0, 1, 2, 10])
    np.testing.assert_allclose(step_places([0, 512, 143000])[:2], [8, 9])
    np.testing.assert_allclose(step_edges(np.array([-1.0, 0.0, 2.0])), [-1.5, -0.5, 1.0, 3.0])
    np.testing.assert_allclose(step_edges(np.array([3.0])), [2.5, 3.5])


def test_a_map_holds_every_layer_and_step_of_both_forms() -> None:
    picture = draw_training(cells(), title="Entropy", unit="S")
    maps = [mesh for axes in picture.axes for mesh in axes.collections if isinstance(mesh, QuadMesh)]
    maps = [mesh for mesh in maps if mesh.get_array().shape == (LAYERS, len(STEPS))]
    assert len(maps) == 2
    expected = np.array([[0.1 * layer + 0.05 * at for at in range(len(STEPS))] for layer in range(LAYERS)])
    for mesh in maps:
        np.testing.assert_allclose(np.asarray(mesh.get_array()), expected)
        assert mesh.norm.vmin == 0.0  # one scale of colours
    curves = picture.axes[2].get_lines()
    assert len(curves) == 2 * LAYERS
    np.testing.assert_allclose(curves[0].get_xdata(), step_places(STEPS))


def test_several_trainings_stand_below_one_another() -> None:
    picture = draw_training(cells(("small", "large"), ("none",)), title="Entropy", unit="S", notes=["A note."])
    assert {"small", "large"} <= set(names(picture))
    check_texts(picture)


def test_one_step_is_no_training() -> None:
    one = cells()
    with pytest.raises(ValueError, match="cells: small has one step; expected several checkpoints"):
        draw_training(one[one["step"] == 0], title="Entropy", unit="S")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (3.5, "small ends at 3.50 nats a token (2,048 tokens), 0.50 below bigrams."),
        (4.5, "0.50 above bigrams and 1.30 below unigrams: it has learned little."),
        (6.0, "2.00 above bigrams and 0.20 above unigrams: it has learned little."),
    ],
)
def test_a_loss_is_judged_by_unigrams_and_bigrams(last: float, said: str) -> None:
    assert verdict(losses(last)).endswith(said)
    picture = draw_losses(losses(last), title="Loss", unit="nats")
    heights = [line.get_ydata()[0] for line in picture.axes[0].get_lines()[1:]]
    assert heights == [6.9, 5.8, 4.0]
    check_texts(picture)
