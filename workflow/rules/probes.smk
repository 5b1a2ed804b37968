"""
Fit the linear probes of one experiment on every layer.

REQUIRED INPUTS:
    results/activations/{model}/{corpus}/{shard}.manifest.json    of all shards of the experiment's corpus
    results/corpora/{corpus}.parquet
OUTPUTS:
    results/probes/{model}/{experiment}.parquet           one row a layer, repeat and fold
    results/probes/{model}/{experiment}.layers.parquet    one row a layer: score, interval, chance, peak
"""


rule probes:
    input:
        manifests=stored("manifest.json", probed_corpus),
        stores=ancient(stored("zarr", probed_corpus)),
        corpus=experiment_corpus,
    output:
        folds="results/probes/{model}/{experiment}.parquet",
        layers="results/probes/{model}/{experiment}.layers.parquet",
    log:
        "logs/probes/{model}/{experiment}.log",
    benchmark:
        "logs/probes/{model}/{experiment}.benchmark.tsv"
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime="2h",
    params:
        settings=probe_settings,
        code=plan.code("probes"),
    message:
        "Probing {wildcards.model} for {wildcards.experiment}"
    shell:
        "fathom --log {log:q} probes --settings {params.settings:q} --corpus {input.corpus:q}"
        " --folds {output.folds:q} --layers {output.layers:q} --threads {threads} {input.manifests:q}"
