#!/usr/bin/env bash
# Snakemake runs this once in a new environment, from the folder where it was started: fathom itself is not on an index.
set -euo pipefail
pip install --no-deps --no-build-isolation .
