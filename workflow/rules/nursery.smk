"""
Train a small model from scratch, with checkpoints at steps 0, 1, 2, 4, ... and the last. A training that is cut off
goes on where it was when it runs again.

REQUIRED INPUTS:
    results/corpora/{corpus}.parquet    the text, and the corpora that are kept apart from it
OUTPUTS:
    results/nursery/{training}/step-{step}.safetensors    weights of a step, beside config.json and the tokenizer
    results/nursery/{training}/losses.parquet    one row a measured loss, with those of unigrams and bigrams
    results/nursery/{training}/manifest.json    what was trained on what, digests
    results/nursery/{training}.record.json      what the job did, when and where
"""


rule nursery:
    input:
        text=plan.nursery.text,
        apart=plan.nursery.apart,
    output:
        folder=directory("results/nursery/{training}"),
        manifest="results/nursery/{training}/manifest.json",
        losses="results/nursery/{training}/losses.parquet",
        record="results/nursery/{training}.record.json",
    log:
        "logs/nursery/{training}.log",
    conda:
        "../../envs/extract.yaml"
    # Small models gain nothing from a second thread, and two trainings side by side do.
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.nursery.resources),
        runtime=per_attempt("runtime", plan.nursery.resources),
        slots=1,
    params:
        settings=plan.nursery.settings,
        code=plan.nursery.code,
        apart=apart_option,
    message:
        "Training {wildcards.training}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " nursery --settings {params.settings:q} --text {input.text:q} {params.apart:q}"
        " --folder {output.folder:q} --threads {threads}"
