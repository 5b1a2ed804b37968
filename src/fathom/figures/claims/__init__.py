"""The papers' claims, and whether a run agrees."""
