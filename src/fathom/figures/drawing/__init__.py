"""Drawing: style, axes, grids of panels, curves, text."""
