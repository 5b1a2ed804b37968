"""
Score every layer on downstream tasks, through mteb, from stored states: no GPU, one job a model and task.

The texts that a task asks for are a corpus like any other, task-{task}, whose states the stage of activations stores.

REQUIRED INPUTS:
    none but the package index or the hub; for a file of your own, that file
    results/activations/{model}/task-{task}/{shard}.manifest.json    of all shards
OUTPUTS:
    results/tasks/_data/{task}/manifest.json       the task's data, fetched once, in files beside it
    results/corpora/task-{task}.parquet            the texts that it asks for
    results/tasks/{model}/{task}.parquet           one row a layer, form and measure
    results/tasks/{model}/{task}.layers.parquet    the main score of every layer and form
    results/tasks/_over_tasks/{figure}.parquet     what a figure shows of several tasks together
    results/tasks/{model}/{task}.record.json       what the job did, when and where
    results/tasks/{model}/mteb/                    mteb's own results; no rule reads them, since they hold times
"""


rule task_data:
    input:
        files=plan.tasks.files,
    output:
        manifest="results/tasks/_data/{task}/manifest.json",
        record="results/tasks/_data/{task}.record.json",
    log:
        "logs/tasks/_data/{task}.log",
    # What is fetched is fetched where Snakemake runs: compute nodes often have no network.
    localrule: True
    conda:
        "../../envs/tasks.yaml"
    params:
        settings=plan.tasks.data_settings,
        code=plan.tasks.data_code,
    message:
        "Bringing the data of task {wildcards.task}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " tasks --settings {params.settings:q} --write-data {output.manifest:q}"


rule task_texts:
    input:
        data="results/tasks/_data/{task}/manifest.json",
    output:
        corpus="results/corpora/task-{task}.parquet",
        record="results/corpora/task-{task}.record.json",
    log:
        "logs/corpora/task-{task}.log",
    localrule: True
    conda:
        "../../envs/tasks.yaml"
    params:
        settings=plan.tasks.texts_settings,
        code=plan.tasks.texts_code,
    message:
        "Listing the texts of task {wildcards.task}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " tasks --settings {params.settings:q} --data {input.data:q} --write-texts {output.corpus:q}"


rule tasks:
    input:
        data="results/tasks/_data/{task}/manifest.json",
        manifests=plan.tasks.manifests,
        stores=ancient(plan.tasks.stores),
        corpus=plan.tasks.corpus,
    output:
        table="results/tasks/{model}/{task}.parquet",
        summary="results/tasks/{model}/{task}.layers.parquet",
        record="results/tasks/{model}/{task}.record.json",
    log:
        "logs/tasks/{model}/{task}.log",
    group:
        plan.tasks.group
    conda:
        "../../envs/tasks.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt("mem_mb", plan.tasks.resources),
        runtime=per_attempt("runtime", plan.tasks.resources),
        slots=1,
    params:
        settings=plan.tasks.settings,
        code=plan.tasks.code,
        states=subpath(first_manifest, parent=True),
        shards=plan.tasks.shards,
        folder=subpath(output.table, parent=True),
    message:
        "Scoring {wildcards.model} on {wildcards.task}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " tasks --settings {params.settings:q} --data {input.data:q} --corpus {input.corpus:q}"
        " --states {params.states:q} --shards {params.shards} --folder {params.folder:q} --threads {threads}"


rule over_tasks:
    input:
        tables=plan.tasks.over_tables,
    output:
        table="results/tasks/_over_tasks/{figure}.parquet",
        record="results/tasks/_over_tasks/{figure}.record.json",
    log:
        "logs/tasks/_over_tasks/{figure}.log",
    wildcard_constraints:
        figure=one_of(plan.tasks.over_tasks),
    priority: plan.priorities.figure
    localrule: True
    conda:
        "../../envs/tasks.yaml"
    params:
        settings=plan.tasks.over_settings,
        code=plan.tasks.over_code,
    message:
        "Taking the tasks of {wildcards.figure} together"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " tasks --settings - --write-over-tasks {output.table:q} {input.tables:q} <<< {params.settings:q}"
