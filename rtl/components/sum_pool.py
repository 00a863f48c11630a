"""SumPool: the sum of the numbers under a kernel, channel by channel."""

from typing import ClassVar

from amaranth import Cat, Module, Mux, Signal, Value

import dataflow
from rtl.components._line_buffer import LineBuffer
from rtl.components._window import PoolComponent

__all__ = ["SumPool"]


class SumPool(PoolComponent[dataflow.SumPool]):
    """The sum of every window, channel by channel: ``o[y, x] = sum(i[y*stride + ky*dilation - top, ...])``.

    A tap outside the image counts as 0, a bit as -1 or +1.

    Parameters
    ----------
    node : dataflow.SumPool

    Members
    -------
    i : ``In(stream.Signature(payload))``
        Beats of `pe` numbers: the image.
    o : ``Out(Reserved(payload))``
        Beats of `pe` sums.
    """

    kind: ClassVar = dataflow.SumPool

    def _take(self, m: Module, k: int, buffer: LineBuffer, first: Signal, valid: Value) -> Signal:
        total = Signal(self.o.payload[k].shape(), name=f"total_{k}", reset_less=True)
        number = self.lane_number(m, k, buffer)
        with m.If(valid):
            m.d.sync += total.eq(Mux(first, 0, total) + number)
        return total

    def lane_number(self, m: Module, k: int, buffer: LineBuffer) -> Value:
        """Return the number that the tap adds."""
        element = self.node.element
        word = buffer.o.word_select(k, element.width)
        if isinstance(element, dataflow.Bipolar):
            # In two's complement 1 is 01 and -1 is 11.
            return Cat(buffer.inside, buffer.inside & ~word).as_signed()
        number = Signal(len(word), name=f"number_{k}")
        m.d.comb += number.eq(Mux(buffer.inside, word, 0))
        return number.as_signed() if element.signed else number
