from .metrics.bimodality import draw_bimodality as draw_bimodality
from .metrics.block_sites import draw_stages as draw_stages
from .metrics.comparison import draw_comparison as draw_comparison
from .metrics.curves import draw_metric as draw_metric
from .metrics.matrix import draw_matrices as draw_matrices
from .metrics.own_curves import curve as curve
from .metrics.power_law import draw_power_law as draw_power_law
from .metrics.power_law import power_law_entropies as power_law_entropies
from .metrics.sinks import draw_sinks as draw_sinks
from .metrics.sweep import draw_sweep as draw_sweep
from .probes.coordination import draw_coordination as draw_coordination
from .probes.curves import draw_probes as draw_probes
from .probes.early_context import draw_early_context as draw_early_context
from .probes.label_panels import draw_properties as draw_properties
from .probes.sites import draw_sites as draw_sites
from .probes.spans import draw_spans as draw_spans
from .probes.summary import draw_summary as draw_summary
from .probes.summary import summary_table as summary_table

__all__ = [
    "curve",
    "draw_bimodality",
    "draw_comparison",
    "draw_coordination",
    "draw_early_context",
    "draw_matrices",
    "draw_metric",
    "draw_power_law",
    "draw_probes",
    "draw_properties",
    "draw_sinks",
    "draw_sites",
    "draw_spans",
    "draw_stages",
    "draw_summary",
    "draw_sweep",
    "power_law_entropies",
    "summary_table",
]
