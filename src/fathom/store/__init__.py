"""The activation store: the only code that knows Zarr."""
