"""
Tell what every figure came from, in the report and for other tools. No result is made from what is told here.

REQUIRED INPUTS:
    results/figures/{figure}.svg      and the records of all that it came from, which stand beside the results
OUTPUTS:
    results/provenance/{figure}.txt   what `fathom trace` prints; the report shows it
    results/ro-crate-metadata.json    the same of all figures, as an RO-Crate
The default target does not ask for them. `make report` does, and makes them anew, for a record may change (its times,
its machine) where no figure does.
"""


rule provenance:
    input:
        figure="results/figures/{figure}.svg",
    output:
        text=report(
            "results/provenance/{figure}.txt",
            caption="../report/provenance.rst",
            category="Provenance",
            labels=plan.figures.labels,
        ),
    log:
        "logs/provenance/{figure}.log",
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    message:
        "Tracing {wildcards.figure}"
    shell:
        "fathom --log {log:q} trace {input.figure:q} > {output.text:q}"


rule crate:
    input:
        figures=collect("results/figures/{figure}.svg", figure=plan.figures.names),
        texts=collect("results/provenance/{figure}.txt", figure=plan.figures.names),
    output:
        crate="results/ro-crate-metadata.json",
    log:
        "logs/provenance.log",
    localrule: True
    conda:
        "../../envs/analyse.yaml"
    params:
        folder=subpath(output.crate, parent=True),
    message:
        "Tracing all figures"
    shell:
        "fathom --log {log:q} trace --crate {params.folder:q} {input.figures:q} > {log:q}"
