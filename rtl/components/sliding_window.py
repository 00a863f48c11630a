"""SlidingWindow: the neighbourhood of every output pixel, one after another."""

from typing import ClassVar

from amaranth import Const, Module, Mux, Signal

import dataflow
from rtl.components._storage import packed
from rtl.components._window import BufferedComponent
from rtl.steps import emit_steps, ends_vector

__all__ = ["SlidingWindow"]


class SlidingWindow(BufferedComponent[dataflow.SlidingWindow]):
    """The taps of every window: ``o[y, x, ky, kx] = i[y*stride + ky*dilation - top, ...]``, or `pad` outside the image.

    Throughput one beat in and one beat out per cycle, independent of each other; latency 2 cycles: one reads the
    buffer, one inserts `pad` for taps outside the image.

    Parameters
    ----------
    node : dataflow.SlidingWindow

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers: the image.
    o : ``Out(Reserved(payload))``
        Beats of `simd` taps of `pe` numbers, in the order group, ky, kx, channel of the group, window by window.
    """

    kind: ClassVar = dataflow.SlidingWindow

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        buffer = self._buffer(m)
        emitting = emit_steps(m, self, buffer.step, ready=buffer.enough, emits=Const(1))
        width = node.input_streams[0].width
        pad = Const(packed([node.pad] * node.pe, node.element.width), width)
        bits = Signal(len(buffer.o), reset_less=True)
        for k in range(node.simd):
            beat = buffer.o.word_select(k, width)
            m.d.sync += bits.word_select(k, width).eq(Mux(buffer.inside[k], beat, pad))
        (stream,) = node.output_streams
        with m.If(ends_vector(m, emitting[0], stream)):
            m.d.sync += bits[len(bits) - stream.inert * node.element.width :].eq(0)
        m.d.comb += self.o.payload.eq(bits)
        return m
