"""What the rules of the activations stage ask."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.paths import states_folder
from fathom.workflow.resources import (
    CHARACTERS,
    CPU_THREAD,
    CUDA,
    GPU,
    MB,
    SNAKEMAKE,
    STEPS_HELD,
    TOKENISED,
    TORCH,
    CorpusSize,
    ModelSize,
    Resources,
    corpus_size,
    model_size,
    resources_for,
    table_mb,
)
from fathom.workflow.wildcards import Inputs, Wildcards

SITES = 5  # in a block that has all of them
WIDER = 3  # sites that the inner activations of a feed-forward take beside their own: they are four times as wide
LOGIT_TOKENS = 512  # as in fathom.activations.losses
LOGIT_COPIES = 3
LOSSES_DEPEND_ON = ("sinks", "max_tokens", "truncate", "start_token", "device")
BOUNDARIES_DEPEND_ON = ("shards", "max_tokens", "truncate", "start_token", "attention_texts", "attention_tokens")


class ActivationJobs:
    """Jobs that run a model over one shard of a corpus, and those that find the shards' boundaries."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._kept_of: dict[tuple[str, str], dict[str, Any]] = {}

    @cached_property
    def code(self) -> str:
        """Digest of the code of extraction and of shard boundaries."""
        return code_digest("fathom.activations.command")

    @property
    def gpu(self) -> int:
        """Whether extraction asks the cluster for a GPU."""
        return int(self._config.activations.device != "cpu")

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom activations`."""
        model, corpus = wildcards.model, wildcards.corpus
        return as_json(
            {
                "model": model,
                "corpus": corpus,
                "dtype": self._config.all_models[model].dtype,
                "shard": int(wildcards.shard.split("-")[0]) - 1,
                "activations": self._kept(model, corpus),
            }
        )

    def boundary_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom activations --write-cut`: what tokens and the sample of attention maps depend on."""
        kept = self._kept(wildcards.model, wildcards.corpus)
        facts = {name: kept[name] for name in BOUNDARIES_DEPEND_ON}
        return as_json({"model": wildcards.model, "corpus": wildcards.corpus, **facts})

    def loss_settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom activations --write-losses`."""
        model, corpus = wildcards.model, wildcards.corpus
        kept = self._kept(model, corpus)
        facts = {name: kept[name] for name in LOSSES_DEPEND_ON}
        facts |= {
            "dtype": self._config.all_models[model].dtype,
            "uncertainty": self._config.uncertainty.model_dump(mode="json"),
        }
        return as_json({"model": model, "corpus": corpus, **facts})

    @cached_property
    def loss_code(self) -> str:
        """Digest of the code that measures losses."""
        return loss_code()

    def loss_resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:
        """Memory and time of the job that measures losses: an extraction that stores nothing, and its logits."""
        return losses(
            model_size(input.manifest, self._config.all_models[wildcards.model].dtype),
            corpus_size(input.corpus),
            threads=threads,
            gpu=bool(self.gpu),
        )

    def boundaries(self, wildcards: Wildcards) -> list[str]:
        """The file of the shards' boundaries; none for a corpus of a single shard."""
        if self._config.shards_of(wildcards.corpus) == 1:
            return []
        return [f"{states_folder(wildcards.model, wildcards.corpus)}/shards.json"]

    def boundary_option(self, wildcards: Wildcards, input: Inputs) -> list[str]:  # noqa: ARG002 - Snakemake's names
        """The same as words of the command, which the rule quotes one by one."""
        return ["--cut", *input.cut] if input.cut else []

    def group(self, wildcards: Wildcards) -> str | None:
        """Jobs on a corpus of one shard are small: several go to the cluster as one, as the profile says how many."""
        return "extraction" if self._config.shards_of(wildcards.corpus) == 1 else None

    def resources(self, wildcards: Wildcards, input: Inputs, threads: int) -> Resources:
        """Memory and time of one shard."""
        kept = self._kept(wildcards.model, wildcards.corpus)
        return extraction(
            model_size(input.manifest, self._config.all_models[wildcards.model].dtype),
            corpus_size(input.corpus),
            shards=self._config.shards_of(wildcards.corpus),
            memory_mb=kept["memory_mb"],
            sites=SITES if kept["sites"] == "all" else len(kept["sites"]) + WIDER * ("mlp_inner" in kept["sites"]),
            token_budget=kept["token_budget"],
            attention_texts=kept["attention_texts"],
            attention_tokens=kept["attention_tokens"],
            threads=threads,
            gpu=bool(self.gpu),
        )

    def boundary_resources(
        self,
        wildcards: Wildcards,  # noqa: ARG002 - all such functions take the same
        input: Inputs,
        threads: int,  # noqa: ARG002 - all such functions take the same
    ) -> Resources:
        """Memory and time of the job that finds the shards' boundaries."""
        return shard_boundaries(corpus_size(input.corpus))

    def stored(self, wildcards: Wildcards) -> str:
        """What a store holds, in words that a dry run shows where it changed."""
        kept = self._kept(wildcards.model, wildcards.corpus)
        sites = kept["sites"] if isinstance(kept["sites"], str) else ", ".join(kept["sites"])
        texts = " (of paraphrases too)" if kept["paraphrase_tokens"] and "tokens" in kept["positions"] else ""
        views = f" of the views {', '.join(kept['views'])}" if kept["views"] else ""
        states = f"{', '.join(kept['positions'])}{texts} of {sites}{views}"
        return f"{states}; attention maps of {kept['attention_texts']} texts"

    def _kept(self, model: str, corpus: str) -> dict[str, Any]:
        """What is kept of a corpus, the same for all its shards."""
        if (model, corpus) not in self._kept_of:
            self._kept_of[model, corpus] = self._config.kept_states(model, corpus).model_dump(mode="json")
        return self._kept_of[model, corpus]


