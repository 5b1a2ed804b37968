"""The page to explore the results: one file, from the summaries of all stages, for a browser."""
