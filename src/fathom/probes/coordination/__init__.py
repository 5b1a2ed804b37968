"""Whether adjacent layers coordinate: attention, similarity, complementarity, alternation."""
