"""What is wrong in a config is said in one line, before any job starts; what is generated does not drift."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.hostile import places

from fathom.metrics.settings import METRICS
from fathom.runtime.errors import FathomError
from fathom.schema import Name
from fathom.workflow.config import Config
from fathom.workflow.load import load_config
from fathom.workflow.write_reference import default_yaml, options_markdown, schema_json

DEFAULTS: dict[str, Any] = yaml.safe_load(default_yaml())


def changed(**changes: Any) -> dict[str, Any]:
    """The written-out defaults with some entries replaced; `a__b` is the entry b of a, `DELETE` takes one away."""
    config = copy.deepcopy(DEFAULTS)
    for place, value in changes.items():
        *parents, last = place.replace("_M_", "-").split("__")
        section = config
        for parent in parents:
            section = section[parent]
        if value is DELETE:
            del section[last]
        else:
            section[last] = value
    return config


DELETE = object()


def refusal(folder: Path, config: dict[str, Any]) -> str:
    """The one line that a config in a file of its own is refused with, without its start."""
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    with pytest.raises(FathomError) as caught:
        load_config(config, [str(file)])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"config: {file}: ")
    return message.removeprefix(f"config: {file}: ")


# Defaults ------------------------------------------------------------------------------------------------------------


def test_the_defaults_are_valid() -> None:
    config = Config()
    assert list(config.models) == ["smollm2-135m", "minilm-l6"]
    assert config.metric_corpora == ("bible", "random-tokens")
    assert {name: one.positions for name, one in config.experiments.items()} == {
        "items": ("span:item",),
        "relations": ("span:second",),
        "analogies": ("span:fourth",),
        "tweets": ("mean",),
    }
    assert list(config.all_models) == [*config.models, "smollm2-135m-random", "minilm-l6-random"]
    assert list(config.all_figures) == [
        *config.metric_settings,
        "probes-svm",
        "probes-ridge",
        "tweets-smollm2-135m",
        "tweets-minilm-l6",
        "tweets-smollm2-135m-confusion",
        "tweets-minilm-l6-confusion",
        "tweets-smollm2-135m-told",
        "tweets-minilm-l6-told",
        "probe-summary",
        "task-scores",
        "task-matrix",
        "task-best-layers",
        "task-layer-choice",
        "task-scatter",
    ]


@pytest.mark.parametrize(("name", "generated"), [("config.yaml", default_yaml), ("schema.json", schema_json)])
def test_generated_files_are_up_to_date(root: Path, name: str, generated: Any) -> None:
    written = (root / "config" / name).read_text(encoding="utf-8")
    assert written == generated(), f"config/{name} is not what the settings classes give: run `make config`"


def test_the_table_of_options_is_up_to_date(root: Path) -> None:
    written = (root / "docs" / "options.md").read_text(encoding="utf-8")
    assert written == options_markdown(), "docs/options.md lags behind the settings: run `make config`"


def test_the_table_of_options_names_every_option_of_the_schema() -> None:
    schema = Config.model_json_schema()
    markdown = options_markdown()
    for kind in (schema, *schema["$defs"].values()):
        about = " ".join(kind["description"].split())
        tables = [part for part in markdown.split("\n\n\n") if f"\n\n{about}\n\n" in part]
        names = [name for name in kind["properties"] if name not in {"kind", "source"}]
        assert any(all(f"\n| `{name}` |" in table for name in names) for table in tables), kind["title"]
    for name in METRICS:
        assert f"\n| `{name}` |" in markdown.split("## Every metric")[1]


def test_the_default_yaml_says_what_runs(root: Path) -> None:
    file = root / "config" / "config.yaml"
    written = load_config(yaml.safe_load(file.read_text(encoding="utf-8")), [str(file)])
    config = Config()
    derived = {"probes": config.experiments, "figures": config.all_figures}
    assert written == config.model_copy(update=derived)
    assert written.experiments == config.experiments
    assert written.all_figures == config.all_figures


def test_the_default_yaml_is_wide_and_explains_itself() -> None:
    lines = default_yaml().splitlines()
    assert max(map(len, lines)) <= 120
    for section in Config.model_fields:
        index = next(index for index, line in enumerate(lines) if line.startswith(f"{section}:"))
        assert lines[index - 1].startswith("# ")


def test_the_schema_knows_every_section() -> None:
    schema = json.loads(schema_json())
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["additionalProperties"] is False


def test_every_config_of_a_paper_is_valid_and_pinned(root: Path) -> None:
    for file in sorted((root / "config" / "papers").glob("*.yaml")):
        config = load_config(yaml.safe_load(file.read_text(encoding="utf-8")), [str(file)])
        assert config.paper, file


def test_an_empty_config_is_the_default() -> None:
    assert load_config({}, []) == Config()


def test_a_section_replaces_the_default_one_whole() -> None:
    config = load_config({"corpora": {"mine": {"kind": "items"}}}, [])
    assert list(config.corpora) == ["mine"]
    assert list(config.experiments) == ["mine"]
    assert list(config.models) == list(Config().models)
    assert config.metric_corpora == ()
    assert list(config.all_figures) == [
        "probes-svm",
        "probes-ridge",
        "probe-summary",
    ]


def test_nothing_changes_after_it_was_read() -> None:
    with pytest.raises(ValidationError):
        Config().activations.shards = 2


# What is refused -----------------------------------------------------------------------------------------------------


NAMED_BY_USERS = {
    ("models",),
    ("corpora",),
    ("probes",),
    ("tasks",),
    ("figures",),
    ("nursery",),
    ("activations", "corpora"),
} | {
    ("corpora", "tweets", "labels"),
    ("corpora", "tweets", "spans"),
}


def at(place: tuple[Any, ...], tree: Any = DEFAULTS) -> Any:
    """What stands at a place of a tree."""
    for key in place:
        tree = tree[key]
    return tree


def with_value(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The written-out defaults with another value at a place."""
    config = copy.deepcopy(DEFAULTS)
    at(place[:-1], config)[place[-1]] = value
    return config


