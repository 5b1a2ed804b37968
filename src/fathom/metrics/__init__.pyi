from . import as_published as as_published
from .entropy import matrix_entropy as matrix_entropy
from .geometry import curvature as curvature
from .geometry import effective_rank as effective_rank
from .geometry import two_nn as two_nn
from .geometry import two_nn_by_scale as two_nn_by_scale
from .invariance import dime as dime
from .invariance import dime_with_error as dime_with_error
from .invariance import infonce as infonce
from .invariance import lidar as lidar
from .preparation import prepare as prepare
from .profile import activation_ratios as activation_ratios
from .profile import attention_rank as attention_rank
from .profile import heads_looking as heads_looking
from .profile import norm_ratios as norm_ratios
from .similarity import label_overlap as label_overlap
from .similarity import label_overlap_chance as label_overlap_chance
from .similarity import linear_cka as linear_cka
from .similarity import linear_cka_matrix as linear_cka_matrix
from .similarity import neighbourhood_overlap as neighbourhood_overlap
from .similarity import neighbourhood_overlap_matrix as neighbourhood_overlap_matrix

__all__ = [
    "activation_ratios",
    "as_published",
    "attention_rank",
    "curvature",
    "dime",
    "dime_with_error",
    "effective_rank",
    "heads_looking",
    "infonce",
    "label_overlap",
    "label_overlap_chance",
    "lidar",
    "linear_cka",
    "linear_cka_matrix",
    "matrix_entropy",
    "neighbourhood_overlap",
    "neighbourhood_overlap_matrix",
    "norm_ratios",
    "prepare",
    "two_nn",
    "two_nn_by_scale",
]
