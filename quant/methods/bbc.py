"""BBC: a classifier that all layers share passes the gradient of signs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant.estimators import polynomial, signs
from quant.methods._layers import BinaryLayer
from quant.methods._method import Clock, Method
from quant.methods._statistics import centred, mean_size

__all__ = ["BBC", "LinearClassifier", "PerceptronClassifier"]


class LinearClassifier(nn.Module):
    """A number times two weights.

    They start apart, or both would have the same gradient for ever, and positive: a negative slope sends weights the
    wrong way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.4, 0.6]))

    def forward(self, values: Tensor) -> Tensor:
        return values[..., None] * self.weight


class PerceptronClassifier(nn.Module):
    """A number through one layer of tanh to two numbers, without biases; it starts with a positive slope."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(1, hidden, bias=False)
        self.second = nn.Linear(hidden, 2, bias=False)
        with torch.no_grad():
            self.second.weight.copy_(self.second.weight.abs() * self.first.weight.sign().T)

    def forward(self, values: Tensor) -> Tensor:
        outputs: Tensor = self.second(torch.tanh(self.first(values[..., None])))
        return outputs


@dataclass(frozen=True)
class BBC(Method):
    """Signs of centred weights times the detached mean of their size; gradients by a classifier N that is trained
    with them.

    The gradient of a weight is the sum over both outputs of ``g 1[|N_j(v)| < 1] dN_j/dv``. Activations have the
    slope of Bi-Real Net. With Adam, the linear classifier is nearly the straight-through estimator: while all
    weights are within its window, it multiplies all gradients by one number.

    Parameters
    ----------
    hidden : neurons of the classifier's hidden layer; 0 for a linear classifier
    """

    title = "Binarizing by Classification"
    source = "He, Zhang et al. 2022, arXiv:2205.07433"
    residue = "a scale per channel"

    hidden: int = 0

    def check(self) -> None:
        self.require("hidden", 0 <= self.hidden <= 10_000, "from 0 to 10000")

    def classifier(self) -> nn.Module:
        return PerceptronClassifier(self.hidden) if self.hidden else LinearClassifier()

    def latent(self, layer: BinaryLayer) -> Tensor:
        return centred(layer.weight)

    def binary_weight(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        """The signs; the gradient is that of the sum of the classifier's outputs, clipped to -1 and +1."""
        result = signs(values.detach())
        if not torch.is_grad_enabled():
            return result
        assert layer.shared.classifier is not None
        soft = F.hardtanh(layer.shared.classifier(values)).sum(-1)
        return result + (soft - soft.detach())

    def scale(self, layer: BinaryLayer, values: Tensor) -> Tensor:
        return mean_size(values.detach())

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return polynomial(values)
