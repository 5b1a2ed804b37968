"""
The plan of this run: the config, checked, and what the rules ask of it.
"""

import functools
import gc
import re
import sys
from pathlib import Path

from fathom.workflow import captions
from fathom.workflow import resources as needs
from fathom.workflow.killed_jobs import advice
from fathom.workflow.figure_tables import table_files
from fathom.workflow.load import load_config
from fathom.workflow.remote_files import copied
from fathom.runtime.errors import FathomError
from fathom.workflow.plan import Plan
from fathom.provenance.records import torn_shards
from fathom.schema import in_storage
from fathom.io.shards import shard_names

# A plan of 10,000 jobs is millions of objects, all of which stay: a tenth of the planning went into looking through them
# for garbage, as often as Python does by itself.
gc.set_threshold(200_000, 50, 100)

try:
    plan = Plan(
        load_config(config, workflow.configfiles, files_here=workflow.is_main_process)
    )
except FathomError as error:
    sys.exit(f"fathom: error: {error}")


def one_of(names):
    """A wildcard's closed set of values."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    model=one_of(plan.config.all_models),
    corpus=one_of(plan.config.corpora),
    metric=one_of(plan.corpus_metrics),
    experiment=one_of(plan.config.experiments),
    figure=one_of(plan.figures),
    shard=r"\d+-of-\d+",


# A job that is killed from outside cannot say what to do.
onerror:
    for file in log:
        for line in advice(
            Path(file).read_text(encoding="utf-8", errors="replace")
        ):
            print(line, file=sys.stderr)


# Places in a job that several small ones share: counted in each of them, not over all.
resource_scopes:
    slots="local",


def asked(what, needs_of):
    """`mem_mb` or `runtime` of a job, computed from the files that it reads; more at each attempt."""

    def resource(wildcards, input, attempt, threads, async_run):
        while True:
            try:
                return getattr(needs_of(wildcards, input, threads).at(attempt), what)
            except FileNotFoundError as missing:
                if not copied(missing.filename, input, async_run):
                    raise

    return resource


def shared(group, corpus_of):
    """Jobs on a corpus of one shard are small: several go to the cluster as one, as the profile says how many."""

    def group_of(wildcards):
        return group if plan.shards_of(corpus_of(wildcards)) == 1 else None

    return group_of


def cut_needs(wildcards, input, threads):
    return needs.cut_needs(input.corpus)


def extraction_needs(wildcards, input, threads):
    return needs.extraction_needs(
        plan.config,
        wildcards.model,
        wildcards.corpus,
        input.manifest,
        input.corpus,
        shards=plan.shards_of(wildcards.corpus),
        threads=threads,
    )


def token_metric_needs(wildcards, input, threads):
    return needs.token_metric_needs(input.manifests, input.corpus, threads=threads)


def corpus_metric_needs(wildcards, input, threads):
    return needs.corpus_metric_needs(
        plan.config, wildcards.metric, input.manifests, input.corpus
    )


def probe_needs(wildcards, input, threads):
    return needs.probe_needs(
        plan.config,
        wildcards.model,
        wildcards.experiment,
        input.manifests,
        input.corpus,
        threads=threads,
    )


def coordination_needs(wildcards, input, threads):
    return needs.coordination_needs(input.manifests, input.corpus, threads=threads)


def own(files_of):
    """Files of the user's: in a storage where their path is an address, else here, wherever the results are."""

    def place(path):
        return storage(path) if in_storage(path) else local(path)

    def files(wildcards):
        return list(map(place, files_of(wildcards)))

    return files


def model_files(wildcards):
    return plan.model_files(wildcards.model)


def corpus_files(wildcards):
    return plan.corpus_files(wildcards.corpus)


def model_base(wildcards):
    """Manifest of the model whose shape a model of random weights has; nothing for others."""
    base = plan.model_base(wildcards.model)
    return [] if base is None else f"results/models/{base}/manifest.json"


def model_base_folder(wildcards):
    base = plan.model_base(wildcards.model)
    return [] if base is None else f"results/models/{base}"


def corpus_base(wildcards):
    """The corpus whose texts a corpus changes; nothing for others."""
    base = plan.corpus_base(wildcards.corpus)
    return [] if base is None else f"results/corpora/{base}.parquet"


def base_option(wildcards, input):
    """Words of a command, which the rule quotes one by one."""
    return ["--base", str(input.base)] if input.base else []


