"""What `import fathom` offers in a notebook: states and results of a run, and states of one's own texts."""
