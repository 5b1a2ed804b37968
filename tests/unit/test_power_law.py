"""Power-law spectra have the entropies that can be worked out by hand, and their figure shows them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fathom.figures.drawing.style import render
from fathom.figures.metrics.power_law import draw_power_law
from fathom.statistics.power_law import power_law, power_law_entropies


def test_flat_spectrum_has_the_largest_entropy_at_every_alpha() -> None:
    table = power_law_entropies([0.0], [0.3, 1.0, 2.0, 7.0], dimension=64)
    np.testing.assert_allclose(table["value"], math.log(64))
    np.testing.assert_allclose(table["value_larger_half"], math.log(32))


def test_by_hand() -> None:
    # 1, 1/2, 1/3 over their sum 11/6, and the larger two alone.
    np.testing.assert_allclose(power_law(1.0, 3), [6 / 11, 3 / 11, 2 / 11])
    table = power_law_entropies([1.0], [2.0], dimension=3)
    assert table["value"][0] == pytest.approx(-math.log((36 + 9 + 4) / 121))
    assert table["value_larger_half"][0] == pytest.approx(-math.log((4 + 1) / 9))
    shannon = power_law_entropies([1.0], [1.0], dimension=2)["value"][0]
    assert shannon == pytest.approx(-(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3))


def test_steep_spectra_have_one_direction() -> None:
    table = power_law_entropies([60.0], [0.5, 1.0, 2.0], dimension=100)
    assert (table["value"] < 1e-6).all()


def test_entropy_falls_with_beta_and_with_alpha() -> None:
    table = power_law_entropies([0.0, 0.5, 1.0, 2.0], [0.5, 1.0, 2.0], dimension=256)
    grid = table.pivot(index="beta", columns="alpha", values="value").to_numpy()
    assert (np.diff(grid, axis=0) < 0).all()
    assert (np.diff(grid[1:], axis=1) < 0).all()


def test_smaller_eigenvalues_count_for_less_at_a_larger_alpha() -> None:
    """The sentence under the paper's figure says the contrary."""
    table = power_law_entropies([1.0, 2.0], [0.5, 1.0, 2.0], dimension=256)
    lost = (1 - table["value_larger_half"] / table["value"]).to_numpy().reshape(2, 3)
    assert (np.diff(lost, axis=1) < 0).all()


def test_figure_shows_the_table() -> None:
    table = power_law_entropies([0.0, 1.0, 2.0], [0.5, 1.0], dimension=16)
    figure = draw_power_law(table, title="Power laws", notes=["a note"])
    by_beta, by_alpha, lost = figure.axes[:3]
    (half,) = [line for line in by_beta.get_lines() if line.get_label() == "α = 0.5"]
    np.testing.assert_allclose(np.asarray(half.get_xydata()), table[table["alpha"] == 0.5][["beta", "value"]])
    (one,) = [line for line in by_alpha.get_lines() if line.get_label() == "β = 1"]
    np.testing.assert_allclose(np.asarray(one.get_xydata()), table[table["beta"] == 1][["alpha", "value"]])
    (flat,) = [line for line in lost.get_lines() if line.get_label() == "α = 1"]
    assert np.asarray(flat.get_ydata())[0] == pytest.approx(1 - math.log(8) / math.log(16))
    again = draw_power_law(table, title="Power laws", notes=["a note"])
    assert render(figure, "svg") == render(again, "svg")


def test_more_lines_than_colours_are_thinned_out_evenly() -> None:
    table = power_law_entropies([float(beta) for beta in range(11)], [0.5], dimension=4)
    figure = draw_power_law(table, title="")
    labels = [line.get_label() for line in figure.axes[1].get_lines()]
    assert labels == [f"β = {beta}" for beta in (0, 2, 4, 6, 8, 10)]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="beta: -1"):
        power_law_entropies([-1.0], [1.0], dimension=4)
    with pytest.raises(ValueError, match="alphas: 0"):
        power_law_entropies([1.0], [0.0], dimension=4)
    with pytest.raises(ValueError, match="dimension: 1"):
        power_law_entropies([1.0], [1.0], dimension=1)
    with pytest.raises(ValueError, match="dimension: 0"):
        power_law(1.0, 0)
    with pytest.raises(ValueError, match="at least one"):
        power_law_entropies([], [1.0], dimension=4)
    table = power_law_entropies([0.0, 1.0], [0.5, 1.0], dimension=4)
    with pytest.raises(ValueError, match="columns are missing: beta"):
        draw_power_law(table.drop(columns="beta"), title="")
    with pytest.raises(ValueError, match="every beta with every alpha once"):
        draw_power_law(table.iloc[1:], title="")
    with pytest.raises(ValueError, match="NaN"):
        draw_power_law(table.assign(value=np.nan), title="")
    with pytest.raises(ValueError, match="dimension"):
        draw_power_law(table.assign(dimension=[4, 4, 4, 5]), title="")
