"""
Write the page to explore all results in a browser: one file, which asks no network.

REQUIRED INPUTS:
    the summaries of metrics, probes and tasks that figures are drawn from, and the figures' captions
    results/activations/{model}/{corpus}/{shard}.manifest.json    of the texts that are shown word by word
OUTPUTS:
    results/explore.html
    results/explore.record.json    what the job did, when and where
"""


rule explore:
    input:
        tables=plan.explore.tables,
        texts=plan.explore.texts,
        manifests=plan.explore.manifests,
        stores=ancient(plan.explore.stores),
        # When and where jobs ran is told in the page. A job that ran again and gave the same makes no new page.
        records=ancient(plan.explore.records),
    output:
        page=report(
            "results/explore.html",
            caption="../report/explore.rst",
            category="Explore",
        ),
        record="results/explore.record.json",
    log:
        "logs/explore.log",
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.explore.settings,
        code=plan.explore.code,
    message:
        "Writing the page to explore"
    shell:
        # The settings name all files that it is made from, and are longer than an argument may be: they are piped.
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " explore --settings - --html {output.page:q} <<< {params.settings:q}"
