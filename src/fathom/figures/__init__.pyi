from .bimodality import bimodality_table as bimodality_table
from .bimodality import draw_bimodality as draw_bimodality
from .claims import evaluate as evaluate
from .comparison import draw_comparison as draw_comparison
from .matrix import draw_matrices as draw_matrices
from .metrics import draw_metric as draw_metric
from .metrics import summarise_metric as summarise_metric
from .power_law import draw_power_law as draw_power_law
from .power_law import power_law_entropies as power_law_entropies
from .probes import draw_probes as draw_probes
from .sinks import draw_sinks as draw_sinks
from .sinks import summarise_sinks as summarise_sinks
from .stages import draw_stages as draw_stages
from .sweep import draw_sweep as draw_sweep

__all__ = [
    "bimodality_table",
    "draw_bimodality",
    "draw_comparison",
    "draw_matrices",
    "draw_metric",
    "draw_power_law",
    "draw_probes",
    "draw_sinks",
    "draw_stages",
    "draw_sweep",
    "evaluate",
    "power_law_entropies",
    "summarise_metric",
    "summarise_sinks",
]
