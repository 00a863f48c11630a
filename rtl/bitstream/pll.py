"""Phase-locked loops: exact dividers, and the primitives with these dividers.

Limits and formulas are those of icepll and ecppll, the calculators of the IceStorm and Trellis projects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from amaranth import Const, Instance, Value

from dataflow import InputError
from rtl.boards import Board

__all__ = ["PLLS", "EcpPll", "IcePll", "clocks_of", "fastest_clock", "pll_of"]


@dataclass(frozen=True)
class IcePll:
    """Dividers of an iCE40's loop: ``f = input * (divf + 1) / ((divr + 1) * 2**divq)``.

    Parameters
    ----------
    input_mhz : frequency of the pin; the loop is connected directly to the pad
    divr, divf, divq : values of the primitive's parameters, that is, without the added ones
    """

    input_mhz: Fraction
    divr: int
    divf: int
    divq: int

    @property
    def output_mhz(self) -> Fraction:
        return self.input_mhz * (self.divf + 1) / ((self.divr + 1) << self.divq)

    @property
    def filter_range(self) -> int:
        """Loop filter, selected by the frequency of the phase comparison."""
        compared = self.input_mhz / (self.divr + 1)
        return 1 + sum(compared >= limit for limit in (17, 26, 44, 66, 101))

    @classmethod
    def all(cls, input_mhz: Fraction) -> Iterator["IcePll"]:
        """Yield every choice within the limits of the device."""
        for divr in range(16):
            if not 10 <= input_mhz / (divr + 1) <= 133:
                continue
            for divf in range(128):
                vco = input_mhz / (divr + 1) * (divf + 1)
                if 533 <= vco <= 1066:
                    for divq in range(1, 7):
                        if 16 <= vco / (1 << divq) <= 275:
                            yield cls(input_mhz, divr, divf, divq)

    def create(self, pin: Any, output: Value, locked: Value) -> Instance:
        """Return the primitive.

        Parameters
        ----------
        pin : amaranth.lib.io.SingleEndedPort of the clock, without a buffer
        """
        return Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(self.divr, 4),
            p_DIVF=Const(self.divf, 7),
            p_DIVQ=Const(self.divq, 3),
            p_FILTER_RANGE=Const(self.filter_range, 3),
            io_PACKAGEPIN=pin.io,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=output,
            o_LOCK=locked,
        )


@dataclass(frozen=True)
class EcpPll:
    """Dividers of an ECP5's loop with feedback from its own output: ``f = input * feedback / divider``.

    Parameters
    ----------
    input_mhz : frequency of the pin
    divider : divider of the input
    feedback : divider in the feedback path
    output : divider of the oscillator, which runs at ``f * output``
    """

    input_mhz: Fraction
    divider: int
    feedback: int
    output: int

    @property
    def output_mhz(self) -> Fraction:
        return self.input_mhz * self.feedback / self.divider

    @classmethod
    def all(cls, input_mhz: Fraction) -> Iterator["EcpPll"]:
        """Yield every choice within the limits of the device, with the oscillator as close to 600 MHz as possible."""
        for divider in range(1, 129):
            if not Fraction(25, 8) <= input_mhz / divider <= 400:
                continue
            for feedback in range(1, 81):
                clock = input_mhz / divider * feedback
                outputs = [n for n in range(1, 129) if 400 <= clock * n <= 800]
                if outputs and 10 <= clock <= 400:
                    yield cls(input_mhz, divider, feedback, min(outputs, key=lambda n: abs(clock * n - 600)))

    def create(self, clock: Value, output: Value, locked: Value) -> Instance:
        """Return the primitive; the attributes set charge pump and loop filter as ecppll does."""
        return Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{float(self.input_mhz):g}",
            a_FREQUENCY_PIN_CLKOP=f"{float(self.output_mhz):g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_CLKI_DIV=self.divider,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.output,
            p_CLKOP_CPHASE=self.output // 2,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            p_CLKFB_DIV=self.feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_CLKI=clock,
            i_CLKFB=output,
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            o_CLKOP=output,
            o_LOCK=locked,
        )


#: The loop of each device family.
PLLS: dict[str, type[IcePll | EcpPll]] = {"ice40": IcePll, "ecp5": EcpPll}


def clocks_of(board: Board) -> list[Fraction]:
    """Return every clock in MHz that the board can generate, in ascending order: its oscillator's and its loop's."""
    made = {pll.output_mhz for pll in PLLS[board.family].all(board.oscillator_mhz)}
    return sorted(made | {board.oscillator_mhz})


def fastest_clock(board: Board, fmax_mhz: float) -> Fraction:
    """Return the highest clock that the board can generate and that a design routed for `fmax_mhz` reaches.

    Raises
    ------
    InputError
        Even the lowest clock is too fast.
    """
    clocks = clocks_of(board)
    if fmax_mhz < clocks[0]:
        raise InputError(f"Design for {board.name} must reach {float(clocks[0]):g} MHz, not {fmax_mhz:.2f} MHz")
    return max(clock for clock in clocks if clock <= fmax_mhz)


def pll_of(board: Board, clock_mhz: float) -> IcePll | EcpPll | None:
    """Return the loop that generates `clock_mhz`, or None if the oscillator does.

    The clock is exact, except that people may write it rounded: 33.3333 means 100/3.

    Raises
    ------
    InputError
        The board cannot generate this clock; the message lists the nearest ones.
    """
    if not isfinite(clock_mhz):
        raise InputError(f"Clock of board {board.name!r} must be a number of MHz, not {clock_mhz}")
    wanted = Fraction(clock_mhz)

    def meant(clock: Fraction) -> bool:
        return abs(clock - wanted) <= wanted / 100_000

    if meant(board.oscillator_mhz):
        return None
    fitting = [pll for pll in PLLS[board.family].all(board.oscillator_mhz) if meant(pll.output_mhz)]
    if not fitting:
        near = sorted(sorted(clocks_of(board), key=lambda clock: abs(clock - wanted))[:4])
        names = ", ".join(f"{float(clock):.6g}" for clock in near)
        raise InputError(
            f"Clock of board {board.name!r} must be one that it can generate (near: {names} MHz), not {clock_mhz}"
        )
    return min(fitting, key=lambda pll: abs(pll.output_mhz - wanted))
