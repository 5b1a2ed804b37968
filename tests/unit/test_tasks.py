"""Tasks: their data, the texts that they ask for, and the encoder that serves stored states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.tasks import bring, csv_of, own_tables, sentence

from fathom.runtime.errors import FathomError
from fathom.tasks.bibles import draw_verses, verse_pairs, verse_ranking
from fathom.tasks.encoders import Float32Array, LayerEncoder, RecordingEncoder, Rows, StatesOfQueries, worded
from fathom.tasks.mteb_names import require_known
from fathom.tasks.mteb_tasks import MAIN_SCORES, open_task, scores_of
from fathom.tasks.newsgroups import draw_posts
from fathom.tasks.published import PUBLISHED
from fathom.tasks.scores import StoredVectors
from fathom.tasks.settings import OwnLabelsTask, OwnPairsTask, OwnQueriesTask, PublishedTask, Task
from fathom.tasks.task_data import TYPES, OwnTask, PublishedData, write_own_task, write_published
from fathom.tasks.texts import recorded_texts

TYPE_OF = {
    "mood": "Classification",
    "groups": "Clustering",
    "together": "PairClassification",
    "alike": "STS",
    "found": "Reranking",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Manifests of the data of a task of each type."""
    folder = tmp_path_factory.mktemp("tasks")
    return {name: bring(task, name, folder / "data") for name, task in own_tables(folder / "tables").items()}


def meta() -> Any:
    from mteb.models import ModelMeta

    return ModelMeta.create_empty({"name": "fathom/test", "revision": "1"})


