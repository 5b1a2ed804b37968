include: "workflow/Snakefile"


# Snakemake takes its default target from this file only, never from one that it includes.
rule default:
    default_target: True
    input:
        rules.all.input,
