"""MatrixVector: the product of a matrix and a vector, by XNOR and popcount for bits, by sums for integers.

Sums are accumulated without a comparator or a subtraction. `dataflow.nodes._accumulator` has the derivation.

Inert synapses carry 0 and have the weight +1 among signs, so they do not match, and add 0; among integers their weight
is 0. Inert neurons compute an arbitrary result, which is set to 0 at the output.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, Value, ValueCastable, signed

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._held_vector import HeldVector
from rtl.components._popcount import Popcount
from rtl.components._raster import by_window, raster
from rtl.components._shared_sums import shared_sums
from rtl.components._storage import packed, read_only
from rtl.components._sum import Sum
from rtl.components._terms import term
from rtl.components._tree_sum import tree_sum, waiting
from rtl.platforms import family_on
from rtl.steps import advanced, delayed, ends_vector, foreseen, issue_steps

__all__ = ["MatrixVector"]


class MatrixVector(NodeComponent[dataflow.MatrixVector]):
    """Product of a matrix and a vector: ``o[j] = popcount(XNOR(i, weights[j])) >= thresholds[j]``.

    If either has integers, ``o[j] = sum(weights[j] * i) >= thresholds[j]``.

    Throughput one step per cycle, ``(neurons/pe) * (synapses/simd)`` steps per vector, each rounded up; latency
    ``1 + popcount_stages(simd) + 1 + 1`` cycles: memory read, popcount, accumulator, comparison. Products that take
    more than a LUT per bit are registered, up to two cycles more (`dataflow.nodes.Terms`). Where it is pipelined, the
    step that is issued is registered before it is read, and what is read after it, which takes two cycles more.

    Parameters
    ----------
    node : dataflow.MatrixVector

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `simd` bits, or integers.
    o : ``Out(Reserved(payload))``
        Beats of `pe` bits, or of `pe` sums.
    """

    kind: ClassVar = dataflow.MatrixVector

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        synapse_folds, neuron_folds = node.synapse_folds, node.neuron_folds
        steps = synapse_folds * neuron_folds * node.groups

        # The next step: its number, its group of synapses, and whether its neurons are the first to use the vector.
        step, synapse = Signal(range(steps)), Signal(range(synapse_folds))
        issue, first = Signal(), Signal(init=1)
        last = foreseen(m, issue, synapse, np.arange(synapse_folds) == synapse_folds - 1, name="last")
        emitting = issue_steps(m, self, issue, consumes=first, emits=last)
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, steps))
            m.d.sync += synapse.eq(advanced(synapse, synapse_folds))
        if neuron_folds > 1:
            with m.If(issue & last):
                m.d.sync += first.eq(self._is_final(m, issue & last, step, steps))

        if node.shares_sums:
            # Nothing is held, so no enable has to reach all lanes. Beats that are not valid are not written.
            bits = Signal(node.simd, reset_less=True)
            m.d.sync += bits.eq(self.i.payload)
            m.d.comb += self.o.payload.eq(Cat(shared_sums(m, node, bits)))
            return m
        m.submodules.vector = held = HeldVector(
            node.simd * node.operand.width, synapse_folds if neuron_folds > 1 else 1
        )
        m.d.comb += [
            held.step.eq(self._registered(m, issue, "moves", reset_less=False)),
            held.fresh.eq(self._registered(m, first, "fresh")),
            held.fold.eq(self._registered(m, synapse, "fold")),
            held.i.eq(self._registered(m, self.i.payload, "arrived")),
        ]
        vector = self._registered(m, held.o, "read_vector")
        weights = Signal(node.word_width)
        in_chains = node.in_chains(family_on(platform))
        rows = self._weight_rows(inverted=in_chains)
        address = self._registered(m, step, "address")
        read_weights = read_only(m, "weights", rows, len(weights), address, luts=node.weights_in_luts)
        m.d.comb += weights.eq(self._registered(m, read_weights, "read_weights"))

        counted = node.sum_stages + node.read_stages
        valid = delayed(m, issue, counted, name="valid")
        start = Signal(init=1)
        with m.If(valid[-1]):
            m.d.sync += start.eq(emitting[counted - 1])
        levels, odds = self._levels(m, emitting[counted - 2 - node.is_pipelined], valid[-1])
        (stream,) = node.output_streams
        last = ends_vector(m, emitting[-2], stream)
        add_sum = self._add_tree_sum if in_chains else self._add_sum
        add = add_sum(m, vector, levels, start)
        for k in range(node.pe):
            row = weights.word_select(k, len(weights) // node.pe)
            number = self._neuron(m, k, partial(add, k, row), odds[k], valid[-1])
            if k >= node.pe - stream.inert:
                with m.If(last):
                    m.d.sync += number.eq(0)
            m.d.comb += self.o.payload[k].eq(number)
        return m

    def _registered(self, m: Module, value: ValueCastable | Value, name: str, *, reset_less: bool = True) -> Value:
        """Return a value where it is used: in the next cycle where the node is pipelined, and of it else."""
        value = Value.cast(value)
        if not self.node.is_pipelined or isinstance(value, Const):
            return value
        register = Signal(len(value), name=name, reset_less=reset_less)
        m.d.sync += register.eq(value)
        return register

    def _is_final(self, m: Module, leave: Value, step: Signal, steps: int) -> Value:
        """Return whether the current step's neurons are the last of their group.

        Parameters
        ----------
        leave : value of one bit
            The last step of these neurons is issued.
        """
        neuron_folds = self.node.neuron_folds
        if self.node.groups == 1:
            return step == steps - 1
        neuron = Signal(range(neuron_folds))
        with m.If(leave):
            m.d.sync += neuron.eq(advanced(neuron, neuron_folds))
        return neuron == neuron_folds - 1

    def _weight_rows(self, *, inverted: bool) -> list[int]:
        """Return for each step the weight bits of `pe` neurons, with the first neuron's first synapse lowest."""
        rows = np.packbits(self.node.weight_words ^ inverted, axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in rows]

    def _levels(self, m: Module, finished: Value, valid: Value) -> tuple[list[Value], list[Value]]:
        """Return for each of the current neurons its negated level, and the lowest bit of its sum.

        The level belongs to the step that is in the accumulator, the bit to the previous step.

        Parameters
        ----------
        finished : value of one bit
            The step that reaches the accumulator in the next cycle is the last one of its neurons; in the cycle after
            that, where it is pipelined.
        valid : value of one bit
            A step is in the accumulator.
        """
        node, accumulator = self.node, self.node.accumulator
        words, mixed = -node.neuron_words(accumulator.levels), accumulator.mixed
        if mixed:
            assert accumulator.odds is not None
            words = 2 * words + node.neuron_words(accumulator.odds)
        each = accumulator.width + mixed
        levels = Signal(node.pe * each)
        rows = [packed(row, each) for row in words.tolist()]
        read = read_only(m, "levels", rows, len(levels), self._word(m, finished))
        m.d.comb += levels.eq(self._registered(m, read, "read_levels"))
        parts = [levels.word_select(k, each) for k in range(node.pe)]
        if not mixed:
            odd = 0 if accumulator.odds is None else int(accumulator.odds[0, 0])
            return [part.as_signed() for part in parts], [Const(odd, 1)] * node.pe
        held = [Signal(name=f"odd_{k}", reset_less=True) for k in range(node.pe)]
        with m.If(valid):
            m.d.sync += [odd.eq(part[0]) for odd, part in zip(held, parts, strict=True)]
        return [part[1:].as_signed() for part in parts], held

    def _word(self, m: Module, finished: Value) -> Signal:
        """Return the address of the current neurons' levels, which are stored class by class."""
        node = self.node
        folds = node.groups * node.neuron_folds
        group = Signal(range(folds))
        with m.If(finished):
            m.d.sync += group.eq(advanced(group, folds))
        if node.position_classes is None:
            return group
        starts = (node.position_classes * folds).reshape(-1, *node.positions[-1:] or (1,))
        last = foreseen(m, finished, group, np.arange(folds) == folds - 1, name="level_last")
        leave = Signal(name="level_leave")
        m.d.comb += leave.eq(finished & last)
        row, column = raster(m, leave, starts.shape, name="level")
        # Shifted by one position, because the next position's address is needed when it begins.
        following = by_window(m, leave, row, column, np.roll(starts, -1).reshape(starts.shape), name="level_start")
        word = Signal(range(len(self.node.accumulator.levels) * folds), name="level_word", init=int(starts[0, 0]))
        with m.If(finished):
            m.d.sync += word.eq(Mux(last, following, word + 1))
        return word

    def _neuron(self, m: Module, k: int, add: Callable[[Value], Value], odd: Value, valid: Value) -> Value:
        """Add one of the `pe` parallel neurons and return its output.

        Parameters
        ----------
        add : returns the accumulator's next value for its current one
        """
        node = self.node
        excess = Signal(signed(node.accumulator.width), name=f"excess_{k}", reset_less=True)
        following = add(excess)
        with m.If(valid):
            m.d.sync += excess.eq(following)
        if node.thresholds is not None:
            bit = Signal(name=f"bit_{k}", reset_less=True)
            m.d.sync += bit.eq(excess >= 0)
            return bit
        total = Signal(signed(node.element.width), name=f"total_{k}", reset_less=True)
        doubled = Cat(odd, excess).as_signed()
        m.d.sync += total.eq(doubled if node.terms.doubled else excess)
        return total

    def _add_sum(
        self, m: Module, vector: Value, levels: Sequence[Value], start: Signal
    ) -> Callable[[int, Value, Value], Value]:
        """Return a function that adds a neuron's sum of products to its accumulator, given its number and weights."""
        node = self.node

        def add(k: int, row: Value, excess: Value) -> Value:
            count = self._popcount(m, k, vector, row) if node.counts_matches else self._sum(m, k, vector, row)
            # The first step starts from the level instead of the last result, so the accumulator needs no reset.
            return (levels[k] if node.synapse_folds == 1 else Mux(start, levels[k], excess)) + count

        return add

    def _add_tree_sum(
        self, m: Module, vector: Value, levels: Sequence[Value], start: Signal
    ) -> Callable[[int, Value, Value], Value]:
        """Return a function like that of `_add_sum`, for sums in carry chains."""
        node, tree = self.node, self.node.adder_tree
        numbers = waiting(m, tree, vector, name="vector")

        def add(k: int, row: Value, excess: Value) -> Value:
            weights = waiting(m, tree, row, name=f"weights_{k}")
            level = Signal(signed(node.accumulator.width), name=f"level_{k}")
            m.d.comb += level.eq(levels[k])
            base = (level,) if node.synapse_folds == 1 else (start, level, excess)
            return tree_sum(m, tree, numbers, weights, base=base, name=f"neuron_{k}")

        return add

    def _popcount(self, m: Module, k: int, vector: Value, row: Value) -> Value:
        """Return the number of bits that agree with the weights."""
        # A named signal, because an unnamed expression that is sliced is emitted again for every bit, which made a
        # simulation in Icarus 14 times slower.
        match = Signal(self.node.simd, name=f"match_{k}")
        m.submodules[f"popcount_{k}"] = popcount = Popcount(self.node.simd)
        m.d.comb += [match.eq(~(vector ^ row)), popcount.i.eq(match)]
        return popcount.o

    def _sum(self, m: Module, k: int, vector: Value, row: Value) -> Value:
        """Return the sum of the terms."""
        operand, width = self.node.operand, self.node.weight_element.width
        m.submodules[f"sum_{k}"] = total = Sum(self.node.accumulator.term, self.node.simd)
        for lane in range(self.node.simd):
            number = vector.word_select(lane, operand.width)
            number = number.as_signed() if operand.signed else number
            weight = row.word_select(lane, width)
            m.d.comb += total.i[lane].eq(term(m, self.node.terms, number, weight, name=f"{k}_{lane}"))
        return total.o
