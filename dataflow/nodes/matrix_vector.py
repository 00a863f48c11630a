"""MatrixVector: the product of a matrix and a vector, by XNOR and popcount for bits, by sums for integers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import ClassVar, Self

import numpy as np

from dataflow.elements import BIPOLAR, Element, signed_for
from dataflow.errors import InputError
from dataflow.families import Family
from dataflow.nodes._accumulator import Accumulator
from dataflow.nodes._adder_graph import AdderGraph, adder_graph
from dataflow.nodes._adder_tree import AdderTree, adder_tree
from dataflow.nodes._matrix_vector_parts import matrix_vector_structure
from dataflow.nodes._node import LaneCounts, Node, divisors, frozen_array
from dataflow.nodes._popcount import popcount_stages
from dataflow.nodes._terms import Terms
from dataflow.parts import Structure
from dataflow.schedule import Schedule
from dataflow.storage import in_luts
from dataflow.streams import Stream, are_sizes

__all__ = ["MatrixVector"]

#: Where weights are.
_MEMORIES = ("auto", "block", "luts")


@dataclass(frozen=True, eq=False)
class MatrixVector(Node):
    """Multiply a matrix of signs, or of integers of few bits, with a vector of signs or integers.

    For bits and signs, ``ones[j] = popcount(XNOR(x, w[j]))``. The output is the bit ``ones[j] >= thresholds[j]``, or
    without thresholds the signed sum ``2*ones[j] - synapses``. If the vector or the matrix has integers,
    ``total[j] = sum(w[j] * x)``, with bits of the vector as -1 and +1. The output is the bit
    ``total[j] >= thresholds[j]``, or the total.

    One vector takes ``(neurons/pe) * (synapses/simd)`` steps, each quotient rounded up: for each group of `pe` neurons
    all groups of `simd` synapses. The vector is consumed during the first group of neurons and held for the others. A
    beat is emitted in the last step of each group. Unused places of the last group of either kind are inert: synapses
    that add nothing, and neurons whose output is 0.

    A grouped convolution has a vector of ``groups * synapses`` numbers, in which the groups are concatenated, and as
    many neurons for each group, in the same order. It is computed as one product after another, with the same steps
    for each.

    Thresholds may depend on the position in an image, by classes of positions. So may offsets, which are added to the
    sums. `dataflow.zero_padded` computes both for a convolution with zero padding.

    Parameters
    ----------
    weights : (neurons, synapses of one group) int8, numbers that the `weight_element` stands for
    thresholds : (neurons,) or (classes, neurons) int64 on `ones`, 0 (always met) to synapses + 1 (never met), or None;
        for integers on the total, from its least value (always met) to one above its greatest (never met)
    pe : neurons computed at once, at most those of a group
    simd : synapses of each neuron computed at once
    positions : (height, width) of the output of a convolution, whose vectors come from a `SlidingWindow`; () for a
        dense layer
    operand : type of the vector's numbers
    groups : number of products that are computed one after another; divides the neurons
    position_classes : (positions,) int64, the class of each position in raster order, or None if all are alike
    offsets : (classes, neurons) int64, added to the sums of a matrix without thresholds, or None
    weight_element : type of the weights: bipolar, or signed integers of 2 to 8 bits
    pipelined : whether there is a register before and one after the memories of weights, vectors and levels, for a
        faster clock
    weight_memory : "block" or "luts" for weights in block RAM or in LUTs, "auto" for what `dataflow.storage` says
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
    weight_element: Element = BIPOLAR
    pipelined: bool = False
    weight_memory: str = "auto"

    fold_parameters: ClassVar = ("pe", "simd")
    array_fields: ClassVar = ("weights", "thresholds", "position_classes", "offsets")
    later_fields: ClassVar = {
        "groups": 2,
        "position_classes": 2,
        "offsets": 2,
        "weight_element": 5,
        "pipelined": 7,
        "weight_memory": 7,
    }

    def __post_init__(self) -> None:
        weights = frozen_array(self.weights, np.int8)
        self._check(weights.ndim == 2 and weights.size, "weights shape", "(neurons, synapses)", weights.shape)
        element = self.weight_element
        legal = element == BIPOLAR or (element.signed and 2 <= element.width <= 8)
        self._check(legal, "weight_element", "bipolar or int2 to int8", str(element))
        held = self.weight_element.holds(weights)
        if not held.all():
            odd = int(weights[~held][0])
            raise InputError(f"weights of node {self.name!r} must be {self.weight_element.rule}, not {odd}")
        object.__setattr__(self, "weights", weights)
        self._check_divides("groups", self.neurons, "neurons")
        if self.positions != ():
            self._check(are_sizes(self.positions), "positions", "positive sizes", self.positions)
        self._check_levels()
        width = max(*self.counted, *map(abs, self._totals)).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)
        self._check_lanes("pe", self.group_neurons, "neurons of a group" if self.groups > 1 else "neurons")
        self._check_lanes("simd", self.synapses, "synapses")
        self._check(type(self.pipelined) is bool, "pipelined", "true or false", self.pipelined)
        self._check(self.weight_memory in _MEMORIES, "weight_memory", ", ".join(_MEMORIES), self.weight_memory)

    def _check_levels(self) -> None:
        """Check thresholds and offsets, and the classes of positions."""
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
        """Check the class of each position."""
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
        """Groups of `pe` neurons in a group of the convolution; the last one may have inert neurons."""
        return -(-self.group_neurons // self.pe)

    @property
    def synapse_folds(self) -> int:
        """Groups of `simd` synapses; the last one may have inert synapses."""
        return -(-self.synapses // self.simd)

    @property
    def weight_bits(self) -> int:
        return self.weights.size * self.weight_element.width

    @property
    def word_width(self) -> int:
        """Bits of the weights of a step."""
        return self.pe * self.simd * self.weight_element.width

    @property
    def weight_words(self) -> np.ndarray:
        """(steps of a vector, word_width) bool, the bits of the weights, by neuron and then by synapse.

        Weights of inert synapses are +1 among signs: a lane that carries 0 does not match, and adds 0 to a sum. Among
        integers they are 0.
        """
        weights = self.weights.reshape(self.groups, self.group_neurons, self.synapses)
        inert = (0, -self.group_neurons % self.pe), (0, -self.synapses % self.simd)
        weights = np.pad(weights, ((0, 0), *inert), constant_values=int(self.weight_element == BIPOLAR))
        shape = (self.groups * self.neuron_folds, self.pe, self.synapse_folds, self.simd)
        bits = self.weight_element.bits_of(weights.reshape(shape).transpose(0, 2, 1, 3))
        return bits.reshape(-1, self.word_width)

    def neuron_words(self, values: np.ndarray) -> np.ndarray:
        """Return a number of each neuron, grouped as the neurons are computed, with 0 for inert ones.

        Parameters
        ----------
        values : (classes, neurons) int64

        Returns
        -------
        (classes * groups of `pe` neurons, pe) int64
        """
        each = values.reshape(-1, self.group_neurons)
        return np.pad(each, ((0, 0), (0, -self.group_neurons % self.pe))).reshape(-1, self.pe)

    @cached_property
    def terms(self) -> Terms:
        """What each synapse adds to a sum, which RTL and cost model share."""
        element, weights = self.weight_element, self.weights
        span = element.span if element == BIPOLAR else (int(weights.min()), int(weights.max()))
        return Terms(self.operand, element, span)

    @property
    def counts_matches(self) -> bool:
        """Whether both factors are bits, so that matches are counted (XNOR and popcount) instead of adding products."""
        return self.operand == self.weight_element == BIPOLAR

    @property
    def counted(self) -> tuple[int, int]:
        """Least and greatest number that is compared with thresholds: `ones` for bits, the total for integers."""
        return (0, self.synapses) if self.counts_matches else self._sums

    @property
    def _sums(self) -> tuple[int, int]:
        """Least and greatest sum of the products."""
        products = [number * weight for number in self.operand.span for weight in self.weight_element.span]
        return self.synapses * min(products), self.synapses * max(products)

    @property
    def _totals(self) -> tuple[int, int]:
        """Least and greatest signed sum, offsets included."""
        low, high = self._sums
        if self.offsets is None:
            return low, high
        return low + int(self.offsets.min()), high + int(self.offsets.max())

    @cached_property
    def accumulator(self) -> Accumulator:
        """The accumulator of the sums, which RTL and cost model share."""
        terms, missing = self.terms, self.terms.missing(self.weights)
        if self.thresholds is not None:
            return Accumulator(terms.element, self.sum_thresholds - missing, None, self.synapses)
        offsets = np.zeros((1, self.neurons), np.int64) if self.offsets is None else self.offsets
        if not terms.doubled:
            return Accumulator(terms.element, -offsets - missing, None, self.synapses)
        rest = terms.rest(self.weights) - offsets
        return Accumulator(terms.element, (rest + 1) // 2, rest % 2, self.synapses)

    @property
    def sum_thresholds(self) -> np.ndarray:
        """(classes, neurons) int64, the thresholds on the sum of the terms.

        These are the thresholds, unless a total is compared that is twice the sum, less a rest: ``2*sum - rest >= t``
        is ``sum >= ceil((t + rest) / 2)``.
        """
        assert self.thresholds is not None
        thresholds = np.atleast_2d(self.thresholds)
        if self.counts_matches or not self.terms.doubled:
            return thresholds
        return -(-(thresholds + self.terms.rest(self.weights)) // 2)

    def in_chains(self, family: Family | None) -> bool:
        """Return whether a device family's carry cells make the sums: products with weights of one bit, and additions.

        Values and cycles are the same. Where bits have weights that never change, tables of several bits are as small.
        """
        suits = self.terms.form == "signs" or (self.terms.form == "matches" and self.vector_steps > 1)
        return family is not None and family.carries_products and suits

    @property
    def shares_sums(self) -> bool:
        """Whether neurons share sums, for every family: all weights of bits are used at once, so they never change.

        Values and cycles are the same.
        """
        return self.terms.form == "matches" and self.vector_steps == 1 and self.position_classes is None

    def form_for(self, family: Family) -> str:
        if self.shares_sums:
            return "shared sums"
        return "carry chains" if self.in_chains(family) else ""

    @cached_property
    def adder_graph(self) -> AdderGraph:
        """How neurons share sums."""
        assert self.shares_sums
        return adder_graph(self.weights, self.sum_stages + 2, self.element.width)

    @property
    def adder_tree(self) -> AdderTree:
        """How carry cells make the sums."""
        return adder_tree(self.terms.element, self.simd, self.sum_stages, self.accumulator.width)

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
    def vector_steps(self) -> int:
        """Steps per vector, each with weights of its own."""
        return self.groups * self.neuron_folds * self.synapse_folds

    @property
    def steps(self) -> int:
        return prod(self.positions) * self.vector_steps

    @property
    def macs(self) -> int:
        """Products (multiply-accumulates) per frame."""
        return self.neurons * self.synapses * prod(self.positions)

    @property
    def latency(self) -> int:
        """Cycles: memory read, products if they take one, popcount stages, accumulator, comparison."""
        return self.read_stages + self.sum_stages + 1 + 1

    @property
    def is_pipelined(self) -> bool:
        """Whether there are registers around the memories. A vector that takes one step needs no memory."""
        return self.pipelined and self.vector_steps > 1

    def with_pipelining(self, on: bool) -> Self:
        return replace(self, pipelined=on)

    def with_weight_memory(self, where: str) -> Self:
        return replace(self, weight_memory=where)

    @property
    def weights_in_luts(self) -> bool:
        """Whether the weights are in LUTs rather than in block RAM, if they need a memory."""
        if self.weight_memory == "auto":
            return in_luts(self.vector_steps, self.word_width)
        return self.weight_memory == "luts"

    @property
    def read_stages(self) -> int:
        """Registered stages from the issue of a step to its factors."""
        return 3 if self.is_pipelined else 1

    @property
    def sum_stages(self) -> int:
        """Registered stages from the factors of a step to the sum of their products."""
        return self.terms.stages + popcount_stages(self.simd)

    def schedule(self) -> Schedule:
        consumes = np.zeros((self.neuron_folds, self.synapse_folds), bool)
        consumes[0] = True
        emits = np.zeros((self.neuron_folds, self.synapse_folds), bool)
        emits[:, -1] = True
        repeats = prod(self.positions) * self.groups
        return Schedule(consumes.reshape(1, -1), emits.reshape(1, -1), self.latency, repeats)

    def structure(self) -> Structure:
        return matrix_vector_structure(self, in_chains=False)

    def structure_for(self, family: Family) -> Structure:
        return matrix_vector_structure(self, in_chains=self.in_chains(family))

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.group_neurons):
            for simd in lanes(self.synapses):
                yield {"pe": pe, "simd": simd}
