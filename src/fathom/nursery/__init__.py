"""Small models, trained from scratch, with checkpoints from the first step to the last."""
