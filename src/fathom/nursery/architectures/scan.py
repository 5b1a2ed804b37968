"""Mamba's selective scan, with gradients, in time that grows linearly with the text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _Scan(torch.autograd.Function):
    """h_t = a_t h_{t-1} + b_t from h_{-1} = 0, over the first axis: (time, ...).

    Of the states h nothing else is kept. With g_t, the gradient of all that comes after with respect to h_t, the
    gradients of b_t and a_t are g_t and g_t h_{t-1}, where g_t = (what comes in at t) + a_{t+1} g_{t+1}.
    """

    @staticmethod
    def forward(ctx: Any, decays: Tensor, inputs: Tensor) -> Tensor:
        states = inputs.clone()
        for at in range(1, len(states)):
            states[at].addcmul_(decays[at], states[at - 1])
        ctx.save_for_backward(decays, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        decays, states = ctx.saved_tensors
        reaching = gradients[0].clone(memory_format=torch.contiguous_format)
        for at in range(len(reaching) - 2, -1, -1):
            reaching[at].addcmul_(decays[at + 1], reaching[at + 1])
        of_decays = torch.empty_like(reaching)
        of_decays[0] = 0.0
        torch.mul(reaching[1:], states[:-1], out=of_decays[1:])
        return of_decays, reaching


def scan(decays: Tensor, inputs: Tensor) -> Tensor:
    """All states of h_t = a_t h_{t-1} + b_t, from 0, over the first axis."""
    states: Tensor = _Scan.apply(decays, inputs)  # type: ignore[no-untyped-call]
    return states


def selective_scan(
    hidden_states: Tensor,
    dt: Tensor,
    A: Tensor,  # noqa: N803 - transformers' names
    B: Tensor,  # noqa: N803
    C: Tensor,  # noqa: N803
    D: Tensor | None = None,  # noqa: N803
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    **_: Any,
) -> Tensor | tuple[Tensor, Tensor]:
    """In place of `transformers.models.mamba.modeling_mamba.mamba_selective_scan`, with its arguments.

    `hidden_states`, `dt`, `z` are (batch, channels, time), `A` (channels, state), `B`, `C` (batch, state, time).
    """
    if delta_bias is not None:
        dt = dt + delta_bias.to(dt.dtype)[..., None]
    if delta_softplus:
        dt = functional.softplus(dt)
    steps = dt.permute(2, 0, 1)[..., None]
    driven = (dt * hidden_states).permute(2, 0, 1)[..., None] * B.permute(2, 0, 1)[:, :, None, :]
    states = scan(torch.exp(A * steps), driven.float())
    found = torch.einsum("tbcn,bnt->bct", states.to(C.dtype), C)
    if D is not None:
        found = found + hidden_states * D[None, :, None]
    if z is not None:
        found = found * functional.silu(z)
    return (found, states[-1]) if return_last_state else found
