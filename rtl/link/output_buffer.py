"""OutputBuffer: an output of the network while a board sends those before it."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflow import Stream
from rtl.components.fifo import Fifo
from rtl.streams import payload_of

__all__ = ["OutputBuffer"]


class OutputBuffer(wiring.Component):
    """A FIFO for a frame of an output.

    A board sends all of one output before the next, while a network emits them side by side and stops where one is not
    taken. With a place for each beat of a frame nothing that is sent first ever waits for what is sent later: a node
    that waits for a place here has issued all steps of the frame that is being sent.

    Parameters
    ----------
    output : stream of the output

    Members
    -------
    i, o : stream.Signature(payload_of(output))
    """

    def __init__(self, output: Stream) -> None:
        self._output = output
        signature = stream.Signature(payload_of(output))
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(payload_of(self._output), self._output.beats)
        accepted = self.i.valid & fifo.i.free
        m.d.comb += [
            fifo.i.payload.eq(self.i.payload),
            fifo.i.valid.eq(accepted),
            fifo.i.reserve.eq(accepted),
            self.i.ready.eq(fifo.i.free),
        ]
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        return m
