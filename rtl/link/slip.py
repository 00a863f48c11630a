"""Framing by RFC 1055 (SLIP): every END on the line is a message boundary, whatever came before it."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.link.protocol import END, ESC, ESC_END, ESC_ESC
from rtl.link.uart import Character

__all__ = ["ReceivedToken", "SlipDecoder", "SlipEncoder", "Token"]

#: A byte of a message; with `end`, the boundary between two messages.
Token = data.StructLayout({"data": 8, "end": 1})

#: The same as received; with `broken`, the message that contains it is damaged.
ReceivedToken = data.StructLayout({"data": 8, "end": 1, "broken": 1})


class SlipDecoder(wiring.Component):
    """Characters to tokens, in the same cycle.

    A broken character, an ESC that is not followed by ESC_END or ESC_ESC, and an ESC directly before END break the
    message. The line cannot be stopped, so `i` and `o` have no ready.

    Members
    -------
    i : In(stream.Signature(Character, always_ready=True))
    o : Out(stream.Signature(ReceivedToken, always_ready=True))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(Character, always_ready=True)),
                "o": Out(stream.Signature(ReceivedToken, always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i.payload, self.o.payload
        escaped = Signal()
        m.d.comb += [self.o.valid.eq(self.i.valid), o.data.eq(i.data)]
        with m.If(self.i.valid):
            m.d.sync += escaped.eq(0)
        with m.If(i.broken):
            m.d.comb += o.broken.eq(1)
        with m.Elif(i.data == END):
            m.d.comb += [o.end.eq(1), o.broken.eq(escaped)]
        with m.Elif(escaped):
            with m.Switch(i.data):
                with m.Case(ESC_END):
                    m.d.comb += o.data.eq(END)
                with m.Case(ESC_ESC):
                    m.d.comb += o.data.eq(ESC)
                with m.Default():
                    m.d.comb += o.broken.eq(1)
        with m.Elif(i.data == ESC):
            m.d.comb += self.o.valid.eq(0)
            with m.If(self.i.valid):
                m.d.sync += escaped.eq(1)
        return m


class SlipEncoder(wiring.Component):
    """Tokens to bytes: END for a boundary, two bytes for a data byte that is END or ESC.

    Members
    -------
    i : In(stream.Signature(Token))
    o : Out(stream.Signature(8))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(Token)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i = self.i.payload
        escaped = Signal()
        special = Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            special.eq(~i.end & ((i.data == END) | (i.data == ESC))),
        ]
        with m.If(i.end):
            m.d.comb += self.o.payload.eq(END)
        with m.Elif(special & ~escaped):
            m.d.comb += [self.o.payload.eq(ESC), self.i.ready.eq(0)]
        with m.Elif(special):
            m.d.comb += self.o.payload.eq(ESC_END)
            with m.If(i.data == ESC):
                m.d.comb += self.o.payload.eq(ESC_ESC)
        with m.Else():
            m.d.comb += self.o.payload.eq(i.data)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
        return m
