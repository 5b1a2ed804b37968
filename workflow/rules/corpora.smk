"""
Build the texts of a corpus, and their views.

REQUIRED INPUTS:
    none but the package index or the hub; for a file of your own, that file; where probes train on one corpus and test
    on another, the earlier one of the two, whose classes are those of the later one
OUTPUTS:
    results/corpora/{corpus}.parquet    one row a text and view: id, text, view, group,
                                        quantity and control of the view, labels, spans
    results/corpora/{corpus}.leaks.csv    labelled texts that are equal or nearly equal to one of another group
    results/corpora/{corpus}.record.json    what the job did, when and where
"""


rule corpora:
    input:
        files=plan.corpora.files,
        base=plan.corpora.base,
        compared=plan.corpora.compared,
    output:
        corpus="results/corpora/{corpus}.parquet",
        leaks="results/corpora/{corpus}.leaks.csv",
        record="results/corpora/{corpus}.record.json",
    log:
        "logs/corpora/{corpus}.log",
    wildcard_constraints:
        corpus=one_of(plan.config.corpora),
    priority: plan.priorities.corpus
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.corpora.settings,
        code=plan.corpora.code,
        base=base_option,
        compared=plan.corpora.compared_options,
    message:
        "Building corpus {wildcards.corpus}"
    shell:
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " corpora --settings {params.settings:q}"
        " --output {output.corpus:q} --leaks {output.leaks:q} {params.base:q} {params.compared:q}"
