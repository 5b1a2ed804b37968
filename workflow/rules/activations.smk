"""
Run a model over one shard of a corpus and store its hidden states: the stage that wants a GPU.

A corpus of more than one shard is tokenised once, to cut it where all shards have about as many tokens.

REQUIRED INPUTS:
    results/models/{model}/manifest.json
    results/corpora/{corpus}.parquet
OUTPUTS:
    results/activations/{model}/{corpus}/{shard}.zarr.zip
    results/activations/{model}/{corpus}/{shard}.manifest.json    written last
    results/activations/{model}/{corpus}/shards.json              where the corpus is cut, if into more shards than one
    results/activations/{model}/{corpus}/{shard}.record.json      what the job did, when and where
    results/activations/{model}/{corpus}/losses.parquet           of a model without its sinks: the loss of the next
                                                                  token of each text, beside that of the whole model
    results/activations/{model}/{corpus}/losses.summary.parquet   means over texts, with intervals
"""


rule shards:
    input:
        manifest="results/models/{model}/manifest.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        cut="results/activations/{model}/{corpus}/shards.json",
        record="results/activations/{model}/{corpus}/shards.record.json",
    log:
        "logs/activations/{model}/{corpus}/shards.log",
    group:
        "cutting"
    conda:
        "../../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.activations.boundary_resources),
        runtime=per_attempt("runtime", plan.activations.boundary_resources),
        slots=1,
    params:
        settings=plan.activations.boundary_settings,
        code=plan.activations.code,
    message:
        "Cutting {wildcards.corpus} into shards for {wildcards.model}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " activations --settings {params.settings:q} --corpus {input.corpus:q}"
        " --model {input.manifest:q} --write-cut {output.cut:q}"


rule activations:
    input:
        manifest="results/models/{model}/manifest.json",
        corpus="results/corpora/{corpus}.parquet",
        cut=plan.activations.boundaries,
    output:
        store="results/activations/{model}/{corpus}/{shard}.zarr.zip",
        manifest="results/activations/{model}/{corpus}/{shard}.manifest.json",
        record="results/activations/{model}/{corpus}/{shard}.record.json",
    log:
        "logs/activations/{model}/{corpus}/{shard}.log",
    priority: plan.priorities.states
    group:
        plan.activations.group
    conda:
        "../../envs/extract.yaml"
    threads: 8
    resources:
        gpu=plan.activations.gpu,
        mem_mb=per_attempt("mem_mb", plan.activations.resources),
        runtime=per_attempt("runtime", plan.activations.resources),
        slots=1,
    params:
        settings=plan.activations.settings,
        code=plan.activations.code,
        stored=plan.activations.stored,
        cut=plan.activations.boundary_option,
    message:
        "Extracting {wildcards.model} on {wildcards.corpus}, shard {wildcards.shard}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " activations --settings {params.settings:q} --corpus {input.corpus:q}"
        " --model {input.manifest:q} --store {output.store:q} --manifest {output.manifest:q} --threads {threads}"
        " {params.cut:q}"


rule losses:
    input:
        manifest="results/models/{model}/manifest.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        table="results/activations/{model}/{corpus}/losses.parquet",
        summary="results/activations/{model}/{corpus}/losses.summary.parquet",
        record="results/activations/{model}/{corpus}/losses.record.json",
    log:
        "logs/activations/{model}/{corpus}/losses.log",
    priority: plan.priorities.states
    group:
        plan.activations.group
    conda:
        "../../envs/extract.yaml"
    threads: 8
    resources:
        gpu=plan.activations.gpu,
        mem_mb=per_attempt("mem_mb", plan.activations.loss_resources),
        runtime=per_attempt("runtime", plan.activations.loss_resources),
        slots=1,
    params:
        settings=plan.activations.loss_settings,
        code=plan.activations.loss_code,
    message:
        "Measuring the loss of {wildcards.model} on {wildcards.corpus}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " activations --settings {params.settings:q} --corpus {input.corpus:q}"
        " --model {input.manifest:q} --write-losses {output.table:q} --threads {threads}"
