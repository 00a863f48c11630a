"""Bytes on a line: one start bit (low), eight data bits with the lowest first, one stop bit (high)."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Character", "UartReceiver", "UartTransmitter"]

#: A received byte; `broken` if its stop bit was low.
Character = data.StructLayout({"data": 8, "broken": 1})


def _check_divisor(divisor: int) -> int:
    # With fewer than eight cycles per bit, samples are too far from the bit's middle to tolerate 2 % of clock error.
    if not isinstance(divisor, int) or divisor < 8:
        raise ValueError(f"Divisor of a UART must be an integer of at least 8, not {divisor!r}")
    return divisor


class UartReceiver(wiring.Component):
    """Receiver that samples every bit in its middle.

    A start bit that is high again in its middle is ignored as noise. After a low stop bit the receiver waits until the
    line is high. The line cannot be stopped, so `o` has no ready.

    Parameters
    ----------
    divisor : clock cycles per bit, at least 8

    Members
    -------
    rx : In(1), not synchronized
    o : Out(stream.Signature(Character, always_ready=True))
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(Character, always_ready=True))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        timer = Signal(range(self._divisor))
        count = Signal(range(8))
        byte = Signal(8)
        middle = Signal()
        m.d.comb += [
            middle.eq(timer == 0),
            self.o.payload.data.eq(byte),
            self.o.payload.broken.eq(~rx),
        ]
        m.d.sync += timer.eq(timer - 1)
        with m.If(middle):
            m.d.sync += timer.eq(self._divisor - 1)
        with m.FSM():
            with m.State("idle"):
                m.d.sync += timer.eq(self._divisor // 2 - 1)
                with m.If(~rx):
                    m.next = "start"
            with m.State("start"):
                with m.If(middle):
                    m.next = "idle"
                    with m.If(~rx):
                        m.next = "data"
            with m.State("data"):
                with m.If(middle):
                    m.d.sync += [byte.eq(Cat(byte[1:], rx)), count.eq(count + 1)]
                    with m.If(count == 7):
                        m.next = "stop"
            with m.State("stop"):
                with m.If(middle):
                    m.d.comb += self.o.valid.eq(1)
                    m.next = "idle"
                    with m.If(~rx):
                        m.next = "low"
            with m.State("low"):
                with m.If(rx):
                    m.next = "idle"
        return m


class UartTransmitter(wiring.Component):
    """Transmitter: one byte in ``10*divisor + 1`` cycles.

    Parameters
    ----------
    divisor : clock cycles per bit, at least 8

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self._divisor))
        bits = Signal(9, init=0x1FF)  # the stop bit is shifted in
        left = Signal(range(11))
        m.d.comb += [self.tx.eq(bits[0]), self.i.ready.eq(left == 0)]
        with m.If(self.i.ready):
            m.d.sync += timer.eq(self._divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(Const(0, 1), self.i.payload)), left.eq(10)]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
            with m.If(timer == 0):
                m.d.sync += [timer.eq(self._divisor - 1), bits.eq(Cat(bits[1:], Const(1, 1))), left.eq(left - 1)]
        return m
