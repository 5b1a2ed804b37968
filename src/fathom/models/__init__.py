"""Prepare a checkpoint, load it, know its architecture."""
