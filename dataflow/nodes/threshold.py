"""Threshold: from integers to bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import BIPOLAR, Element, Integer, signed_for, unsigned_for
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
from dataflow.parts import Parts, Structure, compared_bits, number_bits
from dataflow.schedule import Schedule
from dataflow.streams import Stream, beats_of

__all__ = ["Threshold"]


@dataclass(frozen=True, eq=False)
class Threshold(Node):
    """Compare every number with its channel's threshold: ``bit = x >= threshold``.

    Parameters
    ----------
    element : type of the numbers
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
    def limit(self) -> Integer:
        """The type that holds every threshold; it may have more values than the type of the numbers."""
        low, high = int(self.thresholds.min()), int(self.thresholds.max())
        return unsigned_for(high) if low >= 0 else signed_for(low, high)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(BIPOLAR, self.shape, self.pe),)

    def schedule(self) -> Schedule:
        every = np.ones((1, 1), bool)
        return Schedule(every, every, self.latency, repeats=self.input_streams[0].beats)

    def structure(self) -> Structure:
        found = Parts()
        words = self.input_streams[0].vector_beats if self.thresholds.size > 1 else 1
        found.watch_inert(self.output_streams[0])
        found.registers += 4
        if words <= 1:
            limits = self.thresholds.tolist() * (self.pe if self.thresholds.size == 1 else 1)
            found.constants += [compared_bits(self.element, limit) for limit in limits]
            found.registers += 2 * self.pe
            return found.structure("Threshold")
        limit, rows = self.limit, beats_of(self.thresholds, self.input_streams[0])
        found.count(words)
        found.read_only(words, self.pe * limit.width, lambda: number_bits(rows, limit.width))
        width = self.pe * max(limit.width, self.element.width)
        found.add(compared_bits=width, limit_columns=sum(rom.columns for rom in found.roms) or width)
        found.registers += self.pe * (self.element.width + 1)
        return found.structure("Threshold", read_only=tuple(found.blocks))

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