def shard_boundaries(corpus: CorpusSize) -> Resources:
    """Resources of the job that tokenises a corpus to cut it into shards: the tokens of all texts beside the texts."""
    megabytes = SNAKEMAKE + TORCH + table_mb(corpus) + TOKENISED * corpus.characters / MB
    return resources_for(megabytes, corpus.characters / CHARACTERS)


def loss_code() -> str:
    """Digest of the code that measures losses with and without sinks."""
    return code_digest("fathom.activations.command", "fathom.activations.losses")


def losses(model: ModelSize, corpus: CorpusSize, *, threads: int, gpu: bool) -> Resources:
    """Resources of the job that measures the losses of a corpus."""
    one = extraction(
        model,
        corpus,
        shards=1,
        memory_mb=0,
        sites=0,
        token_budget=LOGIT_TOKENS,
        attention_texts=0,
        attention_tokens=0,
        threads=threads,
        gpu=gpu,
    )
    # As the model puts them out, in float32, and what the cross entropy makes of those of one text.
    logits = LOGIT_COPIES * 4 * max(LOGIT_TOKENS, corpus.longest) * model.vocabulary / MB
    return Resources(one.mem_mb + math.ceil(logits), 2 * one.runtime)


def extraction(
    model: ModelSize,
    corpus: CorpusSize,
    *,
    shards: int,
    memory_mb: int,
    sites: int,
    token_budget: int,
    attention_texts: int,
    attention_tokens: int,
    threads: int,
    gpu: bool,
) -> Resources:
    """Resources of one shard's extraction."""
    longest_batch = max(token_budget, corpus.longest)
    megabytes = (
        SNAKEMAKE
        + (TORCH + CUDA if gpu else TORCH)
        # The files as they are mapped, and the weights in the dtype that the model runs in.
        + (model.file_bytes + model.parameters * model.itemsize) / MB
        + memory_mb * 1.048576
        # Token states of a batch at all layers, of which means are made.
        + sites * (model.depth + 1) * longest_batch * model.width * model.itemsize / MB
        + STEPS_HELD * 4 * longest_batch * model.width / MB
        + _attention_maps(model, attention_tokens if attention_texts else 0)
        + table_mb(corpus)
        + TOKENISED * corpus.characters / shards / MB
    )
    # Two operations a weight and token; a character is a token at most, where texts are written in an alphabet.
    operations = 2 * model.parameters * corpus.characters / shards
    return resources_for(megabytes, operations / (GPU if gpu else CPU_THREAD * threads))


def _attention_maps(model: ModelSize, tokens: int) -> float:
    """Attention maps of one text at all blocks, as they come and as they are written; 64 numbers a head."""
    heads = math.ceil(model.width / 64)
    return 2 * 4 * model.depth * heads * tokens**2 / MB
