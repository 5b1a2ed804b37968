"""What the explore stage makes of the summaries, before a browser sees it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explored import curve, explored, pairs_table, probe_table, write_explored

from fathom.explore.budget import Content, smaller
from fathom.explore.command import fitting_page
from fathom.explore.curves import Curves, as_columns, as_curves, read_curves
from fathom.explore.page import PARTS, without_comments, write_page
from fathom.explore.tokens import NORM_OF_ONE, STEPS_PER_DOUBLING, UNKNOWN, norm_bytes, share_bytes
from fathom.io.summaries import as_summary
from fathom.io.tables import write_table
from fathom.runtime.errors import FathomError
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

Columns = dict[str, Any]


def unpacked(curves: Curves) -> pd.DataFrame:
    """The rows that a browser makes of the columns, by the rules that `as_columns` tells."""
    packed: Columns = as_columns(curves)
    head, body = packed["curves"], packed["points"]
    runs = body["layer"]["runs"]
    steps = [value for value, count in zip(runs[::2], runs[1::2], strict=True) for _ in range(count)]
    rows = []
    row = 0
    for number, count in enumerate(head["points"]):
        unit = 10.0 ** head["decimals"][number]
        value = below = layer = 0
        for _ in range(count):
            step, low, longer = ((body.get(name) or {row: None})[row] for name in ("value", "low", "high"))
            layer += steps[row]
            found: dict[str, object] = {"curve": number, "layer": layer}
            if step is not None:
                value += step
                found["value"] = value / unit
            if low is not None:
                below += low
                found["low"] = (value - below) / unit
            if longer is not None:
                found["high"] = (value + below + longer) / unit
            rows.append(found)
            row += 1
    return pd.DataFrame(rows, columns=["curve", "layer", "value", "low", "high"])


numbers = st.floats(-1e7, 1e7, allow_nan=False).map(lambda x: x if abs(x) > 1e-6 else 0.0)


@given(st.lists(st.tuples(numbers, st.floats(0, 10), st.floats(0, 10), st.booleans()), min_size=1, max_size=12))
def test_numbers_come_back_to_six_digits_of_the_largest(points: list[tuple[float, float, float, bool]]) -> None:
    values = [np.nan if missing else value for value, _, _, missing in points]
    frame = curve("m", "a", max(1, len(points) - 1), values, corpus="c", view="original", sinks="with")
    frame["low"] = frame["value"] - [below for _, below, _, _ in points]
    frame["high"] = frame["value"] + [above for _, _, above, _ in points]
    back = unpacked(as_curves(as_summary(frame)))
    assert back["layer"].tolist() == list(range(len(points)))
    largest = np.nanmax(np.abs(frame[["value", "low", "high"]].to_numpy()), initial=0.0) or 1.0
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(back[name].astype(float), frame[name], rtol=0, atol=2e-5 * max(largest, 1e-6))


def test_curves_keep_their_order_and_their_layers_are_sorted() -> None:
    one = curve("m", "b", 2, [1.0, 2.0, 3.0], corpus="c", view="original", sinks="with")
    two = curve("m", "a", 2, [4.0, 5.0, 6.0], corpus="c", view="original", sinks="with")
    found = as_curves(as_summary(pd.concat([one, two]).sort_values("layer", ascending=False, kind="stable")))
    assert found.curves["model"].tolist() == ["b", "a"]
    assert found.points["layer"].tolist() == [0, 1, 2, 0, 1, 2]
    assert found.curves["depth"].tolist() == [2, 2]


def test_half_of_a_matrix_stands_for_all_where_it_does() -> None:
    table = as_summary(pairs_table("deep", "bible"))
    found = as_curves(table)
    assert found.curves["mirrored"].tolist() == [True]
    assert len(found.points) == 13 * 14 / 2
    turned = table.assign(value=table["value"] + table["layer"].astype(float) / 1000)
    assert as_curves(turned).curves["mirrored"].tolist() == [False]
    assert len(as_curves(turned).points) == 13 * 13
    uneven = table.assign(high=table["high"] + table["layer"].astype(float) / 1000)
    assert as_curves(uneven).curves["mirrored"].tolist() == [False]


def test_random_weights_are_a_control_of_their_model_without_controls_of_their_own(tmp_path: Path) -> None:
    for model in ("deep", "flat"):
        write_table(probe_table(model), tmp_path / f"{model}.parquet")
    tables = [(tmp_path / "deep.parquet", "", ""), (tmp_path / "flat.parquet", "random weights", "deep")]
    found = read_curves(tables).curves
    assert set(found["model"]) == {"deep"}
    assert sorted(found["control"].unique()) == ["", "random weights", "shuffled", "static"]
    assert (found["control"] == "random weights").sum() == 2  # estimators


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pages.append(write_explored(tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_an_old_table_and_a_torn_record_are_refused_in_a_line(tmp_path: Path) -> None:
    old = tmp_path / "old.layers.parquet"
    write_table(pd.DataFrame({"layer": [0], "value": [1.0]}), old)
    with pytest.raises(FathomError, match="an earlier version wrote this table"):
        read_curves([(old, "", "")])
    job, content = explored(tmp_path)
    with contextlib.chdir(tmp_path):
        Path(job.records[0]).write_text("{", encoding="utf-8")
        with pytest.raises(FathomError, match=r"cannot be read as a record"):
            fitting_page(job, content)


def test_what_matters_least_is_left_out_first_and_everything_is_said(tmp_path: Path) -> None:
    job, content = explored(tmp_path)
    content = Content(
        curves=content.curves, tokens=(*content.tokens, *({**one, "text": "text-2"} for one in content.tokens))
    )
    steps = list(smaller(content, job.words))
    told = [step.left_out[-1] for step in steps]
    assert [
        told.index(next(one for one in told if word in one)) for word in ("texts of tokens", "intervals", "forms")
    ] == [
        0,
        1,
        2,
    ]
    assert "matrices (" in " ".join(told)
    assert "all models but the first 1" in told[-1]
    sizes = [len(step.curves.points) for step in steps]
    assert sizes == sorted(sizes, reverse=True)
    assert set(steps[-1].curves.curves["model"]) == {"deep"}
    assert len({one["model"] for one in steps[0].tokens}) == len(steps[0].tokens) == 2
    for step in steps:  # a curve that stays stays whole
        assert step.curves.curves["points"].sum() == len(step.curves.points)


def test_the_page_is_no_larger_than_asked(tmp_path: Path) -> None:
    job, content = explored(tmp_path)
    with contextlib.chdir(tmp_path):
        whole = len(fitting_page(job, content))
        for less in (50, 300, 900):
            small = job.model_copy(update={"megabytes": (whole - less) / 1e6})
            assert len(fitting_page(small, content)) <= whole - less
        with pytest.raises(FathomError, match=r"raise explore\.megabytes"):
            fitting_page(job.model_copy(update={"megabytes": 0.01}), content)


def test_text_in_the_data_cannot_end_its_element() -> None:
    page = write_page({"words": "</script><script>alert(1)</script>"}, "a <title> & more").decode()
    assert page.count("<script") == 2
    assert "<title>a &lt;title&gt; &amp; more</title>" in page
    (data,) = re.findall(r'id="data">([^<]*)</script>', page)
    assert json.loads(gzip.decompress(base64.b64decode(data))) == {"words": "</script><script>alert(1)</script>"}


def test_parts_of_the_page_are_short_and_all_of_them_are_in_it() -> None:
    folder = Path(__file__).parents[2] / "src/fathom"
    assert sorted(PARTS) == sorted(f"explore/browser/{path.name}" for path in (folder / "explore/browser").iterdir())
    for part in PARTS:
        assert len((folder / part).read_text(encoding="utf-8").splitlines()) <= 200
    assert (
        without_comments("/** A word. @type {x} */ const a = 1;\n  // why\n  b('//c');\n") == "const a = 1;\nb('//c');"
    )


def test_norms_and_shares_in_a_byte() -> None:
    ratios = np.array([0.0, 0.5, 1.0, 3.0, 900.0, np.nan], dtype=np.float32)
    found = norm_bytes(ratios).astype(float)
    assert found[5] == UNKNOWN
    assert found[2] == NORM_OF_ONE
    back = 2 ** ((found[1:5] - NORM_OF_ONE) / STEPS_PER_DOUBLING)
    np.testing.assert_allclose(back, ratios[1:5], rtol=0.05)
    assert share_bytes(np.array([0.0, 0.5, 1.0, np.nan], dtype=np.float32)).tolist() == [0, 125, 250, UNKNOWN]


def test_the_page_asks_for_no_table_that_no_figure_is_drawn_from() -> None:
    plan = Plan(Config())
    metrics = {Path(path).name.split(".")[0] for path in plan.explore.tables if "/metrics/" in path}
    assert metrics == set(plan.metrics.names) | set(plan.config.token_metrics)
    few = Plan(load_config({"figures": {"one": {"kind": "metric", "metric": "curvature"}}}, []))
    assert {Path(path).name for path in few.explore.tables} == {"curvature.layers.parquet"}
    told = json.loads(few.explore.settings(Wildcards()))
    assert [one["name"] for one in told["words"]] == ["curvature"]
    assert not [path for path in few.explore.records if "probes" in path]


def test_texts_that_must_not_travel_stay() -> None:
    plan = Plan(load_config({"explore": {"token_texts": 0}}, []))
    assert plan.explore.manifests == []
    assert plan.explore.stores == []
    assert json.loads(plan.explore.settings(Wildcards()))["tokens"] == []
