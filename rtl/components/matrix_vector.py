"""MatrixVector: the product of a binary matrix and a vector, of bits by XNOR and popcount, or of integers by sums.

Of bits, per neuron, ``ones = popcount(XNOR(x, w))`` is accumulated over the groups of synapses, starting from
``-level``:

* with thresholds, ``level = threshold``, and the bit out is ``ones >= threshold``: the accumulator's inverted sign;
* without, ``level = ceil(synapses / 2)``, and ``2*ones - synapses = 2*(ones - level) + synapses % 2``: the accumulator
  followed by a constant bit.

So there is neither a comparator nor a subtraction.

Of integers, ``-x = ~x + 1``. What is summed is x where the weight is +1, and ~x where it is -1; that is too little by
the number of the neuron's weights -1, which is known beforehand. So the accumulator starts from ``minus - level``:

* with thresholds, ``level = threshold``, and the bit out is the accumulator's inverted sign;
* without, ``level = 0``, and the total is the accumulator.
"""

from typing import ClassVar

import numpy as np
from amaranth import Cat, Const, Module, Mux, Signal, signed

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._held_vector import HeldVector
from rtl.components._popcount import Popcount
from rtl.components._steps import advanced, delayed, foreseen, issue_steps
from rtl.components._storage import packed, read_only
from rtl.components._sum import Sum

__all__ = ["MatrixVector"]


