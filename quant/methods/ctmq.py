"""CTMQ: fewer bits from stage to stage, in cycles. Our interpretation: the paper's quantizers are not established."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Stage
from quant.methods._statistics import above_zero
from quant.methods.dorefa import DoReFa

__all__ = ["CTMQ"]


class _Rounding(torch.autograd.Function):
    """Numbers rounded to the nearest of so many steps from `low` to `high`; the gradient passes within these bounds."""

    @staticmethod
    def forward(context: Any, values: Tensor, low: float, high: float, steps: int) -> Tensor:
        context.save_for_backward(values)
        context.bounds = low, high
        step = (high - low) / steps
        return torch.round((values.clamp(low, high) - low) / step) * step + low

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (values,) = context.saved_tensors
        low, high = context.bounds
        return gradient * ((values >= low) & (values <= high)), None, None, None


@dataclass(frozen=True)
class CTMQ(DoReFa):
    """Weights and activations of `bits` bits, then of one fewer in each stage, down to one; then the next cycle.

    Each stage starts from the weights of the one before, and its learning rate at the recipe's. Weights have
    ``2**n`` even levels from -1 to +1, activations from 0 to 1, and a layer has one scale, which are DoReFa-Net's
    quantizers but for the tanh of weights. All gradients pass within these bounds. The last stage is DoReFa-Net with
    one bit.

    Parameters
    ----------
    bits : of the first stage of a cycle
    cycles : how often
    """

    title = "CTMQ (our interpretation)"
    source = "Kim, Shin et al. 2022, arXiv:2206.12794, of which only the abstract was available"

    bits: int = 4
    cycles: int = 2

    def check(self) -> None:
        self.require("bits", 2 <= self.bits <= 8, "from 2 to 8")
        self.require("cycles", 1 <= self.cycles <= 100, "from 1 to 100")

    def stages(self) -> tuple[Stage, ...]:
        share = 1 / (self.bits * self.cycles)
        cycle = [Stage(f"{bits} bits", share) for bits in range(self.bits, 0, -1)]
        return tuple(cycle * self.cycles)

    def bits_at(self, stage: int) -> int:
        """Return the bits of a stage."""
        return self.bits - stage % self.bits

    def binary_weight(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        """The signs, or in training the levels of the stage; the gradient of a weight is that of the scaled one."""
        bits = self.bits_at(layer.shared.clock.stage)
        if bits == 1 or not layer.training:
            return super().binary_weight(layer, values)
        scale = above_zero(values.detach().abs().mean())
        levels: Tensor = _Rounding.apply(values / scale, -1.0, 1.0, 2**bits - 1)
        return levels

    def trained_activation(self, inputs: Tensor, clock: Clock) -> Tensor | None:
        """The levels of the stage."""
        bits = self.bits_at(clock.stage)
        if bits == 1:
            return None
        levels: Tensor = _Rounding.apply(inputs, 0.0, 1.0, 2**bits - 1)
        return levels
