"""Tests on a real Slurm. They want root and Debian's packages: `make test-cluster`."""
