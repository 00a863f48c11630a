"""The cocotb side: drives the line to the board bit by bit, with its own timing, and reads the line from the board.

It does not use the board's clock: as on a real line, both ends only agree on the baud rate. Environment variables name
the network's file and the cycles per bit.
"""

import os
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, SimTimeoutError, Timer, with_timeout

from dataflow import load
from rtl.link.protocol import Damaged, Message, Unpacker
from sim_tests.link.line import Wave
from sim_tests.link.model import Oracle
from sim_tests.link.scenarios import scenarios

__all__ = ["DIVISOR_VARIABLE", "NETWORK_VARIABLE"]

NETWORK_VARIABLE = "XNORFLOW_LINK_NETWORK"
DIVISOR_VARIABLE = "XNORFLOW_LINK_DIVISOR"

PERIOD_PS = 10_000

#: Number of bit times without a falling edge on the line from the board after which no reply is expected. It is longer
#: than the network computes, and longer than any byte.
SILENCE_BITS = 100


class Line:
    """Both lines of the board, in bit times of ``divisor`` clock cycles."""

    def __init__(self, dut: Any, divisor: int) -> None:
        self._dut = dut
        self._bit_ps = divisor * PERIOD_PS
        self._unpacker = Unpacker()
        self.replies: list[Message | Damaged] = []

    def bits(self, count: float) -> Timer:
        """Return a trigger for the end of `count` bit times, which is never at an edge of the clock."""
        return Timer(max(1, round(count * self._bit_ps)), "ps")

    async def drive(self, wave: Wave) -> None:
        """Drive the line to the board with a signal, and leave it high."""
        for level, duration in wave:
            self._dut.rx.value = level
            await self.bits(duration)
        self._dut.rx.value = 1

    async def listen(self) -> None:
        """Collect the replies until the test ends."""
        while True:
            await FallingEdge(self._dut.tx)
            await self.bits(0.5)
            levels = [int(self._dut.tx.value)]
            for _ in range(9):
                await self.bits(1)
                levels.append(int(self._dut.tx.value))
            assert (levels[0], levels[9]) == (0, 1), f"start and stop bit must be 0 and 1, not {levels}"
            self.replies += self._unpacker.feed(bytes([sum(bit << k for k, bit in enumerate(levels[1:9]))]))

    async def settle(self) -> None:
        """Wait until the board has been silent for `SILENCE_BITS`."""
        while True:
            try:
                await with_timeout(FallingEdge(self._dut.tx), SILENCE_BITS * self._bit_ps, "ps")
            except SimTimeoutError:
                return


@cocotb.test()
async def line(dut: Any) -> None:
    """Run every scenario; each must give its replies and nothing else."""
    table = scenarios(Oracle(load(os.environ[NETWORK_VARIABLE])))
    line = Line(dut, int(os.environ[DIVISOR_VARIABLE]))
    dut.rx.value = 1
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_PS, "ps").start()
    await Timer(5 * PERIOD_PS + 1234, "ps")
    dut.rst.value = 0
    cocotb.start_soon(line.listen())
    wrong = []
    compared = 0
    for scenario in table:
        line.replies.clear()
        await line.drive(scenario.wave)
        await line.settle()
        compared += len(scenario.replies)
        if line.replies != list(scenario.replies):
            wrong.append(f"{scenario.name}: replies must be {scenario.replies}, not {line.replies}")
    assert compared > len(table), "at least one reply per scenario, more in some, must be compared"
    assert not wrong, "\n".join(wrong)
