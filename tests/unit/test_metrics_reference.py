"""The metrics against reference values: the papers' formulas (`paper`) and the public code of skean2025 (`compat`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fathom.metrics import (
    as_published,
    curvature,
    dime_with_error,
    effective_rank,
    infonce,
    lidar,
    matrix_entropy,
    prepare,
)

DATA = Path(__file__).parents[1] / "data"
ARRAYS = dict(np.load(DATA / "metric_cases.npz"))
VALUES = json.loads((DATA / "metric_cases.json").read_text())
LAYERS = [(case, layer) for case in VALUES for layer in range(len(ARRAYS[case]))]
TOKENS = [(case, layer) for case, layer in LAYERS if case.startswith("tokens")]
PAIRS = [(case, layer) for case, layer in LAYERS if "infonce" in VALUES[case].get("compat", {})]
LIDAR = [(case, layer) for case, layer in LAYERS if "lidar" in VALUES[case].get("compat", {})]

# Both sides are float64 throughout, so nothing but rounding parts them.
EXACT = 1e-12
# The reference adds up its scatter matrices in float32.
SINGLE = 1e-6


def test_the_reference_holds_what_the_tests_below_read() -> None:
    assert (len(TOKENS), len(PAIRS), len(LIDAR)) == (12, 6, 3)
    assert len(LAYERS) == len(TOKENS) + len(PAIRS) + len(LIDAR)
    for case, layers in ARRAYS.items():
        for family in VALUES[case].values():
            for values in family.values():
                lists = list(values.values()) if isinstance(values, dict) else [values]
                assert [len(entries) for entries in lists] == [len(layers)] * len(lists)


@pytest.mark.parametrize(("case", "layer"), TOKENS)
def test_entropy_of_the_paper(case: str, layer: int) -> None:
    by_alpha = VALUES[case]["paper"]["prompt_entropy_nats"]
    assert sorted(by_alpha) == ["0.5", "1", "2", "3"]
    for alpha, expected in by_alpha.items():
        # Orders below 1 weigh the smallest eigenvalues, which keep the fewest digits.
        rounding = EXACT if float(alpha) >= 1.0 else 1e-9
        assert matrix_entropy(ARRAYS[case][layer], alpha=float(alpha)) == pytest.approx(expected[layer], rel=rounding)


@pytest.mark.parametrize(("case", "layer"), TOKENS)
def test_curvature_of_the_paper(case: str, layer: int) -> None:
    expected = VALUES[case]["paper"]["curvature_rad"][layer]
    assert curvature(ARRAYS[case][layer]) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(("case", "layer"), TOKENS)
def test_effective_rank_of_the_paper(case: str, layer: int) -> None:
    expected = VALUES[case]["paper"]["effective_rank"][layer]
    # Eigenvalues lose half of the digits of the small singular values.
    assert effective_rank(ARRAYS[case][layer]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("case", "layer"), TOKENS)
def test_prompt_entropy_as_published(case: str, layer: int) -> None:
    expected = {variant: values[layer] for variant, values in VALUES[case]["compat"]["prompt_entropy"].items()}
    assert as_published.prompt_entropy(ARRAYS[case][layer]) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(("case", "layer"), TOKENS)
def test_curvature_as_published(case: str, layer: int) -> None:
    expected = VALUES[case]["compat"]["curvature"][layer]
    assert as_published.curvature(ARRAYS[case][layer]) == pytest.approx(expected, rel=EXACT)


def views(case: str, layer: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    pair = ARRAYS[case][layer]
    return pair[:, 0], pair[:, 1]


@pytest.mark.parametrize(("case", "layer"), PAIRS)
def test_infonce_as_published(case: str, layer: int) -> None:
    a, b = views(case, layer)
    expected = {variant: values[layer] for variant, values in VALUES[case]["compat"]["infonce"].items()}
    assert as_published.infonce(a, b) == pytest.approx(expected, rel=EXACT)
    plain = infonce(prepare(a, "centred"), prepare(b, "centred"))
    assert plain == pytest.approx(expected["raw"], rel=EXACT)


@pytest.mark.parametrize(("case", "layer"), PAIRS)
def test_dime_as_published_within_its_permutation_error(case: str, layer: int) -> None:
    a, b = views(case, layer)
    expected = VALUES[case]["compat"]["dime_gram_nats_2000_permutations"][layer]
    value, error = as_published.dime_with_error(a, b, permutations=200, seed=0)
    # The reference is an average too, over 2,000 permutations, which adds a twentieth to the error.
    assert abs(value - expected) <= 4.0 * error
    # The error is small enough for the comparison to mean something: a few hundredths of the value.
    assert error < 0.03 * expected
    assert as_published.dime(a, b, permutations=200, seed=0) == value
    plain = dime_with_error(prepare(a, "centred"), prepare(b, "centred"), permutations=200, seed=0)
    assert plain == pytest.approx((value, error), rel=EXACT)


@pytest.mark.parametrize(("case", "layer"), LIDAR)
def test_lidar_as_published(case: str, layer: int) -> None:
    array = ARRAYS[case][layer]
    expected = {variant: values[layer] for variant, values in VALUES[case]["compat"]["lidar"].items()}
    assert as_published.lidar(array) == pytest.approx(expected, rel=SINGLE)
    prepared = np.stack([prepare(array[:, view], "centred") for view in range(array.shape[1])], axis=1)
    assert lidar(prepared) == pytest.approx(expected["raw"], rel=SINGLE)
