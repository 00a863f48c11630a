"""Threshold: from integers to bits."""

from typing import ClassVar

from amaranth import Cat, Const, Module, Signal

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._storage import packed, read_only
from rtl.steps import advanced, ends_vector, issue_steps

__all__ = ["Threshold"]


class Threshold(NodeComponent[dataflow.Threshold]):
    """Bits of numbers: ``o[c] = i[c] >= thresholds[c]``; inert lanes give 0.

    Throughput one beat per cycle, latency 2 cycles: one reads the thresholds, one compares.

    Parameters
    ----------
    node : dataflow.Threshold

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers.
    o : ``Out(Reserved(payload))``
        Beats of `pe` bits.
    """

    kind: ClassVar = dataflow.Threshold

    def elaborate(self, platform: object) -> Module:
        m = Module()
        issue = Signal()
        issue_steps(m, self, issue, consumes=Const(1), emits=Const(1))
        bits = Signal(self.node.pe, reset_less=True)
        if self.node.thresholds.size == 1 or self._words == 1:
            self._compare_constants(m, bits)
        else:
            self._compare_memory(m, bits, issue)
        self._clear_inert(m, bits, issue)
        m.d.comb += self.o.payload.eq(bits)
        return m

    def _clear_inert(self, m: Module, bits: Signal, issue: Signal) -> None:
        """Set inert lanes to 0, in the second cycle."""
        (stream,) = self.node.output_streams
        if stream.inert:
            last = Signal(name="last")
            m.d.sync += last.eq(ends_vector(m, issue, stream))
            with m.If(last):
                m.d.sync += bits[-stream.inert :].eq(0)

    @property
    def _words(self) -> int:
        """Number of groups of channels with separate thresholds."""
        return self.node.output_streams[0].vector_beats

    def _compare_constants(self, m: Module, bits: Signal) -> None:
        """Compare with constants in the first cycle, because a register of bits is smaller than one of numbers."""
        pe, thresholds = self.node.pe, self.node.thresholds.tolist()
        early = Signal(pe, reset_less=True)
        limits = thresholds * pe if len(thresholds) == 1 else thresholds
        m.d.sync += [early.eq(Cat(self.i.payload[k] >= limits[k] for k in range(pe))), bits.eq(early)]

    def _compare_memory(self, m: Module, bits: Signal, issue: Signal) -> None:
        """Compare in the second cycle with the thresholds that the first has read."""
        node, words, limit = self.node, self._words, self.node.limit
        word = Signal(range(words))
        with m.If(issue):
            m.d.sync += word.eq(advanced(word, words))
        rows = [packed(row, limit.width) for row in dataflow.beats_of(node.thresholds, node.output_streams[0]).tolist()]
        limits = Signal(limit.width * node.pe)
        m.d.comb += limits.eq(read_only(m, "thresholds", rows, len(limits), word))
        numbers = Signal(self.i.payload.shape(), reset_less=True)
        m.d.sync += numbers.eq(self.i.payload)
        for k in range(node.pe):
            level = limits.word_select(k, limit.width)
            m.d.sync += bits[k].eq(numbers[k] >= (level.as_signed() if limit.signed else level))
