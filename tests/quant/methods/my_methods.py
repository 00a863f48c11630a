"""A method of a user's own, as docs/methods.md shows it: a slope that gets narrower over the training."""

from dataclasses import dataclass

from torch import Tensor

from quant.methods import Clock, Method


@dataclass(frozen=True)
class Triangle(Method):
    """Signs whose slope is a triangle, ``max(0, 1 - |x| / width)``.

    Parameters
    ----------
    first, last : its width at the start and at the end
    """

    title = "Triangular slope"
    source = "an example"

    first: float = 2.0
    last: float = 0.5

    def check(self) -> None:
        self.require("last", 0 < self.last <= self.first, f"above 0 and at most first, {self.first}")

    def weight_slope(self, values: Tensor, clock: Clock) -> Tensor:
        return (1 - values.abs() / clock.values["width"]).clamp_min(0)

    activation_slope = weight_slope

    def schedule(self, progress: float) -> dict[str, float]:
        return {"width": self.first + (self.last - self.first) * progress}
