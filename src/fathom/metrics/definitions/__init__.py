"""The metrics, one a module: the paper's form, its value by chance, and the form of the public code."""
