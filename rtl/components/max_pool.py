"""MaxPool: the greatest number under a kernel, channel by channel."""

from typing import ClassVar

from amaranth import Module, Mux, Signal, Value

import dataflow
from rtl.components._line_buffer import LineBuffer
from rtl.components._window import PoolComponent

__all__ = ["MaxPool"]


class MaxPool(PoolComponent[dataflow.MaxPool]):
    """The greatest of every window, channel by channel: ``o[y, x] = max(i[y*stride + ky*dilation - top, ...])``.

    A tap outside the image is replaced by the least possible number, so it has no effect. For bits the greatest is
    their OR.

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

    def _take(self, m: Module, k: int, buffer: LineBuffer, first: Signal, valid: Value) -> Signal:
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
