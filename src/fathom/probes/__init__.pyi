from .directions import apply as apply
from .directions import read_directions as read_directions
from .own_arrays import probe_layers as probe_layers

__all__ = ["apply", "probe_layers", "read_directions"]