def brought_option(files_of):
    """Where Snakemake has put a file or folder of the user's that comes from a storage."""

    def option(wildcards, input):
        if any(map(in_storage, files_of(wildcards))):
            return ["--brought", input.files[0]]
        return []

    return option


def experiment_corpus(wildcards):
    return f"results/corpora/{plan.config.experiments[wildcards.experiment].corpus}.parquet"


def states_folder(model, corpus):
    return f"results/activations/{model}/{corpus}"


def torn_records(wildcards):
    """Records that `fathom verify` has set aside, since the stores of their shards are torn: those are made anew."""
    return [
        f"{states_folder(model, corpus)}/{shard}.record.json"
        for model, corpus in plan.extractions
        for shard in torn_shards(Path(states_folder(model, corpus)))
        if shard in shard_names(plan.shards_of(corpus))
    ]


# Many jobs read the same ones.
@functools.cache
def manifest_files(model, corpus):
    """Manifests of all shards. That of a torn one says what it will be again: what was made from it is right."""
    folder = states_folder(model, corpus)
    torn = torn_shards(Path(folder))
    return [
        (
            ancient(f"{folder}/{shard}.manifest.json")
            if shard in torn
            else f"{folder}/{shard}.manifest.json"
        )
        for shard in shard_names(plan.shards_of(corpus))
    ]


@functools.cache
def store_files(model, corpus):
    """Stores of all shards."""
    return [
        f"{states_folder(model, corpus)}/{shard}.zarr.zip"
        for shard in shard_names(plan.shards_of(corpus))
    ]


def stored(files_of, corpus_of):
    """Files of all shards of the corpus that a job reads."""

    def files(wildcards):
        return files_of(wildcards.model, corpus_of(wildcards))

    return files


def first_manifest(wildcards, input):
    """One of the manifests that a job reads: the folder that it is in is that of all of them."""
    return input.manifests[0]


def first_table(wildcards, output):
    """One of the tables that a job writes into one folder."""
    return output.tables[0]


def own_shards(wildcards):
    return plan.shards_of(wildcards.corpus)


def probed_shards(wildcards):
    return plan.shards_of(probed_corpus(wildcards))


def shard_cut(wildcards):
    """Where the corpus is cut; nothing for a corpus of a single shard."""
    cut = "results/activations/{model}/{corpus}/shards.json"
    return cut if plan.shards_of(wildcards.corpus) > 1 else []


def cut_option(wildcards, input):
    return ["--cut", input.cut] if input.cut else []


def own_corpus(wildcards):
    return wildcards.corpus


def probed_corpus(wildcards):
    return plan.config.experiments[wildcards.experiment].corpus


def figure_tables(wildcards):
    """The tables that a figure draws."""
    return table_files(plan.config, wildcards.figure)


def model_settings(wildcards):
    return plan.model_settings(wildcards.model)


def corpus_settings(wildcards):
    return plan.corpus_settings(wildcards.corpus)


def cut_settings(wildcards):
    return plan.cut_settings(wildcards.model, wildcards.corpus)


def extraction_settings(wildcards):
    return plan.extraction_settings(wildcards.model, wildcards.corpus, wildcards.shard)


def token_metric_settings(wildcards):
    return plan.token_metric_settings(wildcards.model, wildcards.corpus)


def corpus_metric_settings(wildcards):
    return plan.corpus_metric_settings(
        wildcards.model, wildcards.corpus, wildcards.metric
    )


def probe_settings(wildcards):
    return plan.probe_settings(wildcards.model, wildcards.experiment)


def coordination_settings(wildcards):
    return plan.coordination_settings(wildcards.model, wildcards.experiment)


def figure_settings(wildcards):
    return plan.figure_settings(wildcards.figure)


def model_code(wildcards):
    return plan.model_code(wildcards.model)


def figure_code(wildcards):
    return plan.figure_code(wildcards.figure)


def corpus_code(wildcards):
    return plan.corpus_code(wildcards.corpus)


def metric_code(wildcards):
    return plan.metric_code(wildcards.metric)


def figure_caption(wildcards):
    return captions.for_report(captions.caption(plan.config, wildcards.figure))


def figure_category(wildcards):
    return captions.figure_category(plan.config, wildcards.figure)


def figure_labels(wildcards):
    return {
        "figure": wildcards.figure,
        "shows": captions.as_label(
            captions.figure_subject(plan.config, wildcards.figure)
        ),
    }
