"""The hierarchy of items, relations and analogies (E1 to E7) in small, on tables and a model of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.tiny import tiny_llama
from tests.workflow.project import Project

BLOCKS = 6  # coordination wants five
ITEMS = """\
item,category,alive,edible,size [log10 m]
cat,animal,1,0,-0.3
dog,animal,1,0,0.0
cow,animal,1,1,0.4
hen,animal,1,1,-0.5
bee,animal,1,0,-1.9
ant,animal,1,0,-2.4
cup,thing,0,0,-1.0
pot,thing,0,0,-0.6
saw,thing,0,0,-0.2
bed,thing,0,0,0.3
pie,thing,0,1,-0.5
bun,thing,0,1,-0.9
oak,plant,1,0,1.3
fir,plant,1,0,1.5
yew,plant,1,0,1.1
fig,plant,0,1,-1.2
pea,plant,0,1,-2.1
nut,plant,0,1,-1.6
"""
PAIRS = """\
first,second,relation
cat,kit,young
dog,pup,young
cow,calf,young
hen,chick,young
bee,hive,home
ant,hill,home
bear,den,home
bird,nest,home
cook,pot,tool
poet,pen,tool
smith,anvil,tool
tailor,needle,tool
oak,acorn,part
car,wheel,part
door,knob,part
shoe,sole,part
"""
SMALL: dict[str, Any] = {
    "folds": 2,
    "inner_folds": 2,
    "repeats": 1,
    "permutations": 20,
    "ridge_penalties": [10.0, 1.0],
    "margin_penalties": [10.0, 1.0],
    "control_draws": 2,
    "estimators": ["ridge"],
    "inner": [],
    "controls": ["shuffled", "static"],
}
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "items": {
        "corpus": "items",
        "positions": ["span:item"],
        "labels": ["alive", "edible"],
        "stratify_by": "category",
        "estimators": ["svm", "ridge"],
        "inner": ["svm", "ridge"],
        "controls": ["shuffled", "static", "selectivity"],
    },
    "properties": {"corpus": "items", "positions": ["span:item"], "stratify_by": "category"},
    "relations": {
        "corpus": "relations",
        "positions": ["span:second"],
        "labels": ["related"],
        "estimators": ["ridge", "logistic"],
        "controls": ["random", "shuffled", "static", "selectivity"],
    },
    "analogies": {"corpus": "analogies", "positions": ["span:fourth"], "labels": ["same_relation"]},
    "places": {
        "corpus": "relations",
        "sites": ["residual", "attention", "mlp"],
        "positions": ["span:second", "span:first"],
        "labels": ["related"],
        "controls": ["random"],
        "coordination": {"splits": 2, "k": 3, "samples": 20},
    },
    "documents": {"corpus": "documents", "positions": ["last"], "labels": ["one_theme"]},
    "early": {"corpus": "early", "positions": ["last"], "labels": ["related"]},
}
FIGURES: dict[str, dict[str, Any]] = {
    "levels": {"kind": "probes", "experiments": ["items", "relations", "analogies", "documents"]},
    "properties": {"kind": "properties", "model": "tiny", "experiment": "properties"},
    "spans": {"kind": "spans", "experiments": ["places"]},
    "sites": {"kind": "sites", "experiments": ["places"]},
    "decay": {"kind": "early-context", "experiment": "early"},
    "coordination": {"kind": "coordination", "model": "tiny", "experiment": "places"},
    "summary": {"kind": "probe-summary"},
}
CONFIG: dict[str, Any] = {
    "models": {"tiny": {"source": "path", "path": "tiny", "label": "Tiny"}},
    "corpora": {
        "items": {"kind": "items", "table": "items.csv"},
        "relations": {"kind": "relations", "table": "pairs.csv"},
        "analogies": {"kind": "analogies", "table": "pairs.csv"},
        "documents": {"kind": "documents", "table": "items.csv", "sentences": 2},
        "early": {"kind": "early-context", "table": "pairs.csv", "filler": [0, 4]},
    },
    "activations": {
        "device": "cpu",
        "positions": ["mean", "last", "spans"],
        "corpora": {"relations": {"sites": ["residual", "attention", "mlp"], "attention_texts": 64}},
    },
    "probes": {name: SMALL | experiment for name, experiment in EXPERIMENTS.items()},
    "figures": FIGURES,
    "uncertainty": {"bootstrap": 100},
}
PLACE = ["view", "site", "position", "sinks", "label", "estimator", "selection"]
COLUMNS: dict[str, list[str]] = {
    "layers": [
        *PLACE,
        *("control", "measure", "layer", "depth", "score", "low", "high", "chance", "normalised", "p_family_wise"),
        *("peak", "peak_low", "peak_high", "centre", "centre_low", "centre_high", "texts", "groups", "distance"),
        *("quantity", "pair_at", "texts_with_sinks", "texts_left_out", "gap", "gap_low", "gap_high"),
        *("test_corpus", "texts_known", "stage", "name", "model", "corpus"),
        *("dip", "dip_low", "dip_high", "dip_left", "dip_bottom", "dip_right", "dip_reason"),
    ],
    "folds": [*PLACE, "quantity", "control", "layer", "depth", "repeat", "fold", "texts", "score", "penalty"],
    "texts": [*PLACE, "quantity", "control", "layer", "depth", "text", "group", "class", "hit"],
    "coordination": [
        *(
            "sinks",
            "estimator",
            "label",
            "measure",
            "layer",
            "depth",
            "other_layer",
            "other_depth",
            "value",
            "low",
            "high",
        ),
        *("null", "null_low", "null_high", "p", "texts", "groups"),
        *("stage", "name", "model", "corpus", "view", "site", "position"),
    ],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has run all seven families of experiments. Copy it before changing it."""
    project = unmade(tmp_path_factory.mktemp("hierarchy") / "project")
    project.run()
    return project


