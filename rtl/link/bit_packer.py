"""BitPacker: the bits of a frame to bytes."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dataflow import Stream
from rtl.steps import advanced
from rtl.streams import payload_of

__all__ = ["BitPacker"]


class BitPacker(wiring.Component):
    """Bytes of a frame's bits: bit ``k`` becomes bit ``k % 8`` of byte ``k // 8``, and the last byte ends in zeros.

    Takes a bit per cycle, and none while a byte waits: it serves a line that is far slower.

    Parameters
    ----------
    bits : stream of the bits

    Members
    -------
    i : In(stream.Signature(payload_of(bits)))
    o : Out(stream.Signature(8))
    """

    def __init__(self, bits: Stream) -> None:
        self._bits = bits
        super().__init__({"i": In(stream.Signature(payload_of(bits))), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = self._bits
        lane, place, index = Signal(range(bits.lanes)), Signal(range(bits.vector)), Signal(range(bits.size))
        byte, there = Signal(8), Signal()
        takes, ends_beat = Signal(), Signal()
        m.d.comb += [
            takes.eq(self.i.valid & ~there),
            ends_beat.eq((lane == bits.lanes - 1) | (place == bits.vector - 1)),
            self.i.ready.eq(takes & ends_beat),
            self.o.payload.eq(byte),
            self.o.valid.eq(there),
        ]
        with m.If(takes):
            m.d.sync += [
                byte.bit_select(index[:3], 1).eq(self.i.payload[lane]),
                lane.eq(Mux(ends_beat, 0, lane + 1)),
                place.eq(advanced(place, bits.vector)),
                index.eq(advanced(index, bits.size)),
                there.eq((index[:3] == 7) | (index == bits.size - 1)),
            ]
        with m.Elif(self.o.ready & there):
            m.d.sync += [there.eq(0), byte.eq(0)]
        return m
