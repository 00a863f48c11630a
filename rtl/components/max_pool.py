"""MaxPool: the greatest number below a kernel, channel by channel."""

from typing import ClassVar

import numpy as np
from amaranth import Module, Mux, Signal

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._line_buffer import LineBuffer
from rtl.components._steps import advanced, delayed, emit_steps, foreseen

__all__ = ["MaxPool"]


class MaxPool(NodeComponent):
    """The greatest of every window, channel by channel: ``o[y, x] = max(i[y*stride + ky*dilation - top, ...])``.

    What lies outside the image counts as the least number there is, and so does not count. Of bits the greatest is
    their OR. Throughput one beat in and one tap per cycle, independent of each other; latency 2 cycles: one reads the
    buffer, one compares with the greatest so far.

    Parameters
    ----------
    node : dataflow.MaxPool

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers: the image.
    o : ``Out(Reserved(payload))``
        Beats of `pe` numbers.
    """

    kind: ClassVar = dataflow.MaxPool

    def elaborate(self, platform) -> Module:
        m = Module()
        node = self.node
        m.submodules.buffer = buffer = LineBuffer(node, taps_inside=True)
        m.d.comb += [
            buffer.i.payload.eq(self.i.payload),
            buffer.i.valid.eq(self.i.valid),
            self.i.ready.eq(buffer.i.ready),
        ]
        issue, tap = buffer.step, Signal(range(node.taps))
        last = foreseen(m, issue, tap, np.arange(node.taps) == node.taps - 1, name="last")
        with m.If(issue):
            m.d.sync += tap.eq(advanced(tap, node.taps))
        emitting = emit_steps(m, self, issue, ready=buffer.enough, emits=last)
        (valid,) = delayed(m, issue, 1, name="valid")
        first = Signal(init=1)
        with m.If(valid):
            m.d.sync += first.eq(emitting[0])
        for k in range(node.pe):
            m.d.comb += self.o.payload[k].eq(self._greatest(m, k, buffer, first, valid))
        return m

    def _greatest(self, m: Module, k: int, buffer: LineBuffer, first: Signal, valid) -> Signal:
        """Return the greatest so far of one of the `pe` channels."""
        element, shape = self.node.element, self.o.payload[k].shape()
        number, greatest = Signal(shape, name=f"number_{k}"), Signal(shape, name=f"greatest_{k}", reset_less=True)
        m.d.comb += number.eq(Mux(buffer.inside, buffer.o.word_select(k, element.width), element.minimum))
        with m.If(valid):
            if element.width == 1 and not element.signed:
                m.d.sync += greatest.eq(number | (greatest & ~first))
            else:
                with m.If(first | (number > greatest)):
                    m.d.sync += greatest.eq(number)
        return greatest
