"""Threshold: integers to bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import BIPOLAR, Element
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Threshold"]


@dataclass(frozen=True, eq=False)
class Threshold(Node):
    """Compare every number with its channel's threshold: ``bit = x >= threshold``.

    Parameters
    ----------
    element : type of the numbers compared
    shape : shape of a frame
    thresholds : (1,) int64 shared by all channels, or (channels,) int64; `element.minimum` is always met and
        ``element.maximum + 1`` never
    pe : channels compared at once
    """

    element: Element
    shape: tuple[int, ...]
    thresholds: np.ndarray
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    array_fields: ClassVar = ("thresholds",)

    #: Cycle 1 reads the threshold, cycle 2 compares.
    latency: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        thresholds = frozen_array(self.thresholds, np.int64)
        channels = self.shape[-1]
        rule = f"(1,) or ({channels},)"
        self._check(thresholds.shape in {(1,), (channels,)}, "thresholds shape", rule, thresholds.shape)
        low, high = self.element.minimum, self.element.maximum + 1
        within = thresholds.min() >= low and thresholds.max() <= high
        self._check(within, "thresholds", f"within {low} to {high}", (int(thresholds.min()), int(thresholds.max())))
        self._check_lanes("pe", channels, "channels")
        object.__setattr__(self, "thresholds", thresholds)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(BIPOLAR, self.shape, self.pe),)

    def schedule(self) -> Schedule:
        every = np.ones((1, 1), bool)
        return Schedule(every, every, self.latency, repeats=self.input_streams[0].beats)

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
