from .metrics import draw_metric as draw_metric
from .probes import draw_probes as draw_probes

__all__ = ["draw_metric", "draw_probes"]
