"""Replies: from tickets and the network's outputs to tokens."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out

from dataflow import Bipolar, Stream
from rtl.link.bit_packer import BitPacker
from rtl.link.protocol import HEADER_SIZE, Info, Kind
from rtl.link.receiver import Outcome, Ticket
from rtl.link.slip import Token
from rtl.steps import advanced
from rtl.streams import payload_of

__all__ = ["MessageSender", "result_ports"]


class MessageSender(wiring.Component):
    """Sender of replies, one for each ticket, in their order.

    The scores of a result are read from the network one by one as they are sent; nothing is stored.

    Parameters
    ----------
    info : the board's description of its network
    scores : stream of the network's scores, or None if it has none
    answer : stream of the network's class, or of its bits

    Members
    -------
    i_ticket : In(stream.Signature(Ticket))
    i_scores : In(stream.Signature(payload_of(scores)))
        If there are scores.
    i_class : In(stream.Signature(data.ArrayLayout(answer.width, 1)))
        If the answer is a class.
    i_bits : In(stream.Signature(payload_of(answer)))
        If the answer is bits.
    o : Out(stream.Signature(Token))
    """

    def __init__(self, info: Info, scores: Stream | None, answer: Stream) -> None:
        self._info = info
        self._scores = scores
        self._answer = answer
        results = result_ports(scores, answer)
        super().__init__({"i_ticket": In(stream.Signature(Ticket)), **results, "o": Out(stream.Signature(Token))})

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
        if not isinstance(self._answer.element, Bipolar):
            return [self.i_scores, self.i_class] if self._scores is not None else [self.i_class]
        m.submodules.bits = packer = BitPacker(self._answer)
        wiring.connect(m, wiring.flipped(self.i_bits), packer.i)
        return [self.i_scores, packer.o] if self._scores is not None else [packer.o]

    def _result(self, m: Module, offers: list[Any], left: Signal, there: Signal, taken: Value, byte: Signal) -> None:
        """Offer the bytes of the scores and the answer as the network emits them."""
        if self._scores is None:
            self._say_answer(m, offers[-1], left, there, taken, byte)
            return
        with m.If(left > self._info.answer_size):
            self._say_scores(m, self._scores, there, taken, byte)
        with m.Else():
            self._say_answer(m, offers[-1], left, there, taken, byte)

    def _say_scores(self, m: Module, scores: Stream, there: Signal, taken: Value, byte: Signal) -> None:
        """Offer the bytes of the scores."""
        size, lanes = self._info.score_size, scores.lanes
        part, lane = Signal(range(size)), Signal(range(lanes))
        score = Signal(signed(8 * size))
        m.d.comb += score.eq(self.i_scores.payload[lane])
        m.d.comb += [there.eq(self.i_scores.valid), byte.eq(score.word_select(part, 8))]
        with m.If(taken):
            m.d.sync += part.eq(part + 1)
            with m.If(part == size - 1):
                last = lane == lanes - 1
                if scores.inert:
                    place = Signal(range(scores.vector))
                    m.d.sync += place.eq(advanced(place, scores.vector))
                    last |= place == scores.vector - 1
                m.d.sync += [part.eq(0), lane.eq(Mux(last, 0, lane + 1))]
                m.d.comb += self.i_scores.ready.eq(last)

    def _say_answer(self, m: Module, offer: Any, left: Signal, there: Signal, taken: Value, byte: Signal) -> None:
        """Offer the bytes of the class, or those of the bits as they are packed."""
        m.d.comb += there.eq(offer.valid)
        if self._info.bits:
            m.d.comb += [byte.eq(offer.payload), offer.ready.eq(taken)]
            return
        label = Signal(16)
        m.d.comb += [
            label.eq(offer.payload[0]),
            byte.eq(Mux(left == 2, label[:8], label[8:])),
            offer.ready.eq(taken & (left == 1)),
        ]


def result_ports(scores: Stream | None, answer: Stream) -> dict[str, wiring.Member]:
    """Return the ports that a network's outputs are connected to.

    Parameters
    ----------
    scores : stream of the scores, or None
    answer : stream of the class, or of bits
    """
    ports = {} if scores is None else {"i_scores": In(stream.Signature(payload_of(scores)))}
    if isinstance(answer.element, Bipolar):
        return {**ports, "i_bits": In(stream.Signature(payload_of(answer)))}
    return {**ports, "i_class": In(stream.Signature(data.ArrayLayout(answer.width, 1)))}
