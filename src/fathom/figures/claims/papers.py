"""What the papers claim in their figures, in our words. Imports nothing: captions and the config read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ClaimName = Literal[
    "fig2",
    "fig4",
    "fig6a",
    "fig6b",
    "fig6c",
    "fig7",
    "fig10",
    "fig11",
    "fig12",
    "fig13",
    "fig15",
    "bimodal",
]


@dataclass(frozen=True)
class Claim:
    """What a paper claims in one of its figures."""

    paper: str
    """The paper."""
    figure: str
    """The figure."""
    says: str
    """What it claims."""

    def __str__(self) -> str:
        """One line for a caption."""
        return f"{self.paper}, {self.figure}: {self.says}"


CLAIMS: dict[ClaimName, Claim] = {
    "fig2": Claim(
        "Skean et al. 2025",
        "Figure 2",
        "a decoder's prompt entropy has a valley at mid depth that an encoder and a state-space model lack.",
    ),
    "fig4": Claim(
        "Skean et al. 2025",
        "Figure 4",
        "in training the middle layers change most, and early layers come to rest soon.",
    ),
    "fig6a": Claim(
        "Skean et al. 2025",
        "Figure 6a",
        "repeated tokens lower the prompt entropy.",
    ),
    "fig6b": Claim(
        "Skean et al. 2025",
        "Figure 6b",
        "random tokens raise the prompt entropy.",
    ),
    "fig6c": Claim(
        "Skean et al. 2025",
        "Figure 6c",
        "the prompt entropy, not normalised, grows with the length of the text, but ever more slowly.",
    ),
    "fig7": Claim(
        "Skean et al. 2025",
        "Figure 7",
        "entropy falls as the spectrum decays faster, and smaller eigenvalues contribute more at a larger alpha.",
    ),
    "fig10": Claim(
        "Skean et al. 2025",
        "Figure 10",
        "a decoder's prompt entropy has a valley at mid depth that a state-space model lacks.",
    ),
    "fig11": Claim(
        "Skean et al. 2025",
        "Figure 11",
        "in training the middle layers change most, and early layers come to rest soon.",
    ),
    "fig12": Claim(
        "Skean et al. 2025",
        "Figure 12",
        "larger models have a deeper valley of prompt entropy, lower curvature and higher LiDAR.",
    ),
    "fig13": Claim(
        "Skean et al. 2025",
        "Figure 13",
        "fine-tuned models are more invariant to augmentation than their base: lower InfoNCE.",
    ),
    "fig15": Claim(
        "Skean et al. 2025",
        "Figure 15",
        "the effective rank drops where a sub-layer's output has joined the residual stream.",
    ),
    "bimodal": Claim(
        "Skean et al. 2024",
        "bimodal entropies",
        "at some layer the prompt entropies of a corpus have two modes.",
    ),
}