def unmade(folder: Path) -> Project:
    project = Project(folder)
    folder.mkdir()
    tiny_llama(folder / "tiny", layers=BLOCKS)
    (folder / "items.csv").write_text(ITEMS, encoding="utf-8")
    (folder / "pairs.csv").write_text(PAIRS, encoding="utf-8")
    write_config(project, CONFIG)
    return project


def write_config(project: Project, config: dict[str, Any]) -> None:
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def probes(project: Project, experiment: str, table: str = "layers", model: str = "tiny") -> pd.DataFrame:
    name = f"{experiment}.parquet" if table == "folds" else f"{experiment}.{table}.parquet"
    return pd.read_parquet(project.folder / "results/probes" / model / name)


def of_stage(messages: list[str], *starts: str) -> list[str]:
    return [message for message in messages if message.startswith(starts)]


def test_every_figure_of_the_hierarchy(made: Project) -> None:
    for figure in FIGURES:
        for kind in ("svg", "png", "csv", "txt"):
            assert (made.folder / f"results/figures/{figure}.{kind}").stat().st_size > 0, f"{figure}.{kind}"
        assert "Tiny" in (made.folder / f"results/figures/{figure}.txt").read_text(encoding="utf-8")


def test_a_second_run_does_nothing(made: Project) -> None:
    assert made.planned() == []


def test_tables_have_the_columns_that_the_readme_names(made: Project) -> None:
    for experiment in EXPERIMENTS:
        for table in ("layers", "folds", "texts"):
            assert set(probes(made, experiment, table)) == set(COLUMNS[table]), f"{experiment}, {table}"
    assert set(probes(made, "places", "coordination")) == set(COLUMNS["coordination"])


def test_curves_of_every_label_estimator_and_control(made: Project) -> None:
    items = probes(made, "items")
    assert set(items["label"]) == {"alive", "edible", "mean"}
    assert set(items["control"]) == {"", "shuffled", "static", "template split", "control task"}
    curves = items[items["control"] == ""]
    assert set(zip(curves["estimator"], curves["selection"], strict=True)) == {
        (estimator, selection) for estimator in ("svm", "ridge") for selection in ("fixed", "inner")
    }
    assert set(curves["layer"]) == set(range(BLOCKS + 1))
    assert set(items.loc[items["control"] == "static", "layer"]) == {0}
    tested = curves[(curves["measure"] == "balanced_accuracy") & (curves["estimator"] == "ridge")]
    assert tested["p_family_wise"].between(1 / 21, 1).all()
    properties = probes(made, "properties")
    measures = properties[properties["control"] == ""].groupby("label")["measure"].unique().map(set).to_dict()
    assert measures["size"] == {"r", "r2"}
    assert measures["category"] == {"balanced_accuracy", "auc"}
    assert measures["alive"] == {"balanced_accuracy", "auc", "r", "r2"}
    random = probes(made, "relations", model="tiny-random")
    assert set(random["control"]) == {""}
    assert random["p_family_wise"].isna().all()


def test_sites_spans_and_distances(made: Project) -> None:
    places = probes(made, "places")
    found = places.groupby(["site", "position"])["layer"].nunique()
    assert found.to_dict() == {
        (site, position): blocks
        for site, blocks in (("residual", BLOCKS + 1), ("attention", BLOCKS), ("mlp", BLOCKS))
        for position in ("span:first", "span:second")
    }
    early = probes(made, "early")
    distances = early.groupby("view")["distance"].unique().map(list)
    assert set(distances.index) == {"start 0", "start 4", "end 4"}
    assert distances["start 0"] == [0.0]
    assert distances["start 4"][0] >= 4  # words, of one token or more
    assert distances["end 4"][0] >= 4  # filler that opens a text may be cut in other tokens
    texts = probes(made, "early", "texts")
    assert texts["hit"].between(0, 1).all()
    assert set(texts["class"]) == {"0", "1"}


def test_groups_hold_every_item_once(made: Project) -> None:
    """No item of one group is in another, so that folds of groups share none."""
    for corpus, groups in (("items", 18), ("relations", 8), ("analogies", 4), ("documents", 4), ("early", 8)):
        table = pd.read_parquet(made.folder / f"results/corpora/{corpus}.parquet")
        assert table["group"].nunique() == groups, corpus
        rows = [
            (text[span["start"] : span["end"]], group)
            for text, group, spans in zip(table["text"], table["group"], table["spans"], strict=True)
            for span in spans
        ]
        assert (pd.DataFrame(rows, columns=["item", "group"]).groupby("item")["group"].nunique() == 1).all(), corpus


