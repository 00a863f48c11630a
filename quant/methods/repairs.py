"""Repairs: what binary networks need to be accurate, by the review of de Putter and Corporaal, each as an option."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant.estimators import clipped, polynomial
from quant.methods._by_frame import by_frame
from quant.methods._channels import ChannelNorm, LearnedShift
from quant.methods._method import Clock
from quant.methods.bireal import BiReal

__all__ = ["Repairs"]

_BINARIZERS, _NORMALIZATIONS = ("clipped", "polynomial", "steeper"), ("none", "shift", "batch", "frame")


@dataclass(frozen=True)
class Repairs(BiReal):
    """``mean|w| sign(w)``, whose gradient is clipped, with a choice of what the review found to help most.

    The third is a double residual, one shortcut for each convolution instead of one for two, which is an option of
    residual networks (`double_residual`).

    Parameters
    ----------
    feature_binarizer : the slope of signs of activations: "clipped", 1 in [-1, 1]; "polynomial", that of Bi-Real Net;
        or "steeper", ``k t (1 - tanh(t x)**2)`` of IR-Net, where ``t`` goes from 0.001 to 10 over the training and
        ``k = max(1 / t, 1)``
    feature_normalization : what stands before these signs: "none"; "shift", a learned number for each channel is
        added; "batch", a batch normalization, of which a threshold for each channel is left; or "frame", in training
        the division by the deviation of the frame (ReCU), which changes no sign
    """

    title = "Repairs of binary networks (our choice of the options)"
    source = "de Putter, Corporaal 2022, arXiv:2206.12322, of which only the abstract was available"
    residue = "a scale per channel; a threshold per channel, or its sign"

    feature_binarizer: str = "polynomial"
    feature_normalization: str = "batch"

    def check(self) -> None:
        for name, choices in (("feature_binarizer", _BINARIZERS), ("feature_normalization", _NORMALIZATIONS)):
            allowed = f"{', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"
            self.require(name, getattr(self, name) in choices, allowed)

    def before(self, channels: int) -> nn.Module | None:
        if self.feature_normalization == "batch":
            return ChannelNorm(channels)
        return LearnedShift(channels) if self.feature_normalization == "shift" else None

    def activation(self, inputs: Tensor) -> Tensor:
        return by_frame(inputs) if self.feature_normalization == "frame" else inputs

    def activation_slope(self, values: Tensor, clock: Clock) -> Tensor:
        if self.feature_binarizer == "steeper":
            t, k = clock.values["t"], clock.values["k"]
            return k * t * (1 - torch.tanh(t * values) ** 2)
        return polynomial(values) if self.feature_binarizer == "polynomial" else clipped(values)

    def schedule(self, progress: float) -> dict[str, float]:
        t = 10 ** (4 * progress - 3)
        return {"t": t, "k": max(1 / t, 1.0)}
