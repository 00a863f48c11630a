"""ReCU: weights that have left the centre for good are brought back."""

from dataclasses import dataclass
from math import e, log

from torch import Tensor

from quant.methods._by_frame import ByFrame
from quant.methods._layers import BinaryLayer
from quant.methods._statistics import check_deviation, standardized

__all__ = ["ReCU"]


@dataclass(frozen=True)
class ReCU(ByFrame):
    """Signs of standardized weights that are clamped at a quantile, times a learned scale for each filter.

    ``v = (w - mean) / (std / (2 sqrt 2))``, clamped to ``-Q`` and ``Q = -mean|v| ln(2 - 2 tau)``, the quantiles of a
    Laplace distribution; the mean is one of the layer. ``tau`` rises exponentially over the training. The gradient
    passes the sign, and stops where a weight is clamped. Activations have the slope of Bi-Real Net, by the standard
    deviation of their frame.

    Parameters
    ----------
    first, last : ``tau`` at the start and at the end, 0.5 to less than 1
    """

    title = "ReCU"
    source = "Xu, Lin et al. 2021, arXiv:2103.12369"

    first: float = 0.85
    last: float = 0.99

    def check(self) -> None:
        self.require("first", 0.5 < self.first < 1, "above 0.5 and less than 1")
        self.require("last", self.first <= self.last < 1, f"at least first, {self.first}, and less than 1")

    def reset(self, layer: BinaryLayer) -> None:
        check_deviation(layer)

    def latent(self, layer: BinaryLayer) -> Tensor:
        values = standardized(layer.weight, 2 * 2**0.5)
        bound = (values.abs().mean() * layer.shared.clock.values["quantile"]).detach()
        return values.clamp(-bound, bound)

    def schedule(self, progress: float) -> dict[str, float]:
        tau = self.first + (self.last - self.first) * (e**progress - 1) / (e - 1)
        return {"quantile": -log(2 - 2 * tau)}
