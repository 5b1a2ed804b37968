"""fathom measures, layer by layer, what a language model's hidden states hold."""

import lazy_loader

# The names are listed in __init__.pyi and imported when they are first used: a config must stay quick to check.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
