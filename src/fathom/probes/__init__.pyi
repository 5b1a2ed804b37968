from .own_arrays import probe_layers as probe_layers

__all__ = ["probe_layers"]
