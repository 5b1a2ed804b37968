"""The page to explore the results, in a real browser."""
