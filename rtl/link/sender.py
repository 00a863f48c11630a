"""Replies: from tickets and the network's outputs to tokens."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out

from dataflow import Stream
from rtl.link.bit_packer import BitPacker
from rtl.link.protocol import HEADER_SIZE, Info, Kind, Part
from rtl.link.receiver import Outcome, Ticket
from rtl.link.slip import Token
from rtl.steps import advanced
from rtl.streams import payload_of

__all__ = ["MessageSender", "result_ports"]


class MessageSender(wiring.Component):
    """Sender of replies, one for each ticket, in their order.

    The numbers of a result are read from the network one by one as they are sent; nothing is stored.

    Parameters
    ----------
    info : the board's description of its network
    results : streams of the network's outputs, one for each part of a result

    Members
    -------
    i_ticket : In(stream.Signature(Ticket))
    i_0, i_1, ... : In(stream.Signature(payload_of(results[0]))), ...
        The outputs, all of one before the next.
    o : Out(stream.Signature(Token))
    """

    def __init__(self, info: Info, results: Sequence[Stream]) -> None:
        self._info = info
        self._results = tuple(results)
        ports = result_ports(self._results)
        super().__init__({"i_ticket": In(stream.Signature(Ticket)), **ports, "o": Out(stream.Signature(Token))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = CRC16_IBM_3740(8).create()
        ticket, token = self.i_ticket.payload, self.o.payload
        own = self._info.pack()
        offers = self._offers(m)
        kind, length = Signal(8), Signal(16)
        index = Signal(range(HEADER_SIZE))
        left = Signal(range(max(self._info.result_size, len(own)) + 1))  # bytes of the payload
        with m.Switch(ticket.outcome):
            with m.Case(Outcome.RESULT):
                m.d.comb += [kind.eq(Kind.RESULT), length.eq(self._info.result_size)]
            with m.Case(Outcome.INFO):
                m.d.comb += [kind.eq(Kind.INFO_REPLY), length.eq(len(own))]
            with m.Default():
                m.d.comb += [kind.eq(Kind.ERROR), length.eq(1)]
        header = Signal(8 * HEADER_SIZE)
        # A token is `taken` from the state machine when there is one and the register at `o` is free. The checksum
        # is updated from that register one cycle later: the line is slow enough, and this keeps the paths short.
        there, taken, counts, counted = (Signal(name=name) for name in ("there", "taken", "counts", "counted"))
        byte, end = Signal(8), Signal()
        m.d.comb += [
            header.eq(Cat(kind, ticket.sequence, length)),
            taken.eq(there & ~self.o.valid),
            checksum.valid.eq(counted),
            checksum.data.eq(token.data),
        ]
        m.d.sync += counted.eq(taken & counts)
        with m.If(taken):
            m.d.sync += [token.data.eq(byte), token.end.eq(end), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM() as machine:
            with m.State("begin"):
                # A result starts only when its first byte is there, so a stalled network leaves no partial message.
                here = (ticket.outcome != Outcome.RESULT) | offers[0].valid
                m.d.comb += there.eq(self.i_ticket.valid & here)
                m.d.sync += [left.eq(length), index.eq(0)]
                with m.If(taken):
                    m.next = "header"
            with m.State("header"):
                m.d.comb += [there.eq(1), byte.eq(header.word_select(index, 8))]
                with m.If(taken):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == HEADER_SIZE - 1):
                        m.next = "payload"
            with m.State("payload"):
                m.d.comb += [there.eq(1), byte.eq(ticket.outcome)]
                with m.If(ticket.outcome == Outcome.RESULT):
                    self._result(m, offers, left, there, taken, byte)
                with m.If(ticket.outcome == Outcome.INFO):
                    # The bytes are counted down, and the last one has index 1.
                    m.d.comb += byte.eq(Const(int.from_bytes(own, "big") << 8, 8 * len(own) + 8).word_select(left, 8))
                with m.If(taken):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "checksum_high"
            with m.State("checksum_high"):
                m.d.comb += [there.eq(1), byte.eq(checksum.crc[8:])]
                with m.If(taken):
                    m.next = "checksum_low"
            with m.State("checksum_low"):
                m.d.comb += [there.eq(1), byte.eq(checksum.crc[:8])]
                with m.If(taken):
                    m.next = "end"
            with m.State("end"):
                m.d.comb += [there.eq(1), self.i_ticket.ready.eq(taken)]
                with m.If(taken):
                    m.next = "begin"
        m.d.comb += [
            checksum.start.eq(machine.ongoing("begin")),
            counts.eq(machine.ongoing("header") | machine.ongoing("payload")),
            end.eq(machine.ongoing("begin") | machine.ongoing("end")),
        ]
        return m

    def _offers(self, m: Module) -> list[Any]:
        """Return the streams whose bytes a result consists of, in their order."""
        offers: list[Any] = []
        for index, (part, each) in enumerate(zip(self._info.parts, self._results, strict=True)):
            port = getattr(self, f"i_{index}")
            if not part.size:
                m.submodules[f"bits_{index}"] = packer = BitPacker(each)
                wiring.connect(m, wiring.flipped(port), packer.i)
                port = packer.o
            offers.append(port)
        return offers

    def _result(self, m: Module, offers: list[Any], left: Signal, there: Signal, taken: Value, byte: Signal) -> None:
        """Offer the bytes of the parts as the network emits them."""
        after = self._info.result_size
        for index, (part, each) in enumerate(zip(self._info.parts, self._results, strict=True)):
            after -= part.length
            with m.If(left > after) if not index else m.Elif(left > after):
                if part.size:
                    self._say_numbers(m, index, part, each, there, taken, byte)
                else:
                    offer = offers[index]
                    m.d.comb += [there.eq(offer.valid), byte.eq(offer.payload), offer.ready.eq(taken)]

    def _say_numbers(
        self, m: Module, index: int, part: Part, numbers: Stream, there: Signal, taken: Value, byte: Signal
    ) -> None:
        """Offer the bytes of an output's numbers."""
        offer, size, lanes = getattr(self, f"i_{index}"), part.size, numbers.lanes
        place, lane = Signal(range(size), name=f"byte_{index}"), Signal(range(lanes), name=f"lane_{index}")
        number = Signal(signed(8 * size) if part.signed else 8 * size, name=f"number_{index}")
        m.d.comb += number.eq(offer.payload[lane])
        m.d.comb += [there.eq(offer.valid), byte.eq(number.word_select(place, 8))]
        with m.If(taken):
            m.d.sync += place.eq(place + 1)
            with m.If(place == size - 1):
                last = lane == lanes - 1
                if numbers.inert:
                    channel = Signal(range(numbers.vector), name=f"channel_{index}")
                    m.d.sync += channel.eq(advanced(channel, numbers.vector))
                    last |= channel == numbers.vector - 1
                m.d.sync += [place.eq(0), lane.eq(Mux(last, 0, lane + 1))]
                m.d.comb += offer.ready.eq(last)


def result_ports(results: Sequence[Stream]) -> dict[str, wiring.Member]:
    """Return the ports that a network's outputs are connected to."""
    return {f"i_{index}": In(stream.Signature(payload_of(each))) for index, each in enumerate(results)}
