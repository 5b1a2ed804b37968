from .linear import probe_layers as probe_layers

__all__ = ["probe_layers"]