def dotted(place: tuple[Any, ...]) -> str:
    return ".".join(map(str, place))


def bounds(schema: Any, tree: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Every number of the defaults that has a bound, by its place, and a value beyond that bound."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    choices = schema.get("anyOf", schema.get("oneOf", []))
    if "discriminator" in schema and isinstance(tree, dict):
        key = schema["discriminator"]["propertyName"]
        choices = [{"$ref": schema["discriminator"]["mapping"][tree[key]]}]
    for choice in choices:
        yield from bounds(choice, tree, place)
    if isinstance(tree, dict):
        for key, value in tree.items():
            entries = next(iter(schema.get("patternProperties", {}).values()), None)  # whose names users give
            part = schema.get("properties", {}).get(key, entries)
            if part is not None:
                yield from bounds(part, value, (*place, key))
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        for limit, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if limit in schema:
                yield place, schema[limit] + step


SCHEMA = json.loads(schema_json())
MAPPINGS = [place for place in places(DEFAULTS) if isinstance(at(place), dict) and place not in NAMED_BY_USERS]
LEAVES = [place for place in places(DEFAULTS) if not isinstance(at(place), dict | list)]
BOUNDS = list(bounds(SCHEMA, DEFAULTS))
some = settings(max_examples=60, deadline=None)


@some
@given(place=st.sampled_from(MAPPINGS), key=st.text("abc", min_size=1, max_size=8))
def test_unknown_keys_are_refused_at_every_depth(tmp_path: Path, place: tuple[Any, ...], key: str) -> None:
    assume(key not in at(place))
    message = refusal(tmp_path, with_value((*place, key), 1))
    assert message.startswith(f"{dotted((*place, key))}: unknown key; expected one of ")


@some
@given(place=st.sampled_from(LEAVES))
def test_a_section_in_place_of_a_value_is_refused_by_its_place(tmp_path: Path, place: tuple[Any, ...]) -> None:
    message = refusal(tmp_path, with_value(place, {"x": []}))
    # Of an entry of a list, or of columns that a user names, the whole at least.
    named = place[:-1] if isinstance(place[-1], int) or place[:-1] in NAMED_BY_USERS else place
    assert re.match(rf"{re.escape(dotted(named))}[.:]", message)


@some
@given(case=st.sampled_from(BOUNDS))
def test_numbers_beyond_their_bounds_are_refused(tmp_path: Path, case: tuple[tuple[Any, ...], float]) -> None:
    assert len(BOUNDS) > 40
    place, value = case
    assert refusal(tmp_path, with_value(place, value)).startswith(f"{dotted(place)}: ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Words that name both a kind of entry and an entry or key of it.
        ({"corpora__bible__seed": "a"}, "corpora.bible.seed: input should be a valid integer"),
        ({"models__mine": {"source": "path"}}, "models.mine.path: field required"),
        ({"corpora__file": {"kind": "file"}}, "corpora.file.path: field required"),
        ({"models__minilm_M_l6__file": "../x"}, "models.minilm-l6.file: expected a path inside the package"),
        ({"figures__probes_M_svm__models": 3}, "figures.probes-svm.models: "),
        # The kind itself.
        (
            {"models__mine": {"source": "git"}},
            (
                "models.mine.source: expected one of 'wheel', 'hub', 'path', 'random', 'ablated-sinks', 'nursery'; "
                "found 'git'"
            ),
        ),
        ({"models__mine": {"path": "x"}}, "models.mine.source: field required"),
        (
            {"figures__curvature__kind": "pie"},
            "figures.curvature.kind: expected one of 'metric', 'comparison', 'sweep', 'training', 'matrix', 'sinks'",
        ),
        (
            {"corpora__mine": {"kind": "web"}},
            "corpora.mine.kind: expected one of 'bible', 'chapters', 'random-tokens', 'items'",
        ),
        # Names that do not exist.
        (
            {"figures__curvature__metric": "curl"},
            "figures.curvature.metric: expected one of prompt_entropy, curvature, effective_rank, dataset_entropy, ",
        ),
        (
            {"figures__curvature__models": ["gpt"]},
            "figures.curvature.models: expected one of smollm2-135m, minilm-l6; found 'gpt'",
        ),
        (
            {"figures__curvature__corpora": ["items"]},
            "figures.curvature.corpora: expected one of bible, random-tokens; found 'items'",
        ),
        (
            {"figures__probes_M_svm__experiments": ["x"]},
            "figures.probes-svm.experiments: expected one of items, relations, analogies, tweets; ",
        ),
        ({"figures__probes_M_svm__models": ["minilm-l6"] * 2}, "figures.probes-svm.models: expected every name once"),
        ({"metrics__corpora": ["bibel"]}, "metrics.corpora: expected one of bible, random-tokens, items"),
        ({"metrics__corpora": ["bible", "bible"]}, "metrics.corpora: expected every name once"),
        ({"probes__items__corpus": "item"}, "probes.items.corpus: expected one of bible, random-tokens, items"),
        (
            {"metrics__curvature": None},
            "figures.curvature.metric: expected one of prompt_entropy, effective_rank, dataset_entropy, ",
        ),
        # Layers.
        ({"activations__layers": "every"}, "activations.layers: expected 'all', 'transformers', or a list"),
        ({"activations__layers": []}, "activations.layers: expected 'all', 'transformers', or a list"),
        ({"activations__layers": [0, "last"]}, "activations.layers: expected 'all', 'transformers', or a list"),
        ({"activations__layers": [-1]}, "activations.layers: expected 'all', 'transformers', or a list"),
        ({"activations__layers": [1, 1]}, "activations.layers: expected every layer once; found [1, 1]"),
        (
            {"activations__layers": [7]},
            "activations.layers: expected a layer from 0 to 6, for that is how deep model minilm-l6 is; found 7",
        ),
        (
            {"activations__layers": [1], "models__minilm_M_l6__depth": None},
            "models.minilm-l6.depth: expected the number of blocks",
        ),
        # Combinations.
        (
            {"activations__positions": ["tokens", "mean"]},
            "activations.positions: expected 'auto', or 'span:item' too, since probes.items reads it",
        ),
        (
            {"activations__positions": ["tokens", "spans"]},
            "activations.positions: expected 'auto', or 'mean' too, since metrics.dataset_entropy",
        ),
        (
            {"activations__positions": ["mean", "spans"]},
            "activations.positions: expected 'auto', or 'tokens' too, since metrics.prompt_entropy",
        ),
        ({"activations__positions": ["mean", "mean"]}, "activations.positions: expected every position once"),
        (
            {"activations__positions": ["first"]},
            "activations.positions: expected 'auto', or a list of tokens, mean, embedding_mean, last, spans, ",
        ),
        (
            {"probes__items__positions": ["span:second"]},
            "probes.items.positions: expected a span that corpus items marks: span:item",
        ),
        ({"probes__items__positions": ["middle"]}, "probes.items.positions.0: string should match pattern"),
        ({"probes__items__positions": ["last"] * 2}, "probes.items.positions: expected every entry once"),
        ({"probes__items__corpus": "bible"}, "probes.items.positions: expected a span that corpus bible marks: none"),
        ({"probes__items__labels": ["tasty"]}, "probes.items.labels: expected a label of corpus items: "),
        ({"probes__items__stratify_by": "kind"}, "probes.items.stratify_by: expected a label of corpus items: "),
        ({"probes__items__strata": "kind"}, "probes.items.strata: unknown key; expected its new name, stratify_by"),
        (
            {
                "probes__items__sites": ["residual", "mlp"],
                "activations__corpora": {"items": {"sites": ["residual"]}},
            },
            "activations.corpora.items.sites: expected 'auto', or mlp too, since probes.items reads it",
        ),
        (
            {"probes__items__coordination": {}},
            "probes.items.sites: expected 'attention' too, since coordination reads it; found ['residual']",
        ),
        (
            {
                "probes__relations__coordination": {},
                "probes__relations__sites": ["attention"],
                "activations__corpora": {"relations": {"sites": "all", "attention_texts": 8}},
            },
            "activations.corpora.relations.attention_texts: expected at least 20, since the coordination of probes.rel",
        ),
        ({"probes__items__permutations": 10}, "probes.items.permutations: expected 0 (no test) or at least 20"),
        (
            {"probes__items__ridge_penalties": [1.0, 10.0]},
            "probes.items.ridge_penalties: expected falling numbers",
        ),
        (
            {"probes__items__title": "relations"},
            "probes.items.title: expected a title of its own",
        ),
        (
            {"activations__layers": [1, 2]},
            "activations.layers: expected layer 0 too, since the control `static` of probes.items reads it",
        ),
        (
            {"probes__relations__estimators": ["svm"]},
            "figures.probes-ridge.estimator: expected an estimator of experiment relations: svm; found 'ridge'",
        ),
        (
            {"figures__spans": {"kind": "spans", "experiments": ["items"]}},
            "figures.spans.experiments: expected experiments with several positions; found 'items'",
        ),
        (
            {"figures__sites": {"kind": "sites", "experiments": ["items"]}},
            "figures.sites.experiments: expected experiments with several sites; found 'items'",
        ),
        (
            {"figures__early": {"kind": "early-context", "experiment": "items"}},
            "figures.early.experiment: expected an experiment on an early-context corpus; found 'items'",
        ),
        (
            {"figures__together": {"kind": "coordination", "model": "minilm-l6", "experiment": "items"}},
            "figures.together.experiment: expected an experiment that measures coordination; found 'items'",
        ),
        (
            {
                "metrics": dict.fromkeys(METRICS),
                "probes": {},
                "tasks": {},
                "figures": None,
            },
            "figures: expected at least one figure",
        ),
        # Ranges.
        ({"uncertainty__level": 1.0}, "uncertainty.level: input should be less than 1; found 1.0"),
        ({"uncertainty__level": float("nan")}, "uncertainty.level: input should be a finite number"),
        (
            {"corpora__random_M_tokens__tokens": 2},
            "corpora.random-tokens.tokens: expected a number of tokens, at least 3, or a list of different ones; found",
        ),
        ({"models": {}}, "models: dictionary should have at least 1 item"),
        ({"models": ["smollm2"]}, "models: input should be a valid dictionary; found ['smollm2']"),
        (
            {"metrics__curvature__preparation": "white"},
            "metrics.curvature.preparation.0: input should be 'none', 'rows', 'centred' or 'as_published'",
        ),
        # Wheels.
        ({"models__minilm_M_l6__sha256": "abc"}, "models.minilm-l6.sha256: string should match pattern"),
        ({"models__minilm_M_l6__version": DELETE}, "models.minilm-l6.version: field required"),
        (
            {"corpora__bible__translation__file": "/etc/passwd"},
            "corpora.bible.translation.file: expected a path inside the package",
        ),
    ],
)
def test_one_line_names_key_and_what_was_expected(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert refusal(tmp_path, changed(**changes)).startswith(expected)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    for name, entry, expected in (
        ("models__mine", {"source": "path", "path": nowhere}, "models.mine.path: expected a folder with config.json"),
        ("corpora__mine", {"kind": "file", "path": f"{nowhere}.txt"}, "corpora.mine.path: expected an existing file"),
        ("corpora__mine", {"kind": "items", "table": nowhere}, "corpora.mine.table: expected an existing CSV file"),
    ):
        assert refusal(tmp_path, changed(**{name: entry})).startswith(expected)


def test_addresses_are_refused(tmp_path: Path) -> None:
    for name, entry, key in (
        ("models__mine", {"source": "path", "path": "s3://bucket/model"}, "models.mine.path"),
        ("corpora__mine", {"kind": "file", "path": "s3://bucket/mine.txt"}, "corpora.mine.path"),
        ("corpora__mine", {"kind": "relations", "table": "https://host/pairs.csv"}, "corpora.mine.table"),
    ):
        expected = f"{key}: expected a path on this machine: copy what is at this address into a folder here"
        assert refusal(tmp_path, changed(**{name: entry})).startswith(expected)


def test_files_on_another_machine_are_not_looked_for(tmp_path: Path) -> None:
    config = changed(corpora__mine={"kind": "file", "path": str(tmp_path / "nowhere.txt")})
    with pytest.raises(FathomError, match="an existing file"):
        load_config(config, [])
    assert load_config(config, [], files_here=False).corpora["mine"].kind == "file"


def test_texts_of_an_unknown_kind_of_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "texts.docx").touch()
    message = refusal(tmp_path, changed(corpora__mine={"kind": "file", "path": str(tmp_path / "texts.docx")}))
    assert message.startswith("corpora.mine.path: expected one file that ends with .txt, .csv, .jsonl or .parquet")


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("t.csv.gz", "unpack it first"),
        ("t.tsv", "save it as .csv"),
        ("t.json", "write one JSON object a line"),
        ("T.CSV", "in small letters"),
    ],
)
def test_other_forms_of_a_table_say_the_way_out(tmp_path: Path, name: str, way: str) -> None:
    assert f"or .parquet: {way}" in refusal(tmp_path, changed(corpora__mine={"kind": "file", "path": name}))


