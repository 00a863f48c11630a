"""Rounding to a grid, ``clip(round(x / step), least, greatest) * step``, with the straight-through estimator."""

from typing import Any

import torch
from brevitas.nn import QuantIdentity
from torch import Tensor

__all__ = ["RoundingIdentity", "rounded"]


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, step: float, least: int, greatest: int) -> Tensor:
        context.save_for_backward(values)
        # A tie below the least code rounds to it if it is even: then the gradient passes at the tie too.
        lowest = (least - 0.5) * (1.0 if least % 2 else 1.0 + 2.0**-23)
        context.bounds = lowest * step, (greatest + 0.5) * step
        return torch.mul(values, 1 / step).round_().clamp_(least, greatest).mul_(step)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (values,) = context.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, values, *context.bounds), None, None, None


def rounded(values: Tensor, step: float, least: int, greatest: int) -> Tensor:
    """Return numbers rounded to a grid, ties to even; the gradient passes where nothing is clipped.

    Parameters
    ----------
    step : a power of two
    """
    result: Tensor = _Rounding.apply(values, step, least, greatest)
    return result


class RoundingIdentity(QuantIdentity):
    """Brevitas' layer, which training replaces by `rounded`, with the same numbers and gradients.

    Brevitas reads its constants from tensors in each step, which costs more on a GPU than the rounding, and which no
    captured step can do.

    Parameters
    ----------
    step, least, greatest : of the grid
    options : Brevitas', which say the same
    """

    def __init__(self, *, step: float, least: int, greatest: int, **options: Any) -> None:
        super().__init__(**options)
        self.step, self.least, self.greatest = step, least, greatest

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            return rounded(inputs, self.step, self.least, self.greatest)
        outputs: Tensor = super().forward(inputs)
        return outputs
