"""FLW: real-valued weights take part in the training. Our interpretations: the paper's wiring is not established."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.methods._apart import set_apart
from quant.methods._layers import BinaryLayer, shared_of
from quant.methods._statistics import mean_size
from quant.methods.bireal import BiReal

__all__ = ["FLW"]

_WIRINGS = ("mixed", "gradient", "balanced", "twice")


class _Balanced(torch.autograd.Function):
    """A tensor twice. Its gradient is that of the first, plus that of the second made a part as long."""

    @staticmethod
    def forward(context: Any, values: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        context.save_for_backward(part.to(values.dtype))
        return values.clone(), values.clone()

    @staticmethod
    def backward(context: Any, binary: Tensor, real: Tensor) -> tuple[Tensor, None]:
        (part,) = context.saved_tensors
        return binary + part * binary.norm() / (real.norm() + 1e-8) * real, None


@dataclass(frozen=True)
class FLW(BiReal):
    """The signs of Bi-Real Net, helped by the real-valued weights W.

    With b for the outputs of a layer with binary weights and r for those with W, the wirings are:

    * "mixed": outputs ``(1 - m) b + m r``
    * "gradient": outputs b, with the gradient of ``b + m r``
    * "balanced": the same, where m is ``part norm(g_b) / norm(g_r)`` of the gradients that come by b and by r, at the
      weights and at the inputs of each layer for itself, as in SURGE (arXiv:2605.10989)
    * "twice": each step runs the network twice, with binary weights and with W, each with normalizations of its own.
      The loss is that of both, and `divergence` times the divergence of the scores with binary weights from those
      with W, which are constants there

    In the first three, m or its part fades to 0. From then on it is Bi-Real Net, so that the last normalizations
    measure the network that is left; of "twice" they always do.

    Parameters
    ----------
    wiring : "mixed", "gradient", "balanced" or "twice"
    first : ``m`` or its part at the start, 0 to 1; it falls evenly. Not for "twice"
    end : part of the training after which ``m`` is 0. Not for "twice"
    divergence : factor of the divergence of "twice"
    """

    title = "FLW (our interpretations)"
    source = '"Fully Utilizing Latent Weights", arXiv:2110.05850, of which only the abstract was available'
    residue = "a scale per channel"

    wiring: str = "mixed"
    first: float = 0.5
    end: float = 0.9
    divergence: float = 1.0

    def check(self) -> None:
        self.require("wiring", self.wiring in _WIRINGS, "'mixed', 'gradient', 'balanced' or 'twice'")
        self.require("first", 0 <= self.first <= 1, "from 0 to 1")
        self.require("end", 0 < self.end <= 1, "above 0 and at most 1")
        self.require("divergence", self.divergence >= 0, "at least 0")

    def is_real(self, layer: BinaryLayer) -> bool:
        """Return whether this is the run with real weights, which have no other scale."""
        return layer.training and layer.shared.clock.run == 1

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor | None:
        return None if self.is_real(layer) else mean_size(values.detach())

    def apply(self, layer: BinaryLayer, inputs: Tensor) -> Tensor:
        if not layer.training or self.wiring == "twice":
            return super().apply(layer, inputs)
        part = layer.shared.clock.values["part"]
        if self.wiring == "balanced":
            return self._balanced(layer, inputs, part)
        binary = super().apply(layer, inputs)
        real = layer.operate(inputs, layer.weight)
        if self.wiring == "mixed":
            return binary + part * (real - binary)
        return binary + part * (real - real.detach())

    def _balanced(self, layer: BinaryLayer, inputs: Tensor, part: Tensor) -> Tensor:
        weight, real_weight = _Balanced.apply(layer.weight, part)
        inputs, real_inputs = _Balanced.apply(inputs, part)
        binary = layer.scaled(layer.operate(inputs, self.binary_weight(layer, weight)), mean_size(weight.detach()))
        real = layer.operate(real_inputs, real_weight)
        return binary + (real - real.detach())

    def schedule(self, progress: float) -> dict[str, float]:
        return {"part": self.first * max(0.0, 1 - progress / self.end)}

    def prepare(self, network: nn.Module) -> None:
        """Give each run normalizations of its own."""
        if self.wiring == "twice":
            set_apart(network, shared_of(network).clock)

    def loss(
        self, network: nn.Module, images: Tensor, labels: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        if self.wiring != "twice":
            return super().loss(network, images, labels, criterion)
        clock = shared_of(network).clock
        binary = network(images)
        clock.run = 1
        try:
            real = network(images)
        finally:
            clock.run = 0
        target = F.log_softmax(real.detach(), 1)
        divergence = F.kl_div(F.log_softmax(binary, 1), target, reduction="batchmean", log_target=True)
        return criterion(binary, labels) + criterion(real, labels) + self.divergence * divergence
