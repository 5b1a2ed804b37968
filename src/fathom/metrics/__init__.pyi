from . import as_published as as_published
from .entropy import matrix_entropy as matrix_entropy
from .geometry import curvature as curvature
from .geometry import effective_rank as effective_rank
from .geometry import two_nn as two_nn
from .invariance import dime as dime
from .invariance import infonce as infonce
from .invariance import lidar as lidar
from .preparation import prepare as prepare
from .similarity import linear_cka as linear_cka
from .similarity import neighbourhood_overlap as neighbourhood_overlap

__all__ = [
    "as_published",
    "curvature",
    "dime",
    "effective_rank",
    "infonce",
    "lidar",
    "linear_cka",
    "matrix_entropy",
    "neighbourhood_overlap",
    "prepare",
    "two_nn",
]
