"""
Measure metrics on every layer.

REQUIRED INPUTS:
    results/activations/{model}/{corpus}/{shard}.manifest.json    of all shards
    results/corpora/{corpus}.parquet
OUTPUTS:
    results/metrics/{model}/{corpus}/{metric}.parquet    one row a text (or corpus, or pair of layers) and layer
    results/metrics/{model}/{corpus}/{metric}.layers.parquet    one row a curve and layer: value, interval, texts
    results/metrics/{model}/{corpus}/{metric}.modes.parquet  one row a layer and form: the dip of the texts' values, its test, the two modes
    results/metrics/{model}/{corpus}/{metric}.mode_texts.parquet  the texts nearest to the modes; both where a figure asks for them
    results/metrics/_claims/{figure}.parquet    one row a verdict on what a paper claims in a figure, judged on tables of several models
    results/metrics/{model}/{corpus}/{metric}.record.json    what the job did, when and where; tokens.record.json of
                                                             the metrics of the tokens of a text
"""

if plan.metrics.token_tables:

    # All metrics of the tokens of a text share one read of the states.
    rule token_metrics:
        input:
            manifests=plan.metrics.manifests,
            # The manifest holds the digests of the store, so the store's own time stamp says nothing.
            stores=ancient(plan.metrics.stores),
            corpus="results/corpora/{corpus}.parquet",
        output:
            tables=collect(
                "results/metrics/{{model}}/{{corpus}}/{table}.parquet",
                table=plan.metrics.token_tables,
            ),
            summaries=collect(
                "results/metrics/{{model}}/{{corpus}}/{table}.layers.parquet",
                table=plan.metrics.token_summaries,
            ),
            record="results/metrics/{model}/{corpus}/tokens.record.json",
        log:
            "logs/metrics/{model}/{corpus}/tokens.log",
        priority: plan.priorities.metrics
        group:
            plan.metrics.group
        conda:
            "../../envs/analyse.yaml"
        threads: 8
        resources:
            mem_mb=per_attempt("mem_mb", plan.metrics.token_resources),
            runtime=per_attempt("runtime", plan.metrics.token_resources),
            slots=1,
        params:
            settings=plan.metrics.token_settings,
            code=plan.metrics.token_code,
            states=subpath(first_manifest, parent=True),
            shards=plan.metrics.shards,
            folder=subpath(first_table, parent=True),
        message:
            "Measuring tokens of {wildcards.model} on {wildcards.corpus}"
        shell:
            "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
            " metrics --settings {params.settings:q} --corpus {input.corpus:q}"
            " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"


rule metrics:
    input:
        manifests=plan.metrics.manifests,
        stores=ancient(plan.metrics.stores),
        corpus="results/corpora/{corpus}.parquet",
    output:
        table="results/metrics/{model}/{corpus}/{metric}.parquet",
        summary="results/metrics/{model}/{corpus}/{metric}.layers.parquet",
        record="results/metrics/{model}/{corpus}/{metric}.record.json",
    log:
        "logs/metrics/{model}/{corpus}/{metric}.log",
    priority: plan.priorities.metrics
    group:
        plan.metrics.group
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.metrics.resources),
        runtime=per_attempt("runtime", plan.metrics.resources),
        slots=1,
    params:
        settings=plan.metrics.settings,
        code=plan.metrics.code,
        states=subpath(first_manifest, parent=True),
        shards=plan.metrics.shards,
        folder=subpath(output.table, parent=True),
    message:
        "Measuring {wildcards.metric} of {wildcards.model} on {wildcards.corpus}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " metrics --settings {params.settings:q} --corpus {input.corpus:q}"
        " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"


rule modes:
    input:
        table="results/metrics/{model}/{corpus}/{text_metric}.parquet",
        corpus="results/corpora/{corpus}.parquet",
    output:
        table="results/metrics/{model}/{corpus}/{text_metric}.modes.parquet",
        texts="results/metrics/{model}/{corpus}/{text_metric}.mode_texts.parquet",
        record="results/metrics/{model}/{corpus}/{text_metric}.modes.record.json",
    log:
        "logs/metrics/{model}/{corpus}/{text_metric}.modes.log",
    priority: plan.priorities.modes
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.metrics.modes_settings,
        code=plan.metrics.modes_code,
        folder=subpath(output.table, parent=True),
    message:
        "Testing {wildcards.text_metric} of {wildcards.model} on {wildcards.corpus} for two modes"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " metrics --settings {params.settings:q} --corpus {input.corpus:q} --table {input.table:q}"
        " --folder {params.folder:q}"


rule claims:
    input:
        tables=plan.metrics.claim_tables,
    output:
        table="results/metrics/_claims/{figure}.parquet",
        record="results/metrics/_claims/{figure}.record.json",
    log:
        "logs/metrics/_claims/{figure}.log",
    wildcard_constraints:
        figure=one_of(plan.metrics.claimed),
    priority: plan.priorities.figure
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.metrics.claim_settings,
        code=plan.metrics.claims_code,
        folder=subpath(output.table, parent=True),
    message:
        "Judging what a paper claims in {wildcards.figure}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " metrics --settings - --folder {params.folder:q} {input.tables:q} <<< {params.settings:q}"
