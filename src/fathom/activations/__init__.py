"""Run a model over a corpus once and store its hidden states."""