class MatrixVector(NodeComponent):
    """Product of a sign matrix and a vector: ``o[j] = popcount(XNOR(i, weights[j])) >= thresholds[j]``.

    Of integers, ``o[j] = sum(weights[j] * i) >= thresholds[j]``.

    Throughput one step per cycle, ``(neurons/pe) * (synapses/simd)`` steps per vector; latency
    ``1 + popcount_stages(simd) + 1 + 1`` cycles: memory read, popcount, accumulator, comparison.

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

    def elaborate(self, platform) -> Module:
        m = Module()
        node = self.node
        synapse_folds, neuron_folds = node.synapses // node.simd, node.neurons // node.pe

        # The next step: its number, its group of synapses, and whether its neurons are the first to see the vector.
        step, synapse = Signal(range(synapse_folds * neuron_folds)), Signal(range(synapse_folds))
        issue, first = Signal(), Signal(init=1)
        last = foreseen(m, issue, synapse, np.arange(synapse_folds) == synapse_folds - 1, name="last")
        emitting = issue_steps(m, self, issue, consumes=first, emits=last)
        with m.If(issue):
            m.d.sync += step.eq(advanced(step, synapse_folds * neuron_folds))
            m.d.sync += synapse.eq(advanced(synapse, synapse_folds))
        if neuron_folds > 1:
            with m.If(issue & last):
                m.d.sync += first.eq(step == synapse_folds * neuron_folds - 1)

        m.submodules.vector = vector = HeldVector(
            node.simd * node.operand.width, synapse_folds if neuron_folds > 1 else 1
        )
        m.d.comb += [
            vector.step.eq(issue),
            vector.fresh.eq(first),
            vector.fold.eq(synapse),
            vector.i.eq(self.i.payload),
        ]
        weights = Signal(node.pe * node.simd)
        m.d.comb += weights.eq(read_only(m, "weights", self._weight_rows(), len(weights), step))

        counted = dataflow.nodes.popcount_stages(node.simd) + 1
        valid = delayed(m, issue, counted, name="valid")
        start = Signal(init=1)
        with m.If(valid[-1]):
            m.d.sync += start.eq(emitting[counted - 1])
        levels = self._levels(m, emitting[counted - 2])
        for k in range(node.pe):
            row = weights.word_select(k, node.simd)
            m.d.comb += self.o.payload[k].eq(self._neuron(m, k, vector.o, row, levels[k], start, valid[-1]))
        return m

    @property
    def _of_bits(self) -> bool:
        return isinstance(self.node.operand, dataflow.Bipolar)

    @property
    def _factor(self) -> dataflow.Integer:
        """Type of an integer, inverted or not."""
        operand = self.node.operand
        return operand if operand.signed else dataflow.Integer(operand.width + 1, signed=True)

    @property
    def _all_levels(self) -> np.ndarray:
        """(neurons,) int64, what each neuron's count is compared with or centred at."""
        node = self.node
        if not self._of_bits:
            minus = (node.weights < 0).sum(axis=1)
            return -minus if node.thresholds is None else node.thresholds - minus
        if node.thresholds is None:
            return np.full(node.neurons, (node.synapses + 1) // 2)
        return node.thresholds

    @property
    def _excess_width(self) -> int:
        """Bits of the accumulator."""
        levels, synapses = self._all_levels, self.node.synapses
        least, most = (0, 1) if self._of_bits else (self._factor.minimum, self._factor.maximum)
        low, high = synapses * least - int(levels.max()), synapses * most - int(levels.min())
        return dataflow.signed_for(min(low, -int(levels.max())), max(high, -int(levels.min()))).width

    def _weight_rows(self) -> list[int]:
        """Return for each step the bits of `pe` neurons' groups of weights, the first neuron's first synapse lowest."""
        node = self.node
        shape = (node.neurons // node.pe, node.pe, node.synapses // node.simd, node.simd)
        bits = (node.weights > 0).reshape(shape).transpose(0, 2, 1, 3).reshape(-1, node.pe * node.simd)
        rows = np.packbits(bits, axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in rows]

    def _levels(self, m: Module, finished) -> list:
        """Return for each neuron of the present group its level, negated.

        Parameters
        ----------
        finished : value of one bit
            The step that gets to the accumulator in the next cycle is its group's last.
        """
        node, width = self.node, self._excess_width
        groups = self._all_levels.reshape(-1, node.pe)
        group = Signal(range(len(groups)))
        with m.If(finished):
            m.d.sync += group.eq(advanced(group, len(groups)))
        rows = [packed([-level for level in row], width) for row in groups.tolist()]
        levels = Signal(node.pe * width)
        m.d.comb += levels.eq(read_only(m, "levels", rows, len(levels), group))
        return [levels.word_select(k, width).as_signed() for k in range(node.pe)]

    def _neuron(self, m: Module, k: int, vector, row, level, start: Signal, valid):
        """Add one of the `pe` neurons computed at once and return its output."""
        node = self.node
        count = self._popcount(m, k, vector, row) if self._of_bits else self._sum(m, k, vector, row)
        excess = Signal(signed(self._excess_width), name=f"excess_{k}", reset_less=True)
        base = level if node.simd == node.synapses else Mux(start, level, excess)
        with m.If(valid):
            m.d.sync += excess.eq(base + count)
        if node.thresholds is not None:
            bit = Signal(name=f"bit_{k}", reset_less=True)
            m.d.sync += bit.eq(excess >= 0)
            return bit
        total = Signal(signed(node.element.width), name=f"total_{k}", reset_less=True)
        doubled = Cat(Const(node.synapses % 2, 1), excess).as_signed()
        m.d.sync += total.eq(doubled if self._of_bits else excess)
        return total

    def _popcount(self, m: Module, k: int, vector, row):
        """Return the number of bits that agree with the weights."""
        match = Signal(self.node.simd, name=f"match_{k}")
        m.submodules[f"popcount_{k}"] = popcount = Popcount(self.node.simd)
        m.d.comb += [match.eq(~(vector ^ row)), popcount.i.eq(match)]
        return popcount.o

    def _sum(self, m: Module, k: int, vector, row):
        """Return the sum of the integers, inverted where the weight is -1."""
        operand, factor = self.node.operand, self._factor
        m.submodules[f"sum_{k}"] = total = Sum(factor, self.node.simd)
        for lane in range(self.node.simd):
            number = vector.word_select(lane, operand.width)
            number = number.as_signed() if operand.signed else number
            inverted = Signal(signed(factor.width), name=f"minus_{k}_{lane}")
            m.d.comb += [inverted.eq(row[lane].replicate(factor.width) ^ ~0), total.i[lane].eq(number ^ inverted)]
        return total.o
