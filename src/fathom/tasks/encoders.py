"""The two encoders that mteb is handed: one that lists the texts it is asked for, one that serves stored states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fathom.runtime.errors import FathomError

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta

Float32Array = npt.NDArray[np.float32]
RECORDED_WIDTH = 8  # random vectors that a task accepts: zeros would be no likeness at all
PAIRS_AT_A_TIME = 4096  # whose cosines are taken: torch makes four arrays of the size of both sides


class Vectors(Protocol):
    """The vectors of all texts of a corpus, (texts, width): an array, or a store that rows are read from."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Texts and width."""

    def __getitem__(self, rows: Any) -> Any:
        """Some rows, as an array of their own."""


class TextEncoder:
    """What mteb asks of an encoder (`mteb.models.EncoderProtocol`), but for the vectors.

    Both encoders put instruction and text together here, so that a state is stored under the very string that is asked
    for.
    """

    def __init__(self, meta: ModelMeta, template: str | None) -> None:
        self.mteb_model_meta = meta
        self._template = template

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: TaskMetadata,
        hf_split: str,  # noqa: ARG002 - mteb's signature
        hf_subset: str,  # noqa: ARG002 - mteb's signature
        prompt_type: Any = None,
        **_: Any,
    ) -> Any:
        """Vectors of the texts that a loader holds, (texts, width)."""
        texts = [str(text) for text in inputs.dataset["text"]]
        instruction = "" if self._template is None else instruction_of(task_metadata, prompt_type)
        if instruction:
            texts = [worded(str(self._template), instruction, text) for text in texts]
        return self._vectors(texts, is_query=prompt_type is not None and prompt_type.value == "query")

    def similarity(self, first: Any, second: Any) -> Any:
        """Cosine of every vector with every other."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(first, second)

    def similarity_pairwise(self, first: Any, second: Any) -> Any:
        """Cosine of every vector with the one in its place."""
        from mteb.similarity_functions import pairwise_cos_sim

        runs = [slice(at, at + PAIRS_AT_A_TIME) for at in range(0, len(first), PAIRS_AT_A_TIME)]
        return np.concatenate([pairwise_cos_sim(first[run], second[run]).numpy() for run in runs])

    def _vectors(self, texts: list[str], *, is_query: bool) -> Any:
        raise NotImplementedError


def instruction_of(metadata: TaskMetadata, prompt_type: Any) -> str:
    """The instruction of a task, empty where a text comes without one: a document that is searched."""
    if prompt_type is not None and prompt_type.value == "document":
        return ""
    prompt: Any = metadata.prompt
    if isinstance(prompt, Mapping):
        prompt = prompt.get("query" if prompt_type is None else prompt_type.value)
    if prompt:
        return str(prompt)
    from mteb.abstasks import AbsTaskClassification, AbsTaskPairClassification, AbsTaskRetrieval, AbsTaskSTS
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy

    defaults: dict[str, type[Any]] = {
        "Classification": AbsTaskClassification,
        "Clustering": AbsTaskClusteringLegacy,
        "PairClassification": AbsTaskPairClassification,
        "Reranking": AbsTaskRetrieval,
        "STS": AbsTaskSTS,
    }
    return str(defaults[metadata.type].abstask_prompt)


def worded(template: str, instruction: str, text: str) -> str:
    """Instruction and text in one string. Braces in them stay as they are."""
    before, _, rest = template.partition("{instruction}")
    if "{text}" in before:
        head, _, between = before.partition("{text}")
        return f"{head}{text}{between}{instruction}{rest}"
    between, _, after = rest.partition("{text}")
    return f"{before}{instruction}{between}{text}{after}"


class RecordingEncoder(TextEncoder):
    """Lists the different texts that a task asks for, in the order in which they come."""

    def __init__(self, meta: ModelMeta, template: str | None) -> None:
        super().__init__(meta, template)
        self.asked = 0
        self.texts: dict[str, None] = {}
        self.at_once = 0
        """Most vectors in two calls after one another: two sides, examples and tests. Queries are looked up."""
        self._before = 0
        self._rng = np.random.default_rng(0)

    def _vectors(self, texts: list[str], *, is_query: bool) -> Float32Array:
        self.asked += len(texts)
        self.texts.update(dict.fromkeys(texts))
        here = len(set(texts)) if is_query else len(texts)
        self.at_once, self._before = max(self.at_once, self._before + here), here
        return self._rng.standard_normal((len(texts), RECORDED_WIDTH), dtype=np.float32)


class Rows:
    """The places of stored texts among the states of a corpus."""

    def __init__(self, texts: list[str], task: str) -> None:
        self._rows = {text: row for row, text in enumerate(texts)}
        self._task = task

    def of(self, texts: list[str]) -> npt.NDArray[np.int64]:
        """The row of each text; -1 of a blank one, which a corpus does not hold and no model reads.

        Errors: FathomError if a text was not stored.
        """
        rows = np.empty(len(texts), dtype=np.int64)
        for at, text in enumerate(texts):
            row = self._rows.get(text, -1)
            if row < 0 and text.strip():
                msg = (
                    f"task {self._task}: asks for a text whose states are not stored: {text[:80]!r}; its data or its "
                    "prompts are others than when its texts were listed"
                )
                raise FathomError(msg)
            rows[at] = row
        return rows


class LayerEncoder(TextEncoder):
    """Serves the states of one layer."""

    def __init__(self, meta: ModelMeta, template: str | None, rows: Rows, states: Vectors) -> None:
        super().__init__(meta, template)
        self._rows, self._states = rows, states

    def _vectors(self, texts: list[str], *, is_query: bool) -> Any:
        rows = self._rows.of(texts)
        if is_query:
            return StatesOfQueries(self._states, rows)
        return _gathered(self._states, rows)


def _gathered(states: Vectors, rows: npt.NDArray[np.int64]) -> Float32Array:
    """The states of some rows; zeros of a blank text."""
    found: Float32Array = states[rows]
    found[rows < 0] = 0.0
    return found


class StatesOfQueries:
    """The vectors of queries, each text held once: a task may have two million queries of a few thousand texts."""

    def __init__(self, states: Vectors, rows: npt.NDArray[np.int64]) -> None:
        different, self._at = np.unique(rows, return_inverse=True)
        self._held = _gathered(states, different)
        self.shape = (len(rows), states.shape[1])

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, chosen: Any) -> Float32Array:
        found: Float32Array = self._held[self._at[chosen]]
        return found

    def __iter__(self) -> Iterator[Float32Array]:
        return (self[at] for at in range(len(self)))
