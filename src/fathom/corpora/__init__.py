"""Build the texts of a corpus and their views."""
