"""What transformers may do by itself while it loads a model, shut before it is imported."""

from __future__ import annotations

import os
import sys


def go_offline() -> None:
    """From here on transformers fetches nothing: no file of the hub, and no kernel, which is code that it would run.

    A config may name both. Weights are where they are by now, and none of this changes what a model is.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["USE_HUB_KERNELS"] = "NO"
    os.environ["TRUST_REMOTE_CODE"] = "False"
    if "huggingface_hub.constants" in sys.modules:  # it has read its environment already
        sys.modules["huggingface_hub.constants"].HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
