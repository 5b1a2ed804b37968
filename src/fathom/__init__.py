"""fathom measures, layer by layer, what a model's hidden states hold."""
