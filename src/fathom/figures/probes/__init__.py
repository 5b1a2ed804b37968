"""Figures of probes, a module a kind."""
