"""A tiny random model of each text architecture of transformers, and what extraction makes of it."""
