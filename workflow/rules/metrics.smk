"""
Measure one metric on every layer.

REQUIRED INPUTS:
    results/activations/{model}/{corpus}/{shard}.manifest.json    of all shards
    results/corpora/{corpus}.parquet
OUTPUTS:
    results/metrics/{model}/{corpus}/{metric}.parquet    one row a text (or corpus) and layer
"""


rule metrics:
    input:
        manifests=stored("manifest.json", own_corpus),
        # The manifest holds the digests of the store, so the store's own time stamp says nothing.
        stores=ancient(stored("zarr", own_corpus)),
        corpus="results/corpora/{corpus}.parquet",
    output:
        table="results/metrics/{model}/{corpus}/{metric}.parquet",
    log:
        "logs/metrics/{model}/{corpus}/{metric}.log",
    benchmark:
        "logs/metrics/{model}/{corpus}/{metric}.benchmark.tsv"
    conda:
        "../../envs/analyse.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime="2h",
    params:
        settings=metric_settings,
        code=metric_code,
    message:
        "Measuring {wildcards.metric} of {wildcards.model} on {wildcards.corpus}"
    shell:
        "fathom --log {log:q} metrics --settings {params.settings:q} --corpus {input.corpus:q}"
        " --output {output.table:q} --threads {threads} {input.manifests:q}"
