"""MatrixVector: the product of a binary matrix and a vector, of bits by XNOR and popcount, or of integers by sums."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import BIPOLAR, Bipolar, Element, signed_for
from dataflow.errors import InputError
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
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

    One vector costs ``(neurons/pe) * (synapses/simd)`` steps, each quotient rounded up: for each group of `pe` neurons
    all groups of `simd` synapses. The vector is consumed during the first group of neurons and held for the others; a
    beat is emitted in the last step of each group. What is left of the last group of either kind is inert: synapses
    that match nothing, and neurons that give 0.

    A grouped convolution has a vector of ``groups * synapses`` numbers, one group's behind the other's, and as many
    neurons of each group, in the same order. So it is one product behind the other, with the same steps for each.

    Thresholds may differ between the positions of an image, by classes of positions; so may offsets, which are added
    to the sums. `dataflow.zero_padded` makes both where a convolution's padding is zero.

    Parameters
    ----------
    weights : (neurons, synapses of one group) int8, values -1 or +1
    thresholds : (neurons,) or (classes, neurons) int64 on `ones`, 0 (always met) to synapses + 1 (never met), or None;
        of integers on the total, from its least value (always met) to one above its greatest (never met)
    pe : neurons computed at once, at most a group's
    simd : synapses of each computed at once
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
        self._check_lanes("pe", self.group_neurons, "neurons of a group" if self.groups > 1 else "neurons")
        self._check_lanes("simd", self.synapses, "synapses")

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
    def neuron_folds(self) -> int:
        """Groups of `pe` neurons, the last one maybe with inert ones, of a group of the convolution."""
        return -(-self.group_neurons // self.pe)

    @property
    def synapse_folds(self) -> int:
        """Groups of `simd` synapses, the last one maybe with inert ones."""
        return -(-self.synapses // self.simd)

    @property
    def weight_words(self) -> np.ndarray:
        """(steps of a vector, pe * simd) bool: the weights that are +1, by neuron and then by synapse.

        Those of inert synapses are +1: a lane that carries 0 does not match, and adds 0 to a sum.
        """
        bits = self.weights.reshape(self.groups, self.group_neurons, self.synapses) > 0
        inert = (0, -self.group_neurons % self.pe), (0, -self.synapses % self.simd)
        bits = np.pad(bits, ((0, 0), *inert), constant_values=True)
        shape = (self.groups * self.neuron_folds, self.pe, self.synapse_folds, self.simd)
        return bits.reshape(shape).transpose(0, 2, 1, 3).reshape(-1, self.pe * self.simd)

    def neuron_words(self, values: np.ndarray) -> np.ndarray:
        """Return a number of each neuron as the neurons are computed at once, with 0 for the inert ones.

        Parameters
        ----------
        values : (classes, neurons) int64

        Returns
        -------
        (classes * groups of `pe` neurons, pe) int64
        """
        each = values.reshape(-1, self.group_neurons)
        return np.pad(each, ((0, 0), (0, -self.group_neurons % self.pe))).reshape(-1, self.pe)

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
        parts = self.groups if self.synapses % self.simd else 1
        return (Stream(self.operand, (*self.positions, self.groups * self.synapses), self.simd, parts),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        parts = self.groups if self.group_neurons % self.pe else 1
        return (Stream(self.element, (*self.positions, self.neurons), self.pe, parts),)

    @property
    def steps(self) -> int:
        return prod(self.positions) * self.groups * self.neuron_folds * self.synapse_folds

    @property
    def macs(self) -> int:
        """Products (multiply-accumulates) per frame."""
        return self.neurons * self.synapses * prod(self.positions)

    @property
    def latency(self) -> int:
        """Cycles: memory read, popcount stages, accumulator, comparison."""
        return 1 + popcount_stages(self.simd) + 1 + 1

    def schedule(self) -> Schedule:
        consumes = np.zeros((self.neuron_folds, self.synapse_folds), bool)
        consumes[0] = True
        emits = np.zeros((self.neuron_folds, self.synapse_folds), bool)
        emits[:, -1] = True
        repeats = prod(self.positions) * self.groups
        return Schedule(consumes.reshape(1, -1), emits.reshape(1, -1), self.latency, repeats)

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.group_neurons):
            for simd in lanes(self.synapses):
                yield {"pe": pe, "simd": simd}