def test_the_summary_says_every_curve_and_its_dip(made: Project) -> None:
    summary = pd.read_csv(made.folder / "results/figures/summary.csv")
    assert set(summary["experiment"]) == set(EXPERIMENTS)
    assert {"peak", "peak_low", "peak_high", "score", "strongest_control", "selectivity", "texts", "groups", "dip"} <= {
        *summary
    }
    assert summary["random"].notna().groupby(summary["experiment"]).any().to_dict() == {
        name: "random" in (SMALL | settings)["controls"] for name, settings in EXPERIMENTS.items()
    }
    dips = summary[summary["dip"].notna()]
    assert set(dips["experiment"]) == set(EXPERIMENTS)
    assert set(dips["site"]) == {"residual", "attention", "mlp"}
    order = probes(made, "items+relations+analogies", "order")
    assert set(order["estimator"]) == {"svm", "ridge", "logistic"}
    # The experiments have one estimator in common, and one is alone with each of the others.
    reasons = order.groupby("estimator")["reason"].first()
    assert reasons["svm"] == reasons["logistic"] == "fewer than two experiments were tested against chance"
    caption = (made.folder / "results/figures/levels.txt").read_text(encoding="utf-8")
    # Of the items that are drawn together, few are of a pair.
    assert "no test of the order: weights: a sample lacks class" in caption
    assert "dip between two maxima: items" in caption


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("early", ["Drawing decay", "Drawing summary", "Probing tiny for early", "Writing the page to explore"]),
        (
            "places",
            [
                "Drawing coordination",
                "Drawing sites",
                "Drawing spans",
                "Drawing summary",
                "Measuring coordination of tiny in places",
                "Probing tiny for places",
                "Writing the page to explore",
            ],
        ),
    ],
)
def test_permutations_of_one_experiment_rerun_what_reads_it(
    made: Project, tmp_path: Path, experiment: str, expected: list[str]
) -> None:
    project = made.copy(tmp_path / "project")
    changed = {experiment: CONFIG["probes"][experiment] | {"permutations": 21}}
    write_config(project, CONFIG | {"probes": CONFIG["probes"] | changed})
    assert project.planned() == expected


def test_other_pairs_remake_what_is_made_of_them(made: Project, tmp_path: Path) -> None:
    project = made.copy(tmp_path / "project")
    (project.folder / "pairs.csv").write_text(PAIRS.replace("bird,nest", "wren,nest"), encoding="utf-8")
    planned = project.planned()
    assert of_stage(planned, "Building") == [
        "Building corpus analogies",
        "Building corpus early",
        "Building corpus relations",
    ]
    assert of_stage(planned, "Preparing") == []
    assert of_stage(planned, "Extracting", "Probing", "Measuring") == [
        "Extracting tiny on analogies, shard 1-of-1",
        "Extracting tiny on early, shard 1-of-1",
        "Extracting tiny on relations, shard 1-of-1",
        "Extracting tiny-random on relations, shard 1-of-1",
        "Measuring coordination of tiny in places",
        "Probing tiny for analogies",
        "Probing tiny for early",
        "Probing tiny for places",
        "Probing tiny for relations",
        "Probing tiny-random for places",
        "Probing tiny-random for relations",
    ]
    assert of_stage(planned, "Drawing") == [
        f"Drawing {name}" for name in ("coordination", "decay", "levels", "sites", "spans", "summary")
    ]


@pytest.mark.parametrize(
    ("corpus", "file", "content", "error"),
    [
        pytest.param(
            {"kind": "documents", "table": "items.csv", "sentences": 2},
            "items.csv",
            re.sub("(thing|plant)", "animal", ITEMS),
            "items: column category: the same for all items",
            id="one category",
        ),
        pytest.param(
            {"kind": "relations", "table": "pairs.csv", "block_size": 4},
            "pairs.csv",
            "first,second,relation\ncat,kit,young\nbee,hive,home\ncook,pot,tool\noak,acorn,part\n",
            "items: all 16 texts hang together, so no split is free of leaks: ",
            id="chained design",
        ),
    ],
)
def test_a_bad_table_ends_with_one_line_and_leaves_no_corpus(
    tmp_path: Path, corpus: dict[str, Any], file: str, content: str, error: str
) -> None:
    project = unmade(tmp_path / "project")
    (project.folder / file).write_text(content, encoding="utf-8")
    write_config(project, CONFIG | {"corpora": CONFIG["corpora"] | {corpus["kind"].split("-")[0]: corpus}})
    target = f"results/corpora/{corpus['kind']}.parquet"
    failed = project.run(target, check=False)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "Traceback" not in output
    (line,) = set(re.findall(r"^\s*(fathom: error: .+)$", output, flags=re.MULTILINE))
    assert f"fathom: error: corpus {corpus['kind']}: {error}" in line
    if "hang together" in error:
        assert re.search(r": \w+( - \w+){2,}$", line)  # the chain, item by item
    assert list(project.folder.glob("results/corpora/*")) == []
