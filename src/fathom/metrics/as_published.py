"""The metrics in the form that the public code of skean2025 (arXiv 2502.02013) gives them.

Where it differs from the paper, this is the other form. Written from the definitions; each form stands beside the
paper's in `fathom.metrics.definitions`, and this module gathers them under the metrics' own names. Raw states go
in: that code centres the rows over the text (or the texts), brings them to unit length, and for entropy sets the
negative entries of the Gram matrix to zero. What it does by accident is not done here: it works in half precision,
prepares the states of a corpus batch by batch (so that its values depend on the batch size), and gives NaN where rows
have no direction, which is a ValueError here.
"""

from __future__ import annotations

from fathom.metrics.definitions.curvature import curvature_as_published as curvature
from fathom.metrics.definitions.curvature import curvature_of_states_as_published as curvature_of_states
from fathom.metrics.definitions.dime import dime_as_published as dime
from fathom.metrics.definitions.dime import dime_with_error_as_published as dime_with_error
from fathom.metrics.definitions.infonce import infonce_as_published as infonce
from fathom.metrics.definitions.lidar import lidar_as_published as lidar
from fathom.metrics.published_entropy import entropy_as_published as prompt_entropy

__all__ = ["curvature", "curvature_of_states", "dime", "dime_with_error", "infonce", "lidar", "prompt_entropy"]
