"""`fathom figures` from the tables of the probes stage to files, for the figures that experiments call for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from tests.drawings import names, points, written
from tests.hierarchy import (
    FILLER,
    LAST,
    choice_rows,
    confusion_rows,
    corpora,
    curve_rows,
    hit_rows,
    job_of,
    order_rows,
    step_tables,
    told,
    told_rows,
    with_dips,
)
from tests.unit.test_figures_coordination import coordination, panel

from fathom.figures.base import FigureTable, ProbeFigure
from fathom.figures.command import command
from fathom.figures.command import draw as draw_job
from fathom.figures.drawing.style import DOUBLE_COLUMN, ONE_AND_A_HALF, PALETTE
from fathom.figures.job import Table
from fathom.figures.probes.coordination import OF_SCORES
from fathom.figures.settings import (
    CoordinationFigure,
    EarlyContextFigure,
    ProbesFigure,
    PropertiesFigure,
    SitesFigure,
    SpansFigure,
    SummaryFigure,
)
from fathom.io.corpus_table import write_corpus
from fathom.io.tables import write_table
from fathom.probes.peak_orders import Step
from fathom.workflow.figure_tables import figure_tables
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.wildcards import Wildcards

SITES = ("residual", "attention", "mlp")
CONFIG: dict[str, Any] = {
    "models": {"real": {"source": "hub", "repository": "owner/name", "revision": "0123456789abcdef", "label": "Real"}},
    "corpora": {
        "items": {"kind": "items"},
        "relations": {"kind": "relations"},
        "analogies": {"kind": "analogies"},
        "early": {"kind": "early-context", "filler": list(FILLER)},
    },
    "activations": {"corpora": {"relations": {"sites": list(SITES), "attention_texts": 20}}},
    "probes": {
        "items": {"corpus": "items", "positions": ["span:item"], "labels": ["edible", "manmade"]},
        "relations": {
            "corpus": "relations",
            "title": "pairs",
            "sites": list(SITES),
            "positions": ["span:second", "span:first"],
            "labels": ["related"],
            "coordination": {},
        },
        "analogies": {"corpus": "analogies", "positions": ["span:fourth"], "labels": ["same_relation"]},
        "early": {"corpus": "early", "positions": ["last"], "labels": ["related"], "estimators": ["ridge"]},
        "every": {"corpus": "items", "positions": ["span:item"], "estimators": ["ridge"]},
    },
    "uncertainty": {"bootstrap": 100},
}
LABELS = {
    "items": ("edible", "alive"),
    "moods": ("edible", "alive"),
    "every": ("edible", "alive"),
    "analogies": ("same_relation",),
}
PEAKS = {"items": 2, "relations": 4, "analogies": 6, "early": 3, "every": 2, "moods": 2}
FIGURES = (
    "probes-svm",
    "probes-ridge",
    "every-real",
    "relations-spans",
    "relations-sites",
    "early-decay",
    "relations-coordination-real",
    "probe-summary",
)


@dataclass(frozen=True)
class Drawn:
    """What a run of the command wrote."""

    numbers: pd.DataFrame
    text: str


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(load_config(CONFIG, []))


@pytest.fixture(scope="module")
def made(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    """Every figure, once."""
    folder = tmp_path_factory.mktemp("figures")
    return {figure: run(plan, figure, folder) for figure in plan.figures.names}


def run(plan: Plan, figure: str, folder: Path) -> Drawn:
    paths = [write(plan, table, folder) for table in figure_tables(plan.config, figure)]
    outputs = {kind: folder / "new" / f"{figure}.{kind}" for kind in ("svg", "png", "csv", "text")}
    options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
    arguments = ["--settings", plan.figures.settings(Wildcards(figure=figure)), *options, *map(str, paths)]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Drawn(
        numbers=pd.read_csv(outputs["csv"], keep_default_na=False, na_values=[""]),
        text=outputs["text"].read_text(encoding="utf-8"),
    )


def write(plan: Plan, table: FigureTable, folder: Path) -> Path:
    """Write one made-up table, if it is not there yet."""
    path = folder / f"{table.model}-{table.corpus_or_experiment}-{table.content}.parquet"
    if path.exists():
        return path
    match table.content:
        case "texts":
            write_corpus(corpora()[table.corpus_or_experiment], path, table.corpus_or_experiment)
        case "coordination":
            write_table(measures(), path)
        case "choices":
            write_table(choice_rows(curves(plan, table.corpus_or_experiment, random=False)), path)
        case "confusion":
            write_table(confusion_rows(curves(plan, table.corpus_or_experiment, random=False)), path)
        case "told":
            write_table(told_rows(hits(plan, table.corpus_or_experiment)), path)
        case "order":
            write_table(order_rows([step(plan, name) for name in table.corpus_or_experiment.split("+")]), path)
        case _:
            random = table.control == "random"
            name = table.corpus_or_experiment
            write_table(curves(plan, name, random=True) if random else step(plan, name).curves, path)
    return path


def step(plan: Plan, name: str) -> Step:
    """What the probes of an experiment found, with the dips at every place."""
    corpus, found, rows = (
        corpora()[plan.config.experiments[name].corpus],
        hits(plan, name),
        curves(plan, name, random=False),
    )
    place = ["view", "site", "position"]
    parts = [
        with_dips(part, found[(found[place] == list(key)).all(axis=1)], corpus)
        for key, part in rows.groupby(place, sort=False)
    ]
    return Step(name, pd.concat(parts, ignore_index=True), found, corpus)


def measures() -> pd.DataFrame:
    """What was measured of two estimators, and what needs none."""
    rows = coordination(of=("related",), last=LAST).drop(columns=["model", "experiment"]).assign(position="span:second")
    of_scores = rows["measure"].isin(OF_SCORES)
    parts = [rows[of_scores].assign(estimator=one) for one in ("svm", "ridge")]
    return pd.concat([*parts, rows[~of_scores].assign(estimator="")], ignore_index=True)


def places(plan: Plan, name: str) -> Iterator[dict[str, Any]]:
    one = plan.config.experiments[name]
    views = {"start 0": 0.0, "start 4": 4.0, "end 4": 4.0} if name == "early" else {"original": np.nan}
    for view, quantity in views.items():
        for site in one.sites:
            for position in one.positions:
                pair_at = view.split()[0] if name == "early" else ""
                yield {"view": view, "quantity": quantity, "pair_at": pair_at, "site": site, "position": position}


def controls(name: str) -> tuple[str, ...]:
    """An early-context corpus has no other templates."""
    return ("shuffled", "static") if name == "early" else ("shuffled", "static", "template split", "control task")


def curves(plan: Plan, name: str, *, random: bool) -> pd.DataFrame:
    one = plan.config.experiments[name]
    labels = LABELS.get(name, ("related",))
    rows = []
    for place in places(plan, name):
        for label in ("mean", *labels) if len(labels) > 1 else labels:
            for estimator in one.estimators:
                for control in ("",) if random else ("", *controls(name)):
                    of: dict[str, Any] = {"label": label, "estimator": estimator, **place}
                    peak = 1 if random else PEAKS[name] + (place["position"] == "span:first")
                    found = curve_rows(peak, control=control, **of)
                    rows.append(found[found["layer"] > 0] if place["site"] != "residual" and len(found) > 1 else found)
                    if not random and control == "" and estimator == "ridge":
                        rows.append(found.assign(selection="inner", p_family_wise=np.nan))
    return pd.concat(rows, ignore_index=True)


def hits(plan: Plan, name: str) -> pd.DataFrame:
    corpus = corpora()[plan.config.experiments[name].corpus]
    return pd.concat(
        [
            hit_rows(corpus, label, told(peak=PEAKS[name]), estimator=estimator, **place)
            for place in places(plan, name)
            for label in LABELS.get(name, ("related",))
            for estimator in plan.config.experiments[name].estimators
        ],
        ignore_index=True,
    )


# The command ---------------------------------------------------------------------------------------------------------


def test_the_experiments_call_for_these_figures(plan: Plan) -> None:
    assert set(plan.figures.names) == set(FIGURES)


def test_every_figure_has_the_controls_of_its_experiments(made: dict[str, Drawn]) -> None:
    for figure, drawn in made.items():
        for word in ("Real (owner/name at 0123456789ab", "not a replication", "random weights", "200 block-wise"):
            assert word in drawn.text, (figure, word)
        if figure != "probe-summary":
            expected = {"", "random", *controls("early" if figure == "early-decay" else "items")}
            assert set(drawn.numbers["control"].fillna("")) == expected, figure


def test_the_order_and_the_dips_are_noted_under_the_curves_only(made: dict[str, Drawn]) -> None:
    for figure, drawn in made.items():
        notes = drawn.text.splitlines()[1:]
        if figure.startswith("probes-"):
            order, dips = notes
            assert order.startswith("Real: items < pairs <= analogies: agree. Peaks (layers, counted from the first):")
            assert dips.startswith("Real, dip between two maxima: items ")
        else:
            assert notes == [], figure


def test_the_numbers_of_curves_are_those_of_the_tables(made: dict[str, Drawn]) -> None:
    for estimator in ("svm", "ridge"):
        numbers = made[f"probes-{estimator}"].numbers
        assert (set(numbers["model"]), set(numbers["model_title"])) == ({"real"}, {"Real"})
        assert set(numbers["estimator"]) == {estimator}
        assert list(numbers["experiment"].unique()) == ["items", "relations", "analogies"]
        assert list(numbers["experiment_title"].unique()) == ["items", "pairs", "analogies"]
        assert numbers.groupby("experiment_title")["label"].unique().map(list).to_dict() == {
            "items": ["mean"],
            "pairs": ["related"],
            "analogies": ["same_relation"],
        }
        shown = numbers[numbers["control"].isna() & (numbers["selection"] == "fixed")]
        for name in ("items", "relations", "analogies"):
            expected = curve_rows(PEAKS[name])["score"]
            np.testing.assert_allclose(shown.loc[shown["experiment"] == name, "score"], expected)
    assert set(made["probes-ridge"].numbers["selection"]) == {"fixed", "inner"}


def test_each_figure_has_its_own_places(made: dict[str, Drawn]) -> None:
    spans, sites, early = (made[name].numbers for name in ("relations-spans", "relations-sites", "early-decay"))
    assert (list(spans["position"].unique()), set(spans["site"])) == (["span:second", "span:first"], {"residual"})
    assert (list(sites["site"].unique()), set(sites["position"])) == (list(SITES), {"span:second"})
    assert list(early["view"].unique()) == ["start 0", "start 4", "end 4"]
    assert list(made["every-real"].numbers["label"].unique()) == ["mean", "edible", "alive"]
    for numbers in (spans, sites, early, made["every-real"].numbers):
        assert set(numbers["selection"]) == {"fixed"}
        assert set(numbers["estimator"]) == {"ridge"}


def test_coordination_is_written_beside_the_scores_at_the_attention(made: dict[str, Drawn]) -> None:
    numbers = made["relations-coordination-real"].numbers
    scores, measured = (numbers[numbers["part"] == part] for part in ("scores", "coordination"))
    assert set(scores["site"]) == {"attention"}
    assert set(scores["position"]) == {"span:second"}
    assert measured["measure"].tolist() == measures()["measure"].tolist()
    np.testing.assert_allclose(measured["value"], measures()["value"])


def test_the_summary_has_every_place_with_its_dip(made: dict[str, Drawn]) -> None:
    table = made["probe-summary"].numbers
    of_pairs = table[table["experiment"] == "relations"]
    assert len(of_pairs) == 2 * 3 * 2  # estimators, sites, positions
    assert of_pairs["dip"].notna().all()
    first = of_pairs.iloc[0]
    assert (first["site"], first["position"], first["peak"]) == ("residual", "span:second", PEAKS["relations"])
    assert first["score"] == pytest.approx(0.8)
    other = of_pairs[of_pairs["position"] == "span:first"]
    assert set(other["peak"]) == {PEAKS["relations"] + 1}
    assert table.groupby("experiment")["view"].unique().map(list).to_dict()["early"] == ["start 0", "start 4", "end 4"]
    assert (table["selectivity"].isna() == (table["experiment"] == "early")).all()
    for column in ("random", "shuffled", "static", "texts", "groups", "peak_low", "normalised"):
        assert table[column].notna().all(), column


# What is drawn -------------------------------------------------------------------------------------------------------


def draw(settings: ProbeFigure, tables: list[tuple[Table, pd.DataFrame]]) -> tuple[pd.DataFrame, Figure]:
    drawn = draw_job(tables, job_of(settings, tables))
    return drawn.numbers, drawn.picture


def one_table(*rows: pd.DataFrame, content: str = "probes", of: str = "e") -> tuple[Table, pd.DataFrame]:
    return Table(model="m", corpus_or_experiment=of, content=content), pd.concat(rows, ignore_index=True)


def foot(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in figure.texts)


def test_one_model_has_room_for_its_notes() -> None:
    settings = ProbesFigure(kind="probes", estimator="ridge")
    tables = step_tables({"items": 2, "relations": 4})
    _, figure = draw(settings, tables)
    assert figure.get_figwidth() == ONE_AND_A_HALF
    assert "m: items < relations: agree." in foot(figure)
    other = step_tables({"items": 2, "relations": 4}, model="n")
    assert draw(settings, [*tables, *other])[1].get_figwidth() == DOUBLE_COLUMN


def test_sites_are_worded_in_the_figure_and_named_in_the_numbers() -> None:
    table = one_table(*(curve_rows(site=site) for site in SITES))
    numbers, figure = draw(SitesFigure(kind="sites", experiments=("e",)), [table])
    assert names(figure) == ["m, residual stream", "m, attention output", "m, MLP output"]
    assert list(numbers["site"].unique()) == list(SITES)


def test_early_context_reads_the_first_site_and_position() -> None:
    rows = [
        curve_rows(peak, view=f"start {n}", quantity=float(n), pair_at="start", site=site, position=position)
        for n in (0, 4)
        for peak, site, position in ((3, "mlp", "last"), (5, "residual", "last"), (6, "mlp", "mean"))
    ]
    numbers, figure = draw(EarlyContextFigure(kind="early-context", experiment="e"), [one_table(*rows)])
    np.testing.assert_allclose(points(figure.axes[0], "start 4"), curve_rows(3)[["depth", "score"]])
    assert set(numbers["site"]) == {"mlp"}
    assert set(numbers["position"]) == {"last"}


def test_numbers_are_drawn_by_their_correlation() -> None:
    table = one_table(*(curve_rows(label="length", measure=measure, chance=0.0) for measure in ("r", "r2")))
    _, figure = draw(ProbesFigure(kind="probes"), [table])
    assert "r" in [axes.get_ylabel() for axes in figure.axes]


def test_an_experiment_that_cannot_be_drawn_is_named() -> None:
    tables = [
        one_table(curve_rows()),
        one_table(curve_rows(label="length", measure="r", chance=0.0), of="lengths"),
    ]
    _, figure = draw(ProbesFigure(kind="probes"), tables)
    assert "Not drawn, for their labels are numbers, not classes: lengths." in foot(figure)


def test_properties_of_the_fixed_penalty() -> None:
    rows = [curve_rows(label=label, selection=one) for label in ("edible", "alive") for one in ("fixed", "inner")]
    numbers, figure = draw(PropertiesFigure(kind="properties", model="m", experiment="e"), [one_table(*rows)])
    assert names(figure) == ["edible", "alive"]
    assert len(numbers) == 2 * (LAST + 1)


def test_spans_at_the_first_site() -> None:
    rows = [curve_rows(site=site, position=f"span:{name}") for site in ("mlp", "residual") for name in ("one", "two")]
    numbers, figure = draw(SpansFigure(kind="spans", experiments=("e",)), [one_table(*rows)])
    assert set(numbers["site"]) == {"mlp"}
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["one", "two"]


def at_attention(labels: tuple[str, ...]) -> list[tuple[Table, pd.DataFrame]]:
    rows = [
        curve_rows(label=label, site=site, estimator="svm")
        for site in ("residual", "attention")
        for label in ("mean", *labels)
    ]
    found = coordination(of=labels, last=LAST).drop(columns=["model", "experiment"]).assign(position="span:second")
    return [one_table(*rows), one_table(found, content="coordination")]


COORDINATION = CoordinationFigure(kind="coordination", model="m", experiment="e", estimator="svm")


def test_coordination_has_the_scores_of_every_label_that_it_is_of() -> None:
    numbers, figure = draw(COORDINATION, at_attention(("edible", "alive")))
    assert set(numbers.loc[numbers["part"] == "scores", "label"]) == {"edible", "alive"}
    lines = [str(line.get_label()) for line in panel(figure, "m").get_lines()]
    assert {"edible", "alive"} <= set(lines)
    assert "mean" not in lines


def test_coordination_says_where_it_has_no_form_without_sinks() -> None:
    scores, (table, rows) = at_attention(("edible",))
    both = pd.concat([rows.assign(sinks=form, position="mean") for form in ("with", "without")])
    said = "Coordination is not measured without sink tokens, since too few groups have texts with other tokens: e (m)."
    for found, expected in ((rows.assign(position="mean"), True), (both, False), (rows, False)):
        _, figure = draw(COORDINATION, [scores, (table, found)])
        assert (said in foot(figure)) == expected


def test_coordination_of_more_labels_than_colours_shows_the_first() -> None:
    labels = tuple(f"label{at}" for at in range(len(PALETTE) + 2))
    numbers, figure = draw(COORDINATION, at_attention(labels))
    assert f"Scores of {len(PALETTE)} of {len(labels)} labels are shown." in foot(figure)
    assert set(numbers.loc[numbers["part"] == "scores", "label"]) == set(labels)
    measured = numbers.loc[numbers["part"] == "coordination"]
    assert set(measured.loc[measured["measure"] == "complementarity", "label"]) == set(labels)


def test_colours_of_attention_have_round_numbers() -> None:
    tables = at_attention(("edible",))
    table, rows = tables[1]
    uneven = rows.assign(value=rows["value"].where(rows["measure"] != "attention", 0.589657))
    _, figure = draw(COORDINATION, [tables[0], (table, uneven)])
    (bar,) = [axes for axes in figure.axes if axes.get_xlabel() == "correlation of attention weights"]
    ticks = [tick.get_text() for tick in bar.get_xticklabels()]
    assert ticks == ["\N{MINUS SIGN}0.4", "\N{MINUS SIGN}0.2", "0", "0.2", "0.4"]


def test_the_summary_shows_the_first_place_and_writes_all() -> None:
    rows = [
        curve_rows(peak, position=position, site=site)
        for peak, site, position in ((3, "mlp", "span:first"), (4, "mlp", "span:second"), (6, "residual", "span:first"))
    ]
    other = one_table(curve_rows(7, site="residual"), of="other")
    numbers, figure = draw(SummaryFigure(kind="probe-summary"), [one_table(*rows), other])
    assert numbers["peak"].tolist() == [3, 4, 6, 7]
    assert numbers["site"].tolist() == ["mlp", "mlp", "residual", "residual"]
    cells = " ".join(written(figure))
    assert "MLP output" in cells
    assert "residual stream" in cells
    assert "span:second" not in cells
