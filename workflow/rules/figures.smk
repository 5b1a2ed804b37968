"""
Draw a figure, with the numbers behind it.

REQUIRED INPUTS:
    the tables of metrics or probes that the figure draws
OUTPUTS:
    results/figures/{figure}.svg, .png, .csv, and its caption as .txt
    results/figures/{figure}.record.json    what the job did, when and where
"""


rule figures:
    input:
        tables=plan.figures.tables,
    output:
        svg=report(
            "results/figures/{figure}.svg",
            caption="../report/figure.rst",
            category=plan.figures.category,
            labels=plan.figures.labels,
        ),
        png="results/figures/{figure}.png",
        csv="results/figures/{figure}.csv",
        text="results/figures/{figure}.txt",
        record="results/figures/{figure}.record.json",
    log:
        "logs/figures/{figure}.log",
    priority: plan.priorities.figure
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        settings=plan.figures.settings,
        code=plan.figures.code,
        caption=plan.figures.caption,
    message:
        "Drawing {wildcards.figure}"
    shell:
        # Of many checkpoints the settings are longer than an argument may be (128 KiB on Linux), so they are piped.
        "fathom --log {log:q} --record {output.record:q} --code {params.code:q}"
        " figures --settings - --svg {output.svg:q} --png {output.png:q}"
        " --csv {output.csv:q} --text {output.text:q} {input.tables:q} <<< {params.settings:q}"
