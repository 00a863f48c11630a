"""FLW: real-valued weights take part in the training. Three interpretations: the paper's wiring is not established."""

from dataclasses import dataclass

from torch import Tensor

from quant.methods._layers import BinaryLayer
from quant.methods.bireal import BiReal

__all__ = ["FLW"]


@dataclass(frozen=True)
class FLW(BiReal):
    """The signs of Bi-Real Net, helped by the real-valued weights, whose part fades to 0.

    From then on it is Bi-Real Net, so that the last normalizations measure the network that is left.

    Parameters
    ----------
    wiring : "mixed", weights ``(1 - m) mean|w| sign(w) + m w``; or "gradient", outputs ``b + m (r - r without
        gradient)`` of the binary outputs b and those of real weights r, which changes the gradient only
    first : ``m`` at the start, 0 to 1; it falls evenly
    end : part of the training after which ``m`` is 0
    """

    title = "FLW (our interpretations)"
    source = '"Fully Utilizing Latent Weights", of which only the abstract was available'
    residue = "a scale per channel"

    wiring: str = "mixed"
    first: float = 0.5
    end: float = 0.9

    def check(self) -> None:
        self.require("wiring", self.wiring in ("mixed", "gradient"), "'mixed' or 'gradient'")
        self.require("first", 0 <= self.first <= 1, "from 0 to 1")
        self.require("end", 0 < self.end <= 1, "above 0 and at most 1")

    def apply(self, layer: BinaryLayer, inputs: Tensor) -> Tensor:
        binary = super().apply(layer, inputs)
        if not layer.training:
            return binary
        part = layer.shared.clock.values["part"]
        real = layer.operate(inputs, layer.weight)
        if self.wiring == "mixed":
            return binary + part * (real - binary)
        return binary + part * (real - real.detach())

    def schedule(self, progress: float) -> dict[str, float]:
        return {"part": self.first * max(0.0, 1 - progress / self.end)}
