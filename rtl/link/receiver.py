"""Requests: from tokens to pixels and tickets."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out

from rtl.link.protocol import CHECKSUM_SIZE, HEADER_SIZE, ErrorCode, Kind
from rtl.link.slip import ReceivedToken

__all__ = ["MessageReceiver", "Outcome", "Ticket"]


class Outcome(enum.Enum, shape=3):  # type: ignore[call-arg]  # Amaranth's enumerations have one
    """The outcome of a request; the errors have the numbers of `ErrorCode`."""

    RESULT = 0
    CHECKSUM = ErrorCode.CHECKSUM
    LENGTH = ErrorCode.LENGTH
    TYPE = ErrorCode.TYPE
    OVERFLOW = ErrorCode.OVERFLOW
    INFO = 7


#: A pending reply.
Ticket = data.StructLayout({"sequence": 8, "outcome": Outcome})


class MessageReceiver(wiring.Component):
    """Receiver of requests: checks them and writes the pixels of a frame as they arrive.

    At the END after a message with a complete header, `o` carries one ticket. Anything shorter is line noise and
    gives no ticket. A frame may be used only if the outcome of its ticket is RESULT. The first check that fails
    determines the outcome: checksum and framing, type, length, overflow.

    Parameters
    ----------
    frame_size : bytes per frame

    Members
    -------
    i : In(stream.Signature(ReceivedToken, always_ready=True))
    write : Out(1), a pixel has arrived
    index : Out(range(frame_size)), index of the pixel
    pixel : Out(8)
    full : In(1), the pixel's place is occupied: the message overflows
    busy : In(1), no further frame can be accepted
    o : Out(stream.Signature(Ticket, always_ready=True))
    """

    def __init__(self, frame_size: int) -> None:
        self._frame_size = frame_size
        super().__init__(
            {
                "i": In(stream.Signature(ReceivedToken, always_ready=True)),
                "write": Out(1),
                "index": Out(range(frame_size)),
                "pixel": Out(8),
                "full": In(1),
                "busy": In(1),
                "o": Out(stream.Signature(Ticket, always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = CRC16_IBM_3740(8).create()
        token = self.i.payload
        whole = self._frame_size + CHECKSUM_SIZE
        position = Signal(range(HEADER_SIZE + 1))  # in the header; its size: in the body
        count = Signal(range(whole + 2))  # bytes of the body; it stops at one more than a frame has
        is_frame, is_info, fits, damaged, overflow = (Signal(name=name) for name in _FACTS)
        expected = Signal(16)
        byte, end, body = Signal(), Signal(), Signal()
        m.d.comb += [
            byte.eq(self.i.valid & ~token.end),
            end.eq(self.i.valid & token.end),
            body.eq(position == HEADER_SIZE),
            expected.eq(Mux(is_frame, self._frame_size, 0)),
            checksum.start.eq(position == 0),
            checksum.data.eq(token.data),
            checksum.valid.eq(byte),
            self.index.eq(count),
            self.pixel.eq(token.data),
            self.write.eq(byte & body & is_frame & (count < self._frame_size)),
            self.o.valid.eq(end & body),
        ]
        with m.If(end):
            m.d.sync += [position.eq(0), count.eq(0), damaged.eq(0), overflow.eq(0)]
        with m.Elif(byte):
            m.d.sync += damaged.eq(damaged | token.broken)
            with m.If(~body):
                m.d.sync += position.eq(position + 1)
            with m.Elif(count != whole + 1):
                m.d.sync += count.eq(count + 1)
            with m.Switch(position):
                with m.Case(0):
                    m.d.sync += [is_frame.eq(token.data == Kind.FRAME), is_info.eq(token.data == Kind.INFO)]
                with m.Case(1):
                    m.d.sync += self.o.payload.sequence.eq(token.data)
                with m.Case(2):
                    m.d.sync += fits.eq(token.data == expected[:8])
                with m.Case(3):
                    m.d.sync += fits.eq(fits & (token.data == expected[8:]))
        with m.If(self.write & self.full):
            m.d.sync += overflow.eq(1)
        outcome = self.o.payload.outcome
        right_length = Signal()
        m.d.comb += right_length.eq(fits & (count == Mux(is_frame, whole, CHECKSUM_SIZE)))
        with m.If(damaged | token.broken | ~checksum.match_detected):
            m.d.comb += outcome.eq(Outcome.CHECKSUM)
        with m.Elif(~is_frame & ~is_info):
            m.d.comb += outcome.eq(Outcome.TYPE)
        with m.Elif(~right_length):
            m.d.comb += outcome.eq(Outcome.LENGTH)
        with m.Elif(is_info):
            m.d.comb += outcome.eq(Outcome.INFO)
        with m.Elif(overflow | self.busy):
            m.d.comb += outcome.eq(Outcome.OVERFLOW)
        with m.Else():
            m.d.comb += outcome.eq(Outcome.RESULT)
        return m


_FACTS = ("is_frame", "is_info", "fits", "damaged", "overflow")
