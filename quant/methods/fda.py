"""FDA-BNN: the slope of a Fourier series of the square wave, and noise that fades."""

from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.methods._layers import BinaryLayer, BinarySign
from quant.methods._method import Clock, Method
from quant.methods._statistics import mean_size

__all__ = ["FDA"]


@dataclass(frozen=True)
class FDA(Method):
    """Signs whose slope is ``4 omega / pi sum over i to n of cos((2 i + 1) omega x)`` within [-1, 1].

    The series has `terms` terms at the start, and nearly twice as many at the end: ``n = (terms - 1) + floor((terms
    - 1) progress)``, as in BiBench's code.

    With its noise adaptation, training adds ``m (W2 relu(W1 x) + sin(x) / 10)`` to the signs of the weights of a
    filter, and to those of activations over the channels of a pixel. W1 and W2 are learned, of a layer or of a sign,
    and ``m = noise (1 + cos(pi progress / end)) / 2``.

    Parameters
    ----------
    omega : frequency of the series
    terms : of the series at the start
    noise : ``m`` at the start, which is 0.1 in BiBench's code; 0 for no noise
    end : part of the training after which ``m`` is 0, so that the last normalizations measure what is left
    bottleneck : what the rows of W1 are fewer than its columns by; it has at least one
    """

    title = "FDA-BNN"
    source = "Xu, Han et al. 2021, arXiv:2103.00841; constants of BiBench's code"
    residue = "a scale per channel"

    omega: float = 0.1
    terms: int = 10
    noise: float = 0.0
    end: float = 0.95
    bottleneck: int = 64

    def check(self) -> None:
        self.require("omega", self.omega > 0, "above 0")
        self.require("terms", 1 <= self.terms <= 1000, "from 1 to 1000")
        self.require("noise", 0 <= self.noise <= 1, "from 0 to 1")
        self.require("end", 0 < self.end <= 1, "above 0 and at most 1")
        self.require("bottleneck", self.bottleneck >= 1, "at least 1")

    def parameters(self, layer: BinaryLayer) -> dict[str, nn.Parameter]:
        return self._noise_of(layer.synapses)

    def sign_parameters(self, channels: int) -> dict[str, nn.Parameter]:
        return self._noise_of(channels)

    def _noise_of(self, inputs: int) -> dict[str, nn.Parameter]:
        """Return W1 and W2, drawn as those of torch's layers are."""
        if not self.noise:
            return {}
        hidden = max(1, inputs // self.bottleneck)
        first, second = nn.Linear(inputs, hidden, bias=False), nn.Linear(hidden, inputs, bias=False)
        return {"noise_first": first.weight, "noise_second": second.weight}

    def binary_weight(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        """The signs, with the noise in training."""
        signs = super().binary_weight(layer, values)
        if not (self.noise and layer.training):
            return signs
        return signs + _noise(layer, values.flatten(1)).reshape(values.shape)

    def activate(self, sign: BinarySign, inputs: Tensor) -> Tensor:
        """The signs, with the noise in training."""
        signs = super().activate(sign, inputs)
        if not (sign.training and hasattr(sign, "noise_first")):
            return signs
        return signs + _noise(sign, inputs.movedim(1, -1)).movedim(-1, 1)

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
        part = self.noise * (1 + cos(pi * min(1.0, progress / self.end))) / 2
        return {"last": float(first + int(first * progress)), "noise": part}


def _noise(module: BinaryLayer | BinarySign, rows: Tensor) -> Tensor:
    """Return the noise of rows of numbers."""
    hidden = F.relu(F.linear(rows, module.get_parameter("noise_first")))
    learned = F.linear(hidden, module.get_parameter("noise_second"))
    return module.shared.clock.values["noise"] * (learned + 0.1 * torch.sin(rows))
