"""The base classes of components that store an image in a line buffer."""

from abc import abstractmethod
from typing import TypeVar

import numpy as np
from amaranth import Module, Signal, Value

import dataflow
from rtl.components._component import NodeComponent
from rtl.components._line_buffer import LineBuffer
from rtl.steps import advanced, delayed, emit_steps, ends_vector, foreseen

__all__ = ["BufferedComponent", "PoolComponent"]

B = TypeVar("B", bound=dataflow.BufferedNode)
W = TypeVar("W", bound=dataflow.WindowNode)


class BufferedComponent(NodeComponent[B]):
    """The component of a `dataflow.BufferedNode`, which reads its image from a `LineBuffer`."""

    def _buffer(self, m: Module) -> LineBuffer:
        """Add the buffer, and connect it to the input."""
        m.submodules.buffer = buffer = LineBuffer(self.node)
        m.d.comb += [
            buffer.i.payload.eq(self.i.payload),
            buffer.i.valid.eq(self.i.valid),
            self.i.ready.eq(buffer.i.ready),
        ]
        return buffer


class PoolComponent(BufferedComponent[W]):
    """The component of a `dataflow.PoolNode`, which emits with the last tap of each group of `pe` channels.

    Throughput one beat in and one tap per cycle, independent of each other; latency 2 cycles: one reads the buffer,
    one combines the tap with the previous ones.
    """

    @abstractmethod
    def _take(self, m: Module, k: int, buffer: LineBuffer, first: Signal, valid: Value) -> Signal:
        """Return the register with the number of channel `k` so far, which combines it with the buffer's tap.

        Parameters
        ----------
        first : Signal
            The tap is the window's first.
        valid : value of one bit
            The buffer has a tap.
        """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node = self.node
        buffer = self._buffer(m)
        issue, tap = buffer.step, Signal(range(node.taps))
        last = foreseen(m, issue, tap, np.arange(node.taps) == node.taps - 1, name="last")
        with m.If(issue):
            m.d.sync += tap.eq(advanced(tap, node.taps))
        emitting = emit_steps(m, self, issue, ready=buffer.enough, emits=last)
        (valid,) = delayed(m, issue, 1, name="valid")
        first = Signal(init=1)
        with m.If(valid):
            m.d.sync += first.eq(emitting[0])
        (stream,) = node.output_streams
        ends = ends_vector(m, emitting[0], stream)
        for k in range(node.pe):
            number = self._take(m, k, buffer, first, valid)
            if k >= node.pe - stream.inert:
                with m.If(ends):
                    m.d.sync += number.eq(0)
            m.d.comb += self.o.payload[k].eq(number)
        return m