def test_a_home_that_no_shell_has_expanded_is_said(tmp_path: Path) -> None:
    message = refusal(tmp_path, changed(corpora__mine={"kind": "file", "path": "~/mine.txt"}))
    assert message.startswith("corpora.mine.path: expected an existing file; ~ is not expanded, write the path out")


def test_a_broken_regular_expression_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").touch()
    message = refusal(tmp_path, changed(corpora__mine={"kind": "file", "path": str(tmp_path / "t.txt"), "skip": "("}))
    assert message.startswith("corpora.mine.skip: expected a regular expression (missing ), ")


def test_depth_is_read_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 4}')
    mine = {"source": "path", "path": str(tmp_path)}
    assert load_config({"models": {"mine": mine}, "activations": {"layers": [0, 4]}}, []).activations.layers == (0, 4)
    message = refusal(tmp_path, {"models": {"mine": mine}, "activations": {"layers": [5]}})
    assert message.startswith(
        "activations.layers: expected a layer from 0 to 4, for that is how deep model mine is; found 5"
    )


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"num_hidden_layers": null}', '{"n_layer": 4}'])
def test_a_folder_that_does_not_say_its_depth_needs_it_in_the_config(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    mine = {"source": "path", "path": str(tmp_path)}
    message = refusal(tmp_path, {"models": {"mine": mine}, "activations": {"layers": [2]}})
    assert message.startswith("models.mine.depth: expected the number of blocks")
    load_config({"models": {"mine": mine | {"depth": 4}}, "activations": {"layers": [2]}}, [])


def test_the_final_layer_needs_no_depth() -> None:
    mine = {"source": "hub", "repository": "owner/name", "revision": "main"}
    assert (
        load_config({"models": {"mine": mine}, "activations": {"layers": ["final"]}}, []).models["mine"].depth is None
    )


# Pinned papers -------------------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB_MODEL = {"source": "hub", "repository": "owner/name"}
HUB_CORPUS = {"kind": "hub", "repository": "owner/name", "file": "data/texts.parquet"}


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:12], COMMIT + "0", COMMIT.upper()])
def test_a_paper_takes_full_commits_only(tmp_path: Path, revision: str) -> None:
    for place, entry in (("models.hub", HUB_MODEL), ("corpora.hub", HUB_CORPUS)):
        config = changed(**{place.replace(".", "__"): entry | {"revision": revision}})
        load_config(config, [])
        message = refusal(tmp_path, config | {"paper": "skean2025"})
        expected = "expected a full commit hash (40 hexadecimal digits) in a paper's config"
        assert message == f"{place}.revision: {expected}; found {revision!r}"


