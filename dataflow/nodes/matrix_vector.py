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

    A grouped convolution has a vector of ``groups * synapses`` numbers, one group's behind the other's, and as many
    neurons of each group, in the same order. So it is one product behind the other, with the same steps for each.

    Thresholds may differ between the positions of an image, by classes of positions; so may offsets, which are added
    to the sums. `dataflow.zero_padded` makes both where a convolution's padding is zero.

    Parameters
    ----------
    weights : (neurons, synapses of one group) int8, values -1 or +1
    thresholds : (neurons,) or (classes, neurons) int64 on `ones`, 0 (always met) to synapses + 1 (never met), or None;
        of integers on the total, from its least value (always met) to one above its greatest (never met)
    pe : neurons computed at once, a divisor of a group's neurons
    simd : synapses of each computed at once, a divisor of the synapses
    positions : (height, width) of the output of a convolution, whose vectors come from a `SlidingWindow`; () for a
        dense layer
    operand : type of the vector's numbers
    groups : products behind each other; divides the neurons
    position_classes : (positions,) int64, the class of each position in raster order, or None if all are alike
    offsets : (classes, neurons) int64, added to the sums of a matrix without thresholds, or None
    """

    weights: np.ndarray
    thresholds: np.ndarray | None = None
    pe: int = 1
    simd: int = 1
    positions: tuple[int, ...] = ()
    operand: Element = BIPOLAR
    groups: int = 1
    position_classes: np.ndarray | None = None
    offsets: np.ndarray | None = None

    fold_parameters: ClassVar = ("pe", "simd")
    array_fields: ClassVar = ("weights", "thresholds", "position_classes", "offsets")
    later_fields: ClassVar = {"groups": 2, "position_classes": 2, "offsets": 2}

    def __post_init__(self) -> None:
        weights = frozen_array(self.weights, np.int8)
        self._check(weights.ndim == 2 and weights.size, "weights shape", "(neurons, synapses)", weights.shape)
        signs = (weights == 1) | (weights == -1)
        if not signs.all():
            odd = weights[~signs][0]
            raise InputError(f"weights of node {self.name!r} must be -1 or +1, not {int(odd)}")
        object.__setattr__(self, "weights", weights)
        self._check_divides("groups", self.neurons, "neurons")
        if self.positions != ():
            self._check(are_sizes(self.positions), "positions", "positive sizes", self.positions)
        self._check_levels()
        width = max(*self.counted, *map(abs, self._totals)).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)
        self._check_divides("pe", self.group_neurons, "neurons of a group" if self.groups > 1 else "neurons")
        self._check_divides("simd", self.synapses, "synapses")

    def _check_levels(self) -> None:
        """Check thresholds and offsets, and the classes that tell them apart."""
        neurons = self.neurons
        if self.thresholds is not None:
            thresholds = frozen_array(self.thresholds, np.int64)
            if self.position_classes is None:
                self._check(thresholds.shape == (neurons,), "thresholds shape", f"({neurons},)", thresholds.shape)
            else:
                self._check_by_class("thresholds", thresholds)
            span = (int(thresholds.min()), int(thresholds.max()))
            low, high = self.counted
            self._check(low <= span[0] and span[1] <= high + 1, "thresholds", f"{low} to {high + 1}", span)
            object.__setattr__(self, "thresholds", thresholds)
        if self.offsets is not None:
            offsets = frozen_array(self.offsets, np.int64)
            self._check(self.thresholds is None, "offsets", "None where it has thresholds", offsets.shape)
            self._check_by_class("offsets", offsets)
            object.__setattr__(self, "offsets", offsets)
        self._check_classes()

    def _check_by_class(self, field: str, values: np.ndarray) -> None:
        legal = values.ndim == 2 and values.size > 0 and values.shape[1] == self.neurons
        self._check(legal, f"{field} shape", f"(classes, {self.neurons})", values.shape)

    def _check_classes(self) -> None:
        """Check which class each position has."""
        by_class = self.thresholds if self.offsets is None else self.offsets
        if self.position_classes is None:
            self._check(self.offsets is None, "position_classes", "given where it has offsets", None)
            return
        self._check(by_class is not None, "position_classes", "None where it has no thresholds or offsets", "given")
        assert by_class is not None
        classes = frozen_array(self.position_classes, np.int64)
        shape = (prod(self.positions),)
        self._check(classes.shape == shape, "position_classes shape", str(shape), classes.shape)
        span, most = (int(classes.min()), int(classes.max())), len(by_class) - 1
        self._check(span[0] >= 0 and span[1] <= most, "position_classes", f"0 to {most}", span)
        object.__setattr__(self, "position_classes", classes)

    @property
    def neurons(self) -> int:
        return int(self.weights.shape[0])

    @property
    def synapses(self) -> int:
        """Synapses of a neuron."""
        return int(self.weights.shape[1])

    @property
    def group_neurons(self) -> int:
        """Neurons of a group."""
        return self.neurons // self.groups

    @property
    def counted(self) -> tuple[int, int]:
        """Least and greatest value of what thresholds are compared with: `ones` of bits, the total of integers."""
        if isinstance(self.operand, Bipolar):
            return 0, self.synapses
        low, high = self.operand.minimum, self.operand.maximum
        return self.synapses * min(low, -high), self.synapses * max(high, -low)

    @property
    def _totals(self) -> tuple[int, int]:
        """Least and greatest signed sum, offsets included."""
        low, high = (-self.synapses, self.synapses) if isinstance(self.operand, Bipolar) else self.counted
        if self.offsets is None:
            return low, high
        return low + int(self.offsets.min()), high + int(self.offsets.max())

    @property
    def element(self) -> Element:
        """Type of the output."""
        return signed_for(*self._totals) if self.thresholds is None else BIPOLAR

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.operand, (*self.positions, self.groups * self.synapses), self.simd),)

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
        synapse_folds, neuron_folds = self.synapses // self.simd, self.group_neurons // self.pe
        consumes = np.zeros((neuron_folds, synapse_folds), bool)
        consumes[0] = True
        emits = np.zeros((neuron_folds, synapse_folds), bool)
        emits[:, -1] = True
        repeats = prod(self.positions) * self.groups
        return Schedule(consumes.reshape(1, -1), emits.reshape(1, -1), self.latency, repeats)

    def foldings(self) -> Iterator[dict[str, int]]:
        for pe in divisors(self.group_neurons):
            for simd in divisors(self.synapses):
                yield {"pe": pe, "simd": simd}
