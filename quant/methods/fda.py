"""FDA-BNN: the slope of a Fourier series of the square wave."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import mean_size

__all__ = ["FDA"]


@dataclass(frozen=True)
class FDA(Method):
    """Signs whose slope is ``4 omega / pi sum over i to n of cos((2 i + 1) omega x)`` within [-1, 1].

    The series has `terms` terms at the start, and nearly twice as many at the end: ``n = (terms - 1) + floor((terms
    - 1) progress)``, as in BiBench's code. Its noise adaptation, a small network whose output fades, is left out: it
    is gone at the end of a training.

    Parameters
    ----------
    omega : frequency of the series
    terms : of the series at the start
    """

    title = "FDA-BNN, without noise adaptation"
    source = "Xu, Han et al. 2021, arXiv:2103.00841; constants of BiBench's code"
    residue = "a scale per channel"

    omega: float = 0.1
    terms: int = 10

    def check(self) -> None:
        self.require("omega", self.omega > 0, "above 0")
        self.require("terms", 1 <= self.terms <= 1000, "from 1 to 1000")

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        total = torch.zeros_like(values)
        for index in range(2 * self.terms - 1):
            counted = (index <= clock.values["last"]).to(values.dtype)
            total += counted * torch.cos((2 * index + 1) * self.omega * values)
        return 4 * self.omega / pi * total * (values.abs() <= 1)

    activation_slope = weight_slope

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return mean_size(values.detach())

    def schedule(self, progress: float) -> dict[str, float]:
        first = self.terms - 1
        return {"last": float(first + int(first * progress))}
