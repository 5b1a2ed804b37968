from . import as_published as as_published
from .definitions.curvature import curvature as curvature
from .definitions.dataset_entropy import matrix_entropy as matrix_entropy
from .definitions.dime import dime as dime
from .definitions.dime import dime_with_error as dime_with_error
from .definitions.effective_rank import attention_rank as attention_rank
from .definitions.effective_rank import effective_rank as effective_rank
from .definitions.infonce import infonce as infonce
from .definitions.intrinsic_dimension import two_nn as two_nn
from .definitions.intrinsic_dimension import two_nn_by_scale as two_nn_by_scale
from .definitions.label_overlap import label_overlap as label_overlap
from .definitions.label_overlap import label_overlap_chance as label_overlap_chance
from .definitions.lidar import lidar as lidar
from .definitions.linear_cka import linear_cka as linear_cka
from .definitions.linear_cka import linear_cka_matrix as linear_cka_matrix
from .definitions.neighbourhood_overlap import neighbourhood_overlap as neighbourhood_overlap
from .definitions.neighbourhood_overlap import neighbourhood_overlap_matrix as neighbourhood_overlap_matrix
from .definitions.sinks import activation_ratios as activation_ratios
from .definitions.sinks import heads_attending as heads_attending
from .definitions.sinks import norm_ratios as norm_ratios
from .preparation import prepare as prepare

__all__ = [
    "activation_ratios",
    "as_published",
    "attention_rank",
    "curvature",
    "dime",
    "dime_with_error",
    "effective_rank",
    "heads_attending",
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
