"""
Fetch or convert a checkpoint, once.

REQUIRED INPUTS:
    none but the package index or the hub; for a folder of your own, its files
OUTPUTS:
    results/models/{model}/                 config.json, tokenizer, and the weights or how they are drawn
    results/models/{model}/manifest.json    source, revision, digests
    results/models/{model}.record.json      what the job did, when and where
"""


rule models:
    input:
        files=plan.models.files,
        base=plan.models.base,
    output:
        folder=directory("results/models/{model}"),
        manifest="results/models/{model}/manifest.json",
        record="results/models/{model}.record.json",
    log:
        "logs/models/{model}.log",
    priority: plan.priorities.model
    # What is fetched is fetched where Snakemake runs: compute nodes often have no network.
    localrule: True
    conda:
        "../../envs/extract.yaml"
    params:
        settings=plan.models.settings,
        code=plan.models.code,
        base=base_option,
    message:
        "Preparing model {wildcards.model}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " models --settings {params.settings:q}"
        " --folder {output.folder:q} --manifest {output.manifest:q} {params.base:q}"
