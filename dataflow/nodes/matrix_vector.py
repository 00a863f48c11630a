"""MatrixVector: the product of a binary matrix and a vector, of bits by XNOR and popcount, or of integers by sums."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import BIPOLAR, Bipolar, Element, signed_for
from dataflow.errors import InputError
from dataflow.nodes._node import Node, divisors, frozen_array
from dataflow.schedule import Schedule
from dataflow.streams import Stream, are_sizes

__all__ = ["MatrixVector", "popcount_group", "popcount_stages"]

#: Bits counted between two registers at the bottom of the popcount: six make three LUT levels at most.
popcount_group = 6


def popcount_stages(simd: int) -> int:
    """Return the registered stages that count `simd` bits: groups of six, then sums of three."""
    sums = -(-simd // popcount_group)
    stages = 1
    while sums > 1:
        sums = -(-sums // 3)
        stages += 1
    return stages


@dataclass(frozen=True, eq=False)
class MatrixVector(Node):
    """Multiply a matrix of signs with a vector of signs.

    Of bits, ``ones[j] = popcount(XNOR(x, w[j]))``; the output is the bit ``ones[j] >= thresholds[j]``, or without
    thresholds the signed sum ``2*ones[j] - synapses``. Of integers, ``total[j] = sum(w[j] * x)``; the output is the
    bit ``total[j] >= thresholds[j]``, or the total.

    One vector costs ``(neurons/pe) * (synapses/simd)`` steps: for each group of `pe` neurons all groups of `simd`
    synapses. The vector is consumed during the first group of neurons and held for the others; a beat is emitted in
    the last step of each group.

    Parameters
    ----------
    weights : (neurons, synapses) int8, values -1 or +1
    thresholds : (neurons,) int64 on `ones`, 0 (always met) to synapses + 1 (never met), or None; of integers on the
        total, from its least value (always met) to one above its greatest (never met)
    pe : neurons computed at once, a divisor of the neurons
    simd : synapses of each computed at once, a divisor of the synapses
    positions : (height, width) of the output of a convolution, whose vectors come from a `SlidingWindow`; () for a
        dense layer
    operand : type of the vector's numbers
    """

    weights: np.ndarray
    thresholds: np.ndarray | None = None
    pe: int = 1
    simd: int = 1
    positions: tuple[int, ...] = ()
    operand: Element = BIPOLAR

    fold_parameters: ClassVar = ("pe", "simd")
    array_fields: ClassVar = ("weights", "thresholds")

    def __post_init__(self) -> None:
        weights = frozen_array(self.weights, np.int8)
        self._check(weights.ndim == 2 and weights.size, "weights shape", "(neurons, synapses)", weights.shape)
        if not np.isin(weights, (-1, 1)).all():
            odd = weights[~np.isin(weights, (-1, 1))][0]
            raise InputError(f"weights of node {self.name!r} must be -1 or +1, not {int(odd)}")
        object.__setattr__(self, "weights", weights)
        width = max(self.counted).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)
        if self.thresholds is not None:
            thresholds = frozen_array(self.thresholds, np.int64)
            self._check(thresholds.shape == (self.neurons,), "thresholds shape", f"({self.neurons},)", thresholds.shape)
            span = (int(thresholds.min()), int(thresholds.max()))
            low, high = self.counted
            self._check(low <= span[0] and span[1] <= high + 1, "thresholds", f"{low} to {high + 1}", span)
            object.__setattr__(self, "thresholds", thresholds)
        if self.positions != ():
            self._check(are_sizes(self.positions), "positions", "positive sizes", self.positions)
        self._check_divides("pe", self.neurons, "neurons")
        self._check_divides("simd", self.synapses, "synapses")

    @property
    def neurons(self) -> int:
        return int(self.weights.shape[0])

    @property
    def synapses(self) -> int:
        return int(self.weights.shape[1])

    @property
    def counted(self) -> tuple[int, int]:
        """Least and greatest value of what thresholds are compared with: `ones` of bits, the total of integers."""
        if isinstance(self.operand, Bipolar):
            return 0, self.synapses
        low, high = self.operand.minimum, self.operand.maximum
        return self.synapses * min(low, -high), self.synapses * max(high, -low)

    @property
    def element(self) -> Element:
        """Type of the output."""
        if self.thresholds is not None:
            return BIPOLAR
        if isinstance(self.operand, Bipolar):
            return signed_for(-self.synapses, self.synapses)
        return signed_for(*self.counted)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.operand, (*self.positions, self.synapses), self.simd),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.positions, self.neurons), self.pe),)

    @property
    def steps(self) -> int:
        return prod(self.positions) * (self.neurons // self.pe) * (self.synapses // self.simd)

    @property
    def macs(self) -> int:
        """Products (multiply-accumulates) per frame."""
        return self.neurons * self.synapses * prod(self.positions)

    @property
    def latency(self) -> int:
        """Cycles: memory read, popcount stages, accumulator, comparison."""
        return 1 + popcount_stages(self.simd) + 1 + 1

    def schedule(self) -> Schedule:
        synapse_folds, neuron_folds = self.synapses // self.simd, self.neurons // self.pe
        consumes = np.zeros((neuron_folds, synapse_folds), bool)
        consumes[0] = True
        emits = np.zeros((neuron_folds, synapse_folds), bool)
        emits[:, -1] = True
        return Schedule(consumes.reshape(1, -1), emits.reshape(1, -1), self.latency, repeats=prod(self.positions))

    def foldings(self) -> Iterator[dict[str, int]]:
        for pe in divisors(self.neurons):
            for simd in divisors(self.synapses):
                yield {"pe": pe, "simd": simd}
