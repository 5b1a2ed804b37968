"""Figures: data frames in, matplotlib figures out, in one style."""

import lazy_loader

# The names are listed in __init__.pyi and imported when they are first used: settings.py must stay quick to import.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
