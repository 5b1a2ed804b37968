"""What is taken of several tasks together: means, choices of a layer, and what metrics tell of scores."""
