"""Provenance: what every job wrote down, and what `fathom trace` and `fathom verify` make of it."""