def vectors(texts: list[str], width: int = 6) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A vector a text, the same for the same text."""
    seeds = [sum(text.encode()) * 31 + len(text) for text in texts]
    drawn = [np.random.default_rng(seed).standard_normal(width, dtype=np.float32) for seed in seeds]
    return np.stack(drawn)


def layer(manifest: Path, name: str, template: str | None = None) -> tuple[Any, LayerEncoder]:
    """A task, and an encoder of all texts that it asks for."""
    texts = recorded_texts(manifest, template).texts
    return open_task(manifest), LayerEncoder(meta(), template, Rows(texts, name), vectors(texts))


@pytest.mark.parametrize("name", TYPE_OF)
def test_a_table_of_the_users_becomes_a_task_of_its_type_that_is_scored(data: dict[str, Path], name: str) -> None:
    task, encoder = layer(data[name], name)
    assert task.metadata.type == TYPE_OF[name]
    (scores,) = scores_of(task, encoder).values()
    assert np.isfinite(scores[MAIN_SCORES[TYPE_OF[name]]])
    assert scores["main_score"] == scores[MAIN_SCORES[TYPE_OF[name]]]


@pytest.mark.parametrize("name", TYPE_OF)
def test_scores_are_those_of_an_encoder_that_mteb_calls_itself(data: dict[str, Path], name: str) -> None:
    """An ordinary encoder, stock mteb: no stored states, no lazy rows, no shortcuts in the classifier."""

    class Plain(LayerEncoder):
        def _vectors(self, texts: list[str], *, is_query: bool) -> Any:  # noqa: ARG002
            return vectors(texts)

    task, encoder = layer(data[name], name)
    served = scores_of(task, encoder)
    stock = open_task(data[name])
    for patched in ("_calculate_scores", "_undersample_data"):
        stock.__dict__.pop(patched, None)
    plain = stock.evaluate(Plain(meta(), None, Rows([], name), vectors(["x"])), "test", encode_kwargs={"batch_size": 8})
    assert repr(served) == repr(dict(plain))


@pytest.mark.parametrize("name", TYPE_OF)
def test_every_call_asks_for_the_same_texts_and_scores_alike(data: dict[str, Path], name: str) -> None:
    assert recorded_texts(data[name], None) == recorded_texts(data[name], None)
    task, encoder = layer(data[name], name)
    assert repr(scores_of(task, encoder)) == repr(scores_of(task, encoder))


def test_texts_are_listed_once_with_their_prompts(data: dict[str, Path]) -> None:
    texts, asked, at_once = recorded_texts(data["found"], None)
    assert len(texts) == len(set(texts)) == 14
    assert asked == at_once == 14
    prompted, *_ = recorded_texts(data["found"], "Do: {instruction} Text: {text}")
    assert [text.startswith("Do: ") for text in prompted] == [True] * 4 + [False] * 10
    assert prompted[0].endswith(f"Text: {texts[0]}")
    assert sentence(0) in prompted


def test_vectors_that_a_task_takes_at_a_time_are_counted_with_their_repetitions(data: dict[str, Path]) -> None:
    texts, asked, at_once = recorded_texts(data["alike"], None)
    assert (len(texts), asked, at_once) == (31, 60, 60)


def test_an_own_instruction_stands_before_the_text(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "first,second,score\na,b,0\nc,d,1\ne,f,1\n")
    task = OwnPairsTask(kind="pairs", path=path, instruction="Say {text} twice.")
    texts, *_ = recorded_texts(bring(task, "mine", tmp_path / "data"), "{text} <- {instruction}")
    assert texts[0] == "a <- Say {text} twice."
    assert worded("{instruction}: {text}", "{text}", "{instruction}") == "{text}: {instruction}"


def test_a_text_that_is_not_stored_is_refused(data: dict[str, Path]) -> None:
    texts, *_ = recorded_texts(data["alike"], None)
    encoder = LayerEncoder(meta(), None, Rows(texts[1:], "alike"), vectors(texts[1:]))
    with pytest.raises(FathomError, match=r"task alike: asks for a text whose states are not stored: 'the river"):
        scores_of(open_task(data["alike"]), encoder)


def test_a_blank_text_has_zeros_and_needs_no_state() -> None:
    rows = Rows(["a", "b"], "mine")
    encoder = LayerEncoder(meta(), None, rows, np.array([[1, 2], [3, 4]], dtype=np.float32))
    found = encoder._vectors(["b", " ", "a", "b"], is_query=False)
    assert np.asarray(found).tolist() == [[3, 4], [0, 0], [1, 2], [3, 4]]
    assert np.asarray(encoder._states).tolist() == [[1, 2], [3, 4]]


def test_queries_are_read_one_by_one_as_rows_of_an_array_are() -> None:
    states = vectors([f"t{at}" for at in range(5)])
    chosen = np.array([4, 0, 0, 2])
    lazy = StatesOfQueries(states, chosen)
    assert len(lazy) == 4
    assert lazy.shape == (4, 6)
    assert (lazy[1] == states[0]).all()
    assert (lazy[1:3] == states[chosen][1:3]).all()
    assert (np.stack(list(lazy)) == states[chosen]).all()


def test_vectors_of_many_texts_are_read_in_blocks_as_they_are_asked_for() -> None:
    asked: list[tuple[int, int]] = []

    def read(first: int, last: int) -> Float32Array:
        asked.append((first, last))
        return np.repeat(np.arange(first, last, dtype=np.float32)[:, None], 1700, axis=1)

    many = StoredVectors(read, 10_000, 1700)
    assert asked == []  # nothing before it is asked for
    rows = np.array([9_999, 3, 4_096, 3, -1, 9_000])
    assert many[rows][:, 7].tolist() == [9_999, 3, 4_096, 3, 0, 9_000]
    assert asked == [(0, 4_096), (4_096, 8_192), (8_192, 10_000)]
    assert many[np.array([], dtype=np.int64)].shape == (0, 1700)
    few = StoredVectors(read, 100, 1700)
    assert few[rows % 100][:, 0].tolist() == (rows % 100).tolist()
    assert asked[3:] == [(0, 100)]


def test_cosines_in_runs_are_those_of_all_pairs_at_once() -> None:
    from mteb.similarity_functions import pairwise_cos_sim

    first, second = np.random.default_rng(0).standard_normal((2, 9_000, 5), dtype=np.float32)
    encoder = LayerEncoder(meta(), None, Rows([], "x"), first)
    assert (encoder.similarity_pairwise(first, second) == pairwise_cos_sim(first, second)).all()


def test_both_encoders_are_encoders_to_mteb() -> None:
    from mteb.models import EncoderProtocol

    assert isinstance(RecordingEncoder(meta(), None), EncoderProtocol)
    assert isinstance(LayerEncoder(meta(), None, Rows([], "x"), vectors(["x"])), EncoderProtocol)


# Tables of the user's ------------------------------------------------------------------------------------------------

LABELS, PAIRS, QUERIES = "text,label\n", "first,second,score\n", "query,candidate,relevant\n"


@pytest.mark.parametrize(
    ("kind", "options", "content", "said"),
    [
        (OwnLabelsTask, {}, "text,mood\na,b\n", "expected a column 'label' (label), found 'text, mood'"),
        (OwnLabelsTask, {}, "text;label\na;x\n", "its cells are parted by ';', expected commas"),
        (
            OwnLabelsTask,
            {"type": "clustering"},
            LABELS + "a,x\na,y\n",
            "1 different texts of 2 labels; expected at least",
        ),
        (OwnLabelsTask, {}, LABELS, "no row follows the first, which names the columns"),
        (OwnLabelsTask, {}, LABELS + "a,\n", "column 'label' is empty in line 2"),
        (OwnLabelsTask, {}, LABELS + "a, and b,x\n", "row 1 has 3 cells, the first row names 2 columns"),
        (OwnLabelsTask, {}, LABELS + "a,x\nb\n", "row 2 has 1 cell, the first row names 2 columns"),
        (OwnLabelsTask, {}, "text,label,label\na,x,y\n", "its first row names the column 'label' twice"),
        (OwnLabelsTask, {}, LABELS + "a,x\nb,x\n", "column 'label' holds one label only, 'x'"),
        (OwnLabelsTask, {}, LABELS + "a,x\nb,y\nc,x\nd,y\n", "label 'x' has 1 text for training, a fifth of"),
        (OwnLabelsTask, {"split": "half"}, "text,label,half\na,x,train\nb,y,dev\n", "expected train or test in line 3"),
        (
            OwnLabelsTask,
            {"split": "half", "examples": 1},
            "text,label,half\na,x,train\nb,y,train\n",
            "no row is for test; expected some of both",
        ),
        (OwnPairsTask, {}, PAIRS + "a,b,high\n", "column 'score': expected a number in line 2, found 'high'"),
        (OwnPairsTask, {}, PAIRS + "a,b,1\nc,d,1\ne,f,1\n", "expected at least 3 pairs, not all of equal texts"),
        (OwnPairsTask, {}, PAIRS + "a,b,1\na,b,2\na,b,3\n", "1 different pairs, scores [1.0, 2.0, 3.0]; expected"),
        (OwnPairsTask, {}, PAIRS + "a,a,1\nb,b,2\nc,c,3\n", "3 different pairs, scores [1.0, 2.0, 3.0]; expected"),
        (OwnQueriesTask, {}, QUERIES + "a,b,2\n", "expected 0 or 1 in line 2, found '2'"),
        (OwnQueriesTask, {}, QUERIES + "a,b,1\na,b,0\n", "line 3 has the query and the candidate of a line before it"),
        (OwnQueriesTask, {}, QUERIES + "a,b,0\na,c,0\n", "query 'a': expected candidates that are relevant and some"),
    ],
)
def test_a_bad_table_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, kind: type[Task], options: dict[str, Any], content: str, said: str
) -> None:
    names = {OwnLabelsTask: "labels", OwnPairsTask: "pairs", OwnQueriesTask: "queries"}
    task = kind.model_validate({"kind": names[kind], "path": csv_of(tmp_path, content), **options})
    with pytest.raises(FathomError) as caught:
        bring(task, "mine", tmp_path / "data")
    message = str(caught.value)
    assert message.startswith("task mine: ")
    assert said in message
    assert "\n" not in message
    assert not list((tmp_path / "data").rglob("*.json"))


def test_equal_texts_are_never_both_examples_and_predicted(tmp_path: Path) -> None:
    rows = "".join(f"{sentence(at % 20)},{'xy'[at % 2]}\n" for at in range(60))
    task = OwnLabelsTask(kind="labels", path=csv_of(tmp_path, LABELS + rows), examples=1)
    manifest = bring(task, "mine", tmp_path / "data")
    train, test = (pd.read_parquet(manifest.parent / f"{half}.parquet") for half in ("train", "test"))
    assert len(train) + len(test) == 60
    assert not set(train["text"]) & set(test["text"])


# Tasks of mteb, and fathom's own -------------------------------------------------------------------------------------


def test_the_32_tasks_are_those_that_mteb_has_at_these_commits() -> None:
    assert len(PUBLISHED) == 32
    counts = pd.Series([known.type for known in PUBLISHED.values()]).value_counts()
    assert counts.to_dict() == {
        "Classification": 10,
        "STS": 9,
        "Clustering": 6,
        "Reranking": 4,
        "PairClassification": 3,
    }
    for name, known in PUBLISHED.items():
        metadata, subsets = require_known(name)
        assert (metadata.type, metadata.dataset["path"], metadata.dataset["revision"]) == known[:3]
        assert known.subset is None or known.subset in subsets


def test_a_name_that_mteb_does_not_know_is_refused_with_names_near_it() -> None:
    with pytest.raises(FathomError, match=r"task STS21: mteb 2.26.24 has none .* near it are: STS22"):
        require_known("STS21")


def test_a_retired_name_is_refused_with_its_new_one() -> None:
    with pytest.raises(FathomError, match=r"has another name in mteb 2.26.24: SynPerTextToneClassification"):
        require_known("PersianTextTone")


def test_a_type_that_is_not_scored_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(FathomError, match="of the type Retrieval; fathom scores Classification"):
        bring(PublishedTask(kind="mteb", name="ArguAna"), "ArguAna", tmp_path)


def fetched(folder: Path) -> Path:
    """The folder of STS12 as it is fetched; returns the manifest, which is not written yet."""
    (folder / "dataset" / "data").mkdir(parents=True)
    (folder / "dataset" / "README.md").write_text("# STS12", encoding="utf-8")
    return folder / "manifest.json"


STS12 = PublishedData("STS12", "mteb/sts12-sts", PUBLISHED["STS12"].revision, None)


def test_a_fetched_dataset_is_scored_without_a_network_at_its_commit(tmp_path: Path) -> None:
    manifest = fetched(tmp_path)
    rows = {"sentence1": list("abcd"), "sentence2": list("efgh"), "score": [1.0, 2.0, 3.0, 5.0]}
    pd.DataFrame(rows).to_parquet(tmp_path / "dataset" / "data" / "test-00000-of-00001.parquet")
    write_published(STS12, "STS", "STS12", manifest)
    task, encoder = layer(manifest, "STS12")
    (scores,) = scores_of(task, encoder).values()
    assert -1 <= scores["cosine_spearman"] <= 1
    assert task.metadata.revision == STS12.revision
    (tmp_path / "dataset" / "README.md").write_text("# Another one", encoding="utf-8")
    with pytest.raises(FathomError, match=r"README.md: gone, or not of the 7 bytes that were fetched; delete"):
        open_task(manifest)


def test_data_that_cannot_be_loaded_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    manifest = fetched(tmp_path)
    write_published(STS12, "STS", "STS12", manifest)
    with pytest.raises(
        FathomError, match=r"cannot be loaded from .* and run `snakemake .*manifest.json` where there is"
    ):
        open_task(manifest)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    empty = pd.DataFrame({"sentence1": [], "sentence2": [], "score": []})
    with pytest.raises(FathomError, match="task mine: its test split holds no row"):
        write_own_task(OwnTask("STS", {"test": empty}), "mine", tmp_path / "manifest.json")


def test_verses_are_paired_with_themselves_and_their_neighbours() -> None:
    first = {verse: f"verse {verse} as one translation has it" for verse in range(20)}
    second = {verse: f"how another says what is verse {verse}" for verse in range(20)}
    drawn = draw_verses(first, second, words=(3, 12), count=10, rng=np.random.default_rng(0))
    pairs = verse_pairs(drawn, first, second).tables["test"]
    assert pairs["labels"].tolist() == [1] * 10 + [0] * 10
    assert len(pairs.drop_duplicates(["sentence1", "sentence2"])) == 20
    ranking = verse_ranking(drawn, first, second, queries=4, candidates=5).tables
    assert ranking["relevant"].groupby("query")["relevance"].agg(["sum", "size"]).to_numpy().tolist() == [[1, 5]] * 4
    with pytest.raises(FathomError, match="expected at most 20 of 3 to 12 words, found 30"):
        draw_verses(first, second, words=(3, 12), count=30, rng=np.random.default_rng(0))


def test_posts_are_drawn_by_group() -> None:
    posts = pd.DataFrame({"label": ["a", "b"] * 6, "text": [f"one two three {at}" for at in range(12)]})
    drawn = draw_posts(posts, None, words=4, count=3, rng=np.random.default_rng(0))
    assert drawn["label"].tolist() == ["a"] * 3 + ["b"] * 3
    assert drawn["text"].is_unique
    for groups, said in ((["c"], "groups: 'c'; expected some of a, b"), (["a"], "group a: 6 posts .* expected 9")):
        with pytest.raises(FathomError, match=said):
            draw_posts(posts, groups, words=4, count=9, rng=np.random.default_rng(0))


def test_types_have_a_main_score_each() -> None:
    assert set(MAIN_SCORES) == set(TYPES)
