"""ArgMax: from scores to the class with the highest score, of a frame or at every position."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import Element, Integer, signed_for, unsigned_for
from dataflow.logic import Rom
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream, are_sizes

__all__ = ["ArgMax"]


@dataclass(frozen=True, eq=False)
class ArgMax(Node):
    """Find the class whose key ``scale*score + offset`` is the highest; the lowest index at a tie.

    Scale and offset are an affine function of the scores that differs between classes, in integers that keep its order
    exactly. If it does not differ they are 1 and 0. Keys are at most 63 bits wide. With positions, each has a class.

    Parameters
    ----------
    element : type of the scores
    scale : (classes,) int64, positive
    offset : (classes,) int64
    pe : scores compared at once
    positions : (height, width) of the positions, or () for a single one
    """

    element: Element
    scale: np.ndarray
    offset: np.ndarray
    pe: int = 1
    positions: tuple[int, ...] = ()

    fold_parameters: ClassVar = ("pe",)
    array_fields: ClassVar = ("scale", "offset")
    later_fields: ClassVar = {"positions": 6}
    answers: ClassVar = "class"

    def __post_init__(self) -> None:
        scale, offset = frozen_array(self.scale, np.int64), frozen_array(self.offset, np.int64)
        self._check(scale.ndim == 1 and scale.size, "scale shape", "(classes,)", scale.shape)
        self._check(offset.shape == scale.shape, "offset shape", str(scale.shape), offset.shape)
        self._check(scale.min() >= 1, "scale", "positive", int(scale.min()))
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "offset", offset)
        self._check_lanes("pe", self.classes, "classes")
        if self.positions != ():
            self._check(are_sizes(self.positions), "positions", "positive sizes", self.positions)
        low, high = self._key_range
        width = max(high, -low - 1).bit_length() + 1
        self._check(width <= 63, "Keys", "at most 63 bits wide", width)

    @property
    def classes(self) -> int:
        return int(self.scale.size)

    @property
    def key_element(self) -> Integer:
        """The type that holds every key."""
        return signed_for(*self._key_range)

    @property
    def _key_range(self) -> tuple[int, int]:
        """Lowest and highest key, as Python integers."""
        scale, offset = self.scale.astype(object), self.offset.astype(object)
        return min(scale * self.element.minimum + offset), max(scale * self.element.maximum + offset)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.positions, self.classes), self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(unsigned_for(self.classes - 1), (*self.positions, 1)),)

    @property
    def latency(self) -> int:
        """Cycles: keys, a registered tree over the lanes, the best so far."""
        return 2 + (self.pe - 1).bit_length()

    def schedule(self) -> Schedule:
        steps = self.input_streams[0].vector_beats
        emits = np.zeros((1, steps), bool)
        emits[0, -1] = True
        return Schedule(np.ones((1, steps), bool), emits, self.latency, repeats=prod(self.positions))

    def structure(self) -> Structure:
        found = Parts()
        steps, width = self.input_streams[0].vector_beats, self.key_element.width
        found.count(steps)
        index = (self.classes - 1).bit_length()
        multipliers = []
        for lane in range(self.pe):
            scale, offset = self.scale[lane :: self.pe], self.offset[lane :: self.pe]
            for values in (scale, offset):
                if len(set(values.tolist())) > 1:
                    bits = signed_for(int(values.min()), int(values.max())).width
                    found.registers += bits
                    found.roms.append(Rom(steps, bits))
            # A multiplication with a power of two takes no logic.
            if (scale != scale[0]).any() or abs(int(scale[0])) & (abs(int(scale[0])) - 1):
                multipliers.append((self.element.width, signed_for(int(scale.min()), int(scale.max())).width))
            if offset.any():
                found.add(offset_bits=width)
        ranked, lanes = self.pe, (self.pe - 1).bit_length()
        found.registers += self.pe * width
        while ranked > 1:
            found.add(ranked_bits=(ranked // 2) * (2 * width + lanes))
            ranked = -(-ranked // 2)
            found.registers += ranked * (width + lanes)
        found.add(best_bits=width, index_bits=index)
        found.registers += width + 2 * index + 2 * self.latency + 3
        return found.structure("ArgMax", multipliers=tuple(multipliers))

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.classes):
            yield {"pe": pe}
