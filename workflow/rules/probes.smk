"""
Fit the linear probes of one experiment on every layer, and measure how adjacent layers coordinate.

REQUIRED INPUTS:
    results/activations/{model}/{corpus}/{shard}.manifest.json    of all shards of the experiment's corpus
    results/corpora/{corpus}.parquet
    the same of the corpus that an experiment is tested on besides, where it names one
OUTPUTS:
    results/probes/{model}/{experiment}.layers.parquet    one row a curve, measure and layer: score, interval, chance, peak
    results/probes/{model}/{experiment}.choices.parquet   one row a curve, measure and way to choose a layer: score, interval, gain over the last
    results/probes/{model}/{experiment}.parquet           one row a curve, layer, repeat and fold
    results/probes/{model}/{experiment}.texts.parquet     one row a curve, layer and text: how often its prediction was correct
    results/probes/{model}/{experiment}.told.parquet      one row a curve and text: the layers from which on it is told rightly
    results/probes/{model}/{experiment}.confusion.parquet one row a curve, layer, class and predicted class: texts
    results/probes/{model}/{experiment}.coordination.parquet    one row a measure and pair of layers, where configured
    results/probes/{model}/{experiment}.directions.safetensors    directions and scaler of the probes, where they are kept
    results/probes/{model}/{order}.order.parquet    one row a statistic and two neighbours of experiments whose peaks are said to follow one another
    results/probes/{model}/{experiment}.record.json    what the job did, when and where; .coordination, .directions and .order have their own
A curve is a view of the texts, site, position, form (with or without sinks), label, estimator, way to find the penalty, and control (empty: none).
Coordination reads the table of texts beside what the probes read; an order is the joined names of experiments, and reads their tables.
"""


rule probes:
    input:
        manifests=plan.probes.manifests,
        stores=ancient(plan.probes.stores),
        corpus=plan.probes.corpus,
        test_corpus=plan.probes.test_corpus,
        test_manifests=plan.probes.test_manifests,
        test_stores=ancient(plan.probes.test_stores),
    output:
        folds="results/probes/{model}/{experiment}.parquet",
        layers="results/probes/{model}/{experiment}.layers.parquet",
        choices="results/probes/{model}/{experiment}.choices.parquet",
        texts="results/probes/{model}/{experiment}.texts.parquet",
        told="results/probes/{model}/{experiment}.told.parquet",
        confusion="results/probes/{model}/{experiment}.confusion.parquet",
        record="results/probes/{model}/{experiment}.record.json",
    log:
        "logs/probes/{model}/{experiment}.log",
    priority: plan.priorities.probes
    group:
        plan.probes.group
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.probes.resources),
        runtime=per_attempt("runtime", plan.probes.resources),
        slots=1,
    params:
        settings=plan.probes.settings,
        code=plan.probes.code,
        states=subpath(first_manifest, parent=True),
        shards=plan.probes.shards,
        test=plan.probes.test_options,
        folder=subpath(output.folds, parent=True),
    message:
        "Probing {wildcards.model} for {wildcards.experiment}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " probes --settings {params.settings:q} --corpus {input.corpus:q}"
        " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"
        " {params.test:q}"


rule coordination:
    input:
        manifests=plan.probes.manifests,
        stores=ancient(plan.probes.stores),
        corpus=plan.probes.corpus,
        texts="results/probes/{model}/{experiment}.texts.parquet",
    output:
        table="results/probes/{model}/{experiment}.coordination.parquet",
        record="results/probes/{model}/{experiment}.coordination.record.json",
    log:
        "logs/probes/{model}/{experiment}.coordination.log",
    group:
        plan.probes.group
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.probes.coordination_resources),
        runtime=per_attempt("runtime", plan.probes.coordination_resources),
        slots=1,
    params:
        settings=plan.probes.coordination_settings,
        code=plan.probes.code,
        states=subpath(first_manifest, parent=True),
        shards=plan.probes.shards,
        folder=subpath(output.table, parent=True),
    message:
        "Measuring coordination of {wildcards.model} in {wildcards.experiment}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " probes --settings {params.settings:q} --corpus {input.corpus:q} --texts {input.texts:q}"
        " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"


rule directions:
    input:
        manifests=plan.probes.manifests,
        stores=ancient(plan.probes.stores),
        corpus=plan.probes.corpus,
    output:
        directions="results/probes/{model}/{experiment}.directions.safetensors",
        record="results/probes/{model}/{experiment}.directions.record.json",
    log:
        "logs/probes/{model}/{experiment}.directions.log",
    group:
        plan.probes.group
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.probes.directions_resources),
        runtime=per_attempt("runtime", plan.probes.directions_resources),
        slots=1,
    params:
        settings=plan.probes.directions_settings,
        code=plan.probes.code,
        states=subpath(first_manifest, parent=True),
        shards=plan.probes.shards,
        folder=subpath(output.directions, parent=True),
    message:
        "Keeping directions of {wildcards.model} in {wildcards.experiment}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " probes --settings {params.settings:q} --corpus {input.corpus:q}"
        " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"


rule peak_order:
    input:
        tables=plan.probes.order_tables,
        corpora=plan.probes.order_corpora,
    output:
        table="results/probes/{model}/{order}.order.parquet",
        record="results/probes/{model}/{order}.order.record.json",
    log:
        "logs/probes/{model}/{order}.order.log",
    priority: plan.priorities.order
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.probes.order_settings,
        code=plan.probes.code,
        corpora=plan.probes.order_options,
        folder=subpath(output.table, parent=True),
    message:
        "Testing the order of peaks of {wildcards.model} in {wildcards.order}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " probes --settings {params.settings:q} {params.corpora:q} --folder {params.folder:q}"
