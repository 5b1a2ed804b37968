from .notebook.own_texts import hidden_states as hidden_states
from .notebook.results import read_results as read_results
from .notebook.stored_states import open_activations as open_activations

__all__ = ["hidden_states", "open_activations", "read_results"]
