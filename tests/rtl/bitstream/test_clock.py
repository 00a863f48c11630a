"""Clocks and baud rates: dividers compared with the limits of the devices and with the projects' own calculators."""

import re
import subprocess
from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from dataflow import InputError
from rtl.bitstream.pll import EcpPll, IcePll, clocks_of, fastest_clock, pll_of
from rtl.bitstream.tools import path_of_tool
from rtl.bitstream.top import Start, divisor_of
from rtl.boards import board_of

ICE, ECP = board_of("icebreaker"), board_of("ulx3s-85f")


@pytest.mark.long
@pytest.mark.parametrize("clock_mhz", [16.5, 20.25, 24, 30, 36, 48, 60])
def test_ice40_dividers_are_those_of_icepll(clock_mhz: float) -> None:
    said = subprocess.run(
        [path_of_tool("icepll"), "-i", "12", "-o", str(clock_mhz)], capture_output=True, text=True, check=True
    ).stdout
    wanted = {name: int(re.search(rf"{name}: *(\d+)", said)[1]) for name in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")}
    pll = pll_of(ICE, clock_mhz)
    assert {"DIVR": pll.divr, "DIVF": pll.divf, "DIVQ": pll.divq, "FILTER_RANGE": pll.filter_range} == wanted
    assert pll.output_mhz == Fraction(clock_mhz)


def test_ice40_filter_ranges() -> None:
    ranges = {10: 1, 17: 2, 26: 3, 44: 4, 66: 5, 101: 6, 133: 6}
    assert {clock: IcePll(Fraction(clock), 0, 63, 3).filter_range for clock in ranges} == ranges


@pytest.mark.long
@pytest.mark.parametrize("clock_mhz", [28.125, 50, 66.6667, 80, 100, 125])
def test_ecp5_dividers_keep_the_limits(clock_mhz: float) -> None:
    pll = pll_of(ECP, clock_mhz)
    assert abs(float(pll.output_mhz) - clock_mhz) < 1e-4
    assert 400 <= pll.output_mhz * pll.output <= 800
    assert Fraction(25, 8) <= Fraction(25) / pll.divider <= 400
    assert 1 <= pll.feedback <= 80


def test_ecp5_dividers_of_80_mhz_are_those_of_ecppll() -> None:
    assert pll_of(ECP, 80) == EcpPll(Fraction(25), divider=5, feedback=16, output=7)


def test_the_oscillator_needs_no_loop() -> None:
    assert pll_of(ICE, 12) is None
    assert pll_of(ECP, 25.0) is None


@pytest.mark.long
def test_every_clock_of_a_board_can_be_asked_for() -> None:
    for board in (ICE, ECP):
        clocks = clocks_of(board)
        assert clocks == sorted(set(clocks))
        for clock in (clocks[0], clocks[len(clocks) // 2], clocks[-1]):
            pll = pll_of(board, float(clock))
            assert (board.oscillator_mhz if pll is None else pll.output_mhz) == clock


def test_unreachable_clocks() -> None:
    with pytest.raises(
        InputError,
        match=r"^Clock of board 'icebreaker' must be one that it can generate "
        r"\(near: 24.375, 24.75, 25.125, 25.5 MHz\), not 25$",
    ):
        pll_of(ICE, 25)
    with pytest.raises(
        InputError,
        match=r"^Clock of board 'icebreaker' must be one that it can generate "
        r"\(near: 12, 16.125, 16.3125, 16.5 MHz\), not -1.0$",
    ):
        pll_of(ICE, -1.0)
    with pytest.raises(InputError, match=r"^Clock of board 'icebreaker' must be a number of MHz, not nan$"):
        pll_of(ICE, float("nan"))


def test_fastest_clock_that_a_design_bears() -> None:
    assert fastest_clock(ICE, 35.4) == Fraction(141, 4)
    assert fastest_clock(ICE, 14) == 12
    assert fastest_clock(ICE, 24.0) == 24
    with pytest.raises(InputError, match=r"^Design for icebreaker must reach 12 MHz, not 11.50 MHz$"):
        fastest_clock(ICE, 11.5)


def test_start_waits_for_the_lock() -> None:
    dut, seen = Start(5), []

    async def bench(ctx):
        for locked in [0] * 10 + [1] * 5 + [0] * 3 + [1] * 12 + [0] * 4:
            ctx.set(dut.locked, locked)
            await ctx.tick()
            seen.append(ctx.get(dut.ready))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    # Seven cycles after the second lock: two of the synchronizer, five of waiting. Two cycles after its loss.
    assert seen == [0] * 18 + [0] * 7 + [1] * 7 + [0] * 2


def test_baud_rates() -> None:
    assert divisor_of(24, 1_000_000) == 24
    assert divisor_of(24, 115_200) == 208
    assert divisor_of(8, 1_000_000) == 8
    assert divisor_of(24, 2_950_000) == 8
    with pytest.raises(InputError, match=r"^Baud rate must be positive, not 0$"):
        divisor_of(24, 0)
    with pytest.raises(InputError, match=r"^Baud rate at 24 MHz must be at most 3000000, not 4000000$"):
        divisor_of(24, 4_000_000)
    with pytest.raises(
        InputError,
        match=r"^Baud rate at 24 MHz must be within 2 % of one that divides it \(2400000, 2666667\), not 2500000$",
    ):
        divisor_of(24, 2_500_000)
