"""The top level of a board's design: clock, reset, pins, and the network with its serial link."""

from math import ceil
from typing import Any

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Elaboratable, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from dataflow import InputError, Network
from rtl.bitstream.pll import EcpPll, IcePll
from rtl.boards import Board
from rtl.link.serial import SerialNetwork

__all__ = ["BoardTop", "Start", "divisor_of"]

#: Seconds of reset after the loop's lock. Block RAMs of an iCE40 read as zero for about 3 us after configuration
#: (https://github.com/cliffordwolf/icestorm/issues/76); five times that, as in Amaranth.
RESET_SECONDS = 15e-6

#: Largest error of the board's baud rate. The receiver tolerates a difference of 3 % between both ends.
BAUD_TOLERANCE = 0.02


def divisor_of(clock_mhz: float, baud: int) -> int:
    """Return the clock cycles per bit.

    Raises
    ------
    InputError
        The clock cannot generate this rate within 2 %, or has fewer than 8 cycles per bit.
    """
    if baud < 1:
        raise InputError(f"Baud rate must be positive, not {baud}")
    cycles = clock_mhz * 1e6 / baud
    divisor = round(cycles)
    if divisor < 8:
        raise InputError(f"Baud rate at {clock_mhz:g} MHz must be at most {int(clock_mhz * 1e6 / 8)}, not {baud}")
    if abs(cycles / divisor - 1) >= BAUD_TOLERANCE:
        near = ", ".join(str(round(clock_mhz * 1e6 / count)) for count in (ceil(cycles), int(cycles)))
        raise InputError(
            f"Baud rate at {clock_mhz:g} MHz must be within 2 % of one that divides it ({near}), not {baud}"
        )
    return divisor


class Start(wiring.Component):
    """Wait until the clock is stable: `ready` once `locked` has been high for a number of cycles.

    Parameters
    ----------
    cycles : at least 1

    Members
    -------
    locked : In(1), not synchronized
    ready : Out(1)
    """

    def __init__(self, cycles: int) -> None:
        self._cycles = cycles
        super().__init__({"locked": In(1), "ready": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stands = Signal()
        timer = Signal(range(self._cycles + 1))
        m.submodules.synchronizer = FFSynchronizer(self.locked, stands)
        with m.If(~stands):
            m.d.sync += [timer.eq(0), self.ready.eq(0)]
        with m.Elif(timer == self._cycles):
            m.d.sync += self.ready.eq(1)
        with m.Else():
            m.d.sync += timer.eq(timer + 1)
        return m


class BoardTop(Elaboratable):
    """Top of a board's design. The reset is held until the clock is stable, and for `RESET_SECONDS` more.

    Only the pin's clock is constrained; nextpnr derives that of the loop's output from it.

    Parameters
    ----------
    network : the network on the board
    board : the board
    pll : the loop that generates the clock, or None to use the oscillator
    divisor : clock cycles per bit of the serial link
    """

    def __init__(self, network: Network, board: Board, pll: IcePll | EcpPll | None, divisor: int) -> None:
        self._network, self._board, self._pll, self._divisor = network, board, pll, divisor

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._clock(m, platform)
        m.submodules.serial = serial = SerialNetwork(self._network, self._divisor)
        uart = platform.request("uart", dir="-")
        m.submodules.rx_buffer = rx = io.Buffer("i", uart.rx)
        m.d.comb += serial.rx.eq(rx.i)
        for name, port, value in (
            ("tx", uart.tx, serial.tx),
            ("damaged", platform.request("led", 0, dir="-"), serial.damaged),
            ("active", platform.request("led", 1, dir="-"), serial.active),
        ):
            m.submodules[f"{name}_buffer"] = buffer = io.Buffer("o", port)
            m.d.comb += buffer.o.eq(value)
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        pin = platform.request(platform.default_clk, dir="-")
        clock, locked = Signal(), Signal()
        clock_mhz = self._board.oscillator_mhz if self._pll is None else self._pll.output_mhz
        if isinstance(self._pll, IcePll):
            m.submodules.pll = self._pll.create(pin, clock, locked)
        else:
            m.submodules.clock_buffer = buffer = io.Buffer("i", pin)
            if self._pll is None:
                m.d.comb += [clock.eq(buffer.i), locked.eq(1)]
            else:
                m.submodules.pll = self._pll.create(buffer.i, clock, locked)
        m.domains.sync = ClockDomain()
        # The start-up counter generates the reset, so its own domain has none.
        m.domains.start = ClockDomain(reset_less=True, local=True)
        m.submodules.start = start = DomainRenamer("start")(Start(ceil(RESET_SECONDS * clock_mhz * 1_000_000)))
        m.d.comb += [
            ClockSignal("start").eq(clock),
            ClockSignal("sync").eq(clock),
            start.locked.eq(locked),
            ResetSignal("sync").eq(~start.ready),
        ]
