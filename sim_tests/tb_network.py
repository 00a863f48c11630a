"""The cocotb side: runs a `Bench` with a design inside its probe (`sim_tests.verilog_simulator`).

One convention: sample right after the rising edge, when the registers still show the cycle that ends, then drive.
Environment variables name the files: for each run those of its `Setup` and of its `Recording`, and the one with the
number of cycles so far.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from sim_tests.bench import Bench, Drive
from sim_tests.recording import Setup

#: Cycles of reset before cycle 0.
RESET_CYCLES = 3


@cocotb.test()
async def record(probe: Any) -> None:
    """For each run, reset the network, run it on the frames of a setup and record every beat of every stream."""
    probe.rst.value = 1
    Clock(probe.clk, 10, unit="ns").start()
    done, cycles = 0, Path(os.environ["XNORFLOW_TESTBENCH_CYCLES"])
    for setup, recording in json.loads(os.environ["XNORFLOW_TESTBENCH_RUNS"]):
        bench = Bench(Setup.load(Path(setup)), partial(_tell, cycles, done))
        await _run(probe, bench)
        bench.recording().save(Path(recording))
        done += bench.cycle


def _tell(cycles: Path, done: int, cycle: int) -> None:
    part = cycles.with_name(f"{cycles.name}.part")
    part.write_text(str(done + cycle))
    part.replace(cycles)  # never half written, since another process reads it


async def _run(probe: Any, bench: Bench) -> None:
    edge, events = RisingEdge(probe.clk), probe.events
    words = {
        (what, index): getattr(probe, f"{what}_{index}")
        for what, count in (
            ("write", len(bench.setup.fifos)),
            ("read", len(bench.setup.fifos)),
            ("output", len(bench.setup.outputs)),
        )
        for index in range(count)
    }

    def word_of(what: str, index: int) -> int:
        return _number(words[what, index])

    probe.rst.value = 1
    probe.valid.value = probe.last.value = probe.ready.value = 0
    for _ in range(RESET_CYCLES):
        await edge
    probe.rst.value = 0
    drive: Drive | None = bench.start()
    while drive is not None:
        for index, word in drive.words.items():
            getattr(probe, f"input_{index}").value = word
        for port, value in ((probe.valid, drive.valid), (probe.last, drive.last), (probe.ready, drive.ready)):
            if value is not None:
                port.value = value
        await edge
        drive = bench.step(_number(events), word_of)


def _number(handle: Any) -> int:
    """Return the value of a vector of any width; an undefined bit raises ValueError."""
    return int(str(handle.value), 2)
