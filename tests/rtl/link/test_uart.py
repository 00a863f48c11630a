"""Bytes on a line."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl.link.uart import UartReceiver, UartTransmitter
from sim_tests.link.line import BROKEN, LineReader, Wave, broken_byte, characters_of, high, low, wave_of

pytestmark = pytest.mark.sim

BYTES = bytes([0x00, 0xFF, 0x55, 0xAA, 0xC0, 0x01, 0x80])


def received(wave: Wave, divisor: int, *, phase: float = 0.0) -> list[int]:
    """Return the characters received from a wave that starts `phase` bits after an edge of the clock."""
    dut = UartReceiver(divisor)
    characters = []
    ends = np.cumsum([phase, *(duration for _, duration in wave), 3.0]) * divisor
    levels = [1, *(level for level, _ in wave), 1]

    async def bench(ctx):
        for cycle in range(int(ends[-1])):
            ctx.set(dut.rx, levels[int(np.searchsorted(ends, cycle, side="right"))])
            if ctx.get(dut.o.valid):
                characters.append(ctx.get(dut.o.payload.data) + BROKEN * ctx.get(dut.o.payload.broken))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return characters


@pytest.mark.parametrize("divisor", [8, 9, 13, 24])
@pytest.mark.parametrize("bit", [0.97, 0.98, 1.0, 1.02, 1.03])
def test_receiver_bears_an_inexact_clock(divisor: int, bit: float) -> None:
    for phase in (0.0, 0.03, 0.06):
        assert received(wave_of(BYTES, bit), divisor, phase=phase) == list(BYTES)


@pytest.mark.parametrize(
    "wave",
    [
        broken_byte(0x5A) + wave_of(BYTES),
        low(25) + wave_of(BYTES),
        (*low(0.3), *high(2), *low(0.2), *high(1), *wave_of(BYTES)),
        (*wave_of(b"a"), *high(0.7), *wave_of(b"b"), *high(5.3), *wave_of(b"c")),
    ],
    ids=["low stop bit", "break", "glitches", "pauses"],
)
def test_receiver_recovers(wave: Wave) -> None:
    assert received(wave, 16) == characters_of(wave)
    assert characters_of(wave)


@pytest.mark.parametrize("divisor", [8, 13])
def test_transmitter(divisor: int) -> None:
    dut = UartTransmitter(divisor)
    reader = LineReader(divisor)
    rng = np.random.default_rng(0)

    async def source(ctx):
        for byte in BYTES:
            await ctx.tick().repeat(int(rng.integers(1, 30)))
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def line(ctx):
        while True:
            reader.sample(ctx.get(dut.tx))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(line, background=True)
    simulator.run()
    assert bytes(reader.received) == BYTES


@pytest.mark.parametrize("kind", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize("divisor", [7, 24.0])
def test_divisor_is_checked(kind: type, divisor: object) -> None:
    with pytest.raises(ValueError, match=rf"^Divisor of a UART must be an integer of at least 8, not {divisor}$"):
        kind(divisor)
