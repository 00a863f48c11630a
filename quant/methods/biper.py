"""BiPer: signs of a sine of the weights."""

from dataclasses import dataclass
from math import pi, tanh

import torch
from torch import Tensor

from quant.methods._by_frame import ByFrame
from quant.methods._layers import BinaryLayer
from quant.methods._method import Stage

__all__ = ["BiPer", "quantization_error"]


@dataclass(frozen=True)
class BiPer(ByFrame):
    """First ``sin(omega w)`` as the weights, then ``sign(sin(omega w))``, times a learned scale for each filter.

    The gradient passes the sign unchanged, so that of a weight is ``g omega cos(omega w)`` in both stages.
    Activations are those of ReCU. The loss may have ``regularization * sum over layers of mean(sin(omega w)**2)``.

    Parameters
    ----------
    frequency : ``omega`` of all layers, where `phase` is 0; the paper has 20, for ResNet-18
    phase : ``omega`` times the standard deviation of a layer's initial weights, which gives each layer its own
        frequency; a frequency of 20 is too high for narrow layers, of which half of the weights would start on
        falling slopes
    regularization : factor of the added loss; the paper has 0.037 and 0.0468 in its two stages on CIFAR-10
    first_share : part of the epochs of the first stage
    """

    title = "BiPer"
    source = "Vargas, Correa et al. 2024, arXiv:2404.01278"

    frequency: float = 20.0
    phase: float = 0.5
    regularization: float = 0.0
    first_share: float = 2 / 3

    def check(self) -> None:
        self.require("frequency", self.frequency > 0, "above 0")
        self.require("phase", self.phase >= 0, "at least 0")
        self.require("regularization", self.regularization >= 0, "at least 0")
        self.require("first_share", 0 < self.first_share < 1, "above 0 and less than 1")

    def reset(self, layer: BinaryLayer) -> None:
        """Choose the layer's frequency by its initial weights."""
        spread = float(layer.weight.detach().std())
        frequency = self.phase / spread if self.phase and spread > 0 else self.frequency
        layer.register_buffer("frequency", torch.tensor(frequency))

    def latent(self, layer: BinaryLayer) -> Tensor:
        return torch.sin(layer.get_buffer("frequency") * layer.weight)

    def stages(self) -> tuple[Stage, ...]:
        last = 1 - self.first_share
        return Stage("sine", self.first_share, weights=False), Stage("sign", last, rate=0.2, decay=0.1)

    def penalty(self, layers: list[BinaryLayer]) -> Tensor | None:
        if not self.regularization or not layers:
            return None
        return self.regularization * torch.stack([(self.latent(layer) ** 2).mean() for layer in layers]).sum()


def quantization_error(phase: float) -> float:
    """Return the mean square error of the best scale times signs of ``sin(omega w)``, for weights of a Laplace
    distribution.

    ``2 t**2 / (1 + 4 t**2) - (t / (1 + t**2) coth(pi / (2 t)))**2``. Its maximum is 0.102835 at 0.954882 (BiPer,
    figure of the error over the frequency).

    Parameters
    ----------
    phase : ``t``, the frequency times the distribution's mean absolute weight, above 0
    """
    scale = phase / (1 + phase**2) / tanh(pi / (2 * phase))
    return 2 * phase**2 / (1 + 4 * phase**2) - scale**2
