"""
Run a model over one shard of a corpus and store its hidden states: the stage that wants a GPU.

REQUIRED INPUTS:
    results/models/{model}/manifest.json
    results/corpora/{corpus}.parquet
OUTPUTS:
    results/activations/{model}/{corpus}/{shard}.zarr
    results/activations/{model}/{corpus}/{shard}.manifest.json    written last
"""


rule activations:
    input:
        manifest="results/models/{model}/manifest.json",
        folder=ancient("results/models/{model}"),
        corpus="results/corpora/{corpus}.parquet",
    output:
        store=directory("results/activations/{model}/{corpus}/{shard}.zarr"),
        manifest="results/activations/{model}/{corpus}/{shard}.manifest.json",
    log:
        "logs/activations/{model}/{corpus}/{shard}.log",
    benchmark:
        "logs/activations/{model}/{corpus}/{shard}.benchmark.tsv"
    group:
        shared("extraction", own_corpus)
    conda:
        "../../envs/extract.yaml"
    threads: 8
    resources:
        gpu=int(needs.wants_gpu(plan.config)),
        mem_mb=asked("mem_mb", extraction_needs),
        runtime=asked("runtime", extraction_needs),
        slots=1,
    params:
        settings=extraction_settings,
        code=plan.code("activations"),
    message:
        "Extracting {wildcards.model} on {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "fathom --log {log:q} activations --settings {params.settings:q} --corpus {input.corpus:q}"
        " --model {input.manifest:q} --store {output.store:q} --manifest {output.manifest:q} --threads {threads}"
