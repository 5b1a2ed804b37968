"""Names of results that several stages must spell alike."""

ORDERED = "+"  # between the names of experiments whose peaks are said to follow one another
COMPARED = "+"  # between the names of models that a verdict compares