def test_a_pinned_paper_is_valid() -> None:
    config = changed(models__hub=HUB_MODEL | {"revision": COMMIT}, corpora__hub=HUB_CORPUS | {"revision": COMMIT})
    assert load_config(config | {"paper": "skean2025"}, []).paper == "skean2025"


# Names ---------------------------------------------------------------------------------------------------------------


def is_safe(name: str) -> bool:
    safe = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    return bool(name) and set(name) <= safe and name[0] not in "._-" and len(name) <= 100


UNSAFE = st.sampled_from(["a;b", "$(x)", "../a", "-a", "", "a\n", "{a}", "ä", "x" * 101])


@some
@given(
    section=st.sampled_from(["models", "corpora", "probes", "tasks", "figures"]),
    name=UNSAFE | st.text(max_size=20).filter(lambda name: not is_safe(name)),
)
def test_names_that_a_shell_or_a_path_would_interpret_are_refused(tmp_path: Path, section: str, name: str) -> None:
    config = changed()
    config[section][name] = next(iter(config[section].values()))
    refusal(tmp_path, config)


@settings(max_examples=50, deadline=None)
@given(name=st.text(max_size=20) | st.text("aB1._-", min_size=98, max_size=102))
def test_names_hold_only_what_is_safe(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        assert not is_safe(name)
    else:
        assert is_safe(name)


# Files ---------------------------------------------------------------------------------------------------------------


def test_the_file_that_holds_the_key_is_named(tmp_path: Path) -> None:
    base, mine = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    base.write_text(yaml.safe_dump({"activations": {"shards": 0}, "uncertainty": {"seed": 1}}))
    mine.write_text(yaml.safe_dump({"uncertainty": {"level": 2.0}}))
    files = [str(base), str(mine)]
    with pytest.raises(FathomError, match=r"config: \S*base\.yaml: activations\.shards"):
        load_config({"activations": {"shards": 0}}, files)
    with pytest.raises(FathomError, match=r"config: \S*mine\.yaml: uncertainty\.level"):
        load_config({"uncertainty": {"level": 2.0}}, files)
    with pytest.raises(FathomError, match=r"config: \S*base\.yaml, \S*mine\.yaml: nonsense: unknown key"):
        load_config({"nonsense": 1}, files)
    with pytest.raises(FathomError, match="config: command line or defaults: nonsense: unknown key"):
        load_config({"nonsense": 1}, [])


def test_the_rest_is_counted(tmp_path: Path) -> None:
    message = refusal(tmp_path, changed(uncertainty__level=2.0, uncertainty__seed=-1, activations__shards=0))
    assert message.endswith(" (and 2 more)")


# Imports -------------------------------------------------------------------------------------------------------------


def test_reading_a_config_imports_nothing_heavy() -> None:
    code = "import sys, fathom.workflow.config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & {"numpy", "pandas", "torch", "sklearn", "scipy", "matplotlib", "zarr", "transformers"} == set()
