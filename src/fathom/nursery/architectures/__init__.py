"""What can be trained: one module an architecture."""
