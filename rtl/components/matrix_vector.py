"""MatrixVector: the XNOR-popcount product of a binary matrix and a vector of bits.

Per neuron, ``ones = popcount(XNOR(x, w))`` is accumulated over the groups of synapses, starting from ``-level``:

* with thresholds, ``level = threshold``, and the bit out is ``ones >= threshold``: the accumulator's inverted sign;
* without, ``level = ceil(synapses / 2)``, and ``2*ones - synapses = 2*(ones - level) + synapses % 2``: the accumulator
  followed by a constant bit.

So there is neither a comparator nor a subtraction.
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

__all__ = ["MatrixVector"]


class MatrixVector(NodeComponent):
    """Product of a sign matrix and a sign vector: ``o[j] = popcount(XNOR(i, weights[j])) >= thresholds[j]``.

    Throughput one step per cycle, ``(neurons/pe) * (synapses/simd)`` steps per vector; latency
    ``1 + popcount_stages(simd) + 1 + 1`` cycles: memory read, popcount, accumulator, comparison.

    Parameters
    ----------
    node : dataflow.MatrixVector

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `simd` bits.
    o : ``Out(Reserved(payload))``
        Beats of `pe` bits, or of `pe` sums ``2*ones - synapses``.
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

        m.submodules.vector = vector = HeldVector(node.simd, synapse_folds if neuron_folds > 1 else 1)
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
    def _all_levels(self) -> np.ndarray:
        """(neurons,) int64, what each neuron's ones are compared with or centred at."""
        node = self.node
        if node.thresholds is None:
            return np.full(node.neurons, (node.synapses + 1) // 2)
        return node.thresholds

    @property
    def _excess_width(self) -> int:
        """Bits of the accumulator."""
        levels = self._all_levels
        return dataflow.signed_for(-int(levels.max()), self.node.synapses - int(levels.min())).width

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
        match = Signal(node.simd, name=f"match_{k}")
        m.submodules[f"popcount_{k}"] = popcount = Popcount(node.simd)
        m.d.comb += [match.eq(~(vector ^ row)), popcount.i.eq(match)]
        excess = Signal(signed(self._excess_width), name=f"excess_{k}", reset_less=True)
        base = level if node.simd == node.synapses else Mux(start, level, excess)
        with m.If(valid):
            m.d.sync += excess.eq(base + popcount.o)
        if node.thresholds is not None:
            bit = Signal(name=f"bit_{k}", reset_less=True)
            m.d.sync += bit.eq(excess >= 0)
            return bit
        total = Signal(signed(node.element.width), name=f"total_{k}", reset_less=True)
        m.d.sync += total.eq(Cat(Const(node.synapses % 2, 1), excess).as_signed())
        return total
