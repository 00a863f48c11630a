"""Verilator at its fastest: a network's Verilog compiled with -O3 and driven from C++, without Python in the loop.

Only the cycle of every beat taken at an output is recorded. Values are random, because control does not depend on
them. `sim_tests.verification` compares every beat of every stream.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataflow import Network, Terminal
from hwsim import Stalls
from rtl.axi import axi_prefixes
from rtl.verilog_files import top_name, verilog
from sim_tests.simulators import SimulationError, require, run_program, verilate

__all__ = ["FreeRun", "compile_free", "run_free"]

_MAIN = Path(__file__).with_name("free_run.cpp")


@dataclass(frozen=True, eq=False)
class FreeRun:
    """The results of a run.

    Parameters
    ----------
    taken : (beats,) int64, the cycle in which each beat was taken, by output name
    cycles : simulated clock cycles; cycle 0 is the first in which a beat may be offered
    seconds : their processor time, without start-up and reset
    """

    taken: dict[str, np.ndarray]
    cycles: int
    seconds: float


def compile_free(network: Network, build_dir: str | os.PathLike[str]) -> Path:
    """Compile a network's Verilog with Verilator, unless that was done before, and return the program.

    Raises
    ------
    InputError
        Verilator cannot run here.
    SimulationError
        It does not compile.
    """
    require("verilator")
    build_dir = Path(build_dir).resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    design, ends = build_dir / "design.v", build_dir / "ends.h"
    design.write_text(verilog(network))
    ends.write_text(_ends(network))
    return verilate(
        [design],
        top_name(network),
        build_dir,
        main=_MAIN,
        headers=[ends],
        options=["--x-assign", "fast", "--x-initial", "fast", "--noassert"],
        # The library is not used in the loop, so -O3 would not make it faster.
        optimization=("-O3 -march=native", "-O1", "-O1"),
    )


def run_free(
    network: Network, frames: int, *, build_dir: str | os.PathLike[str], stalls: Stalls | None = None
) -> FreeRun:
    """Run `frames` frames of random words through a network's Verilog, compiled in `build_dir`.

    Parameters
    ----------
    stalls : gates at the two ends; the default is none

    Raises
    ------
    SimulationError
        No beat passes the ends for longer than a frame can take, or the design reports a frame error.
    """
    program = compile_free(network, build_dir)
    stalls = stalls or Stalls.none()
    stalls.check(network)
    folder = program.parent
    for side, terminals, gates in (("in", network.inputs, stalls.inputs), ("out", network.outputs, stalls.outputs)):
        for index, terminal in enumerate(terminals):
            gate = gates.get(terminal.name, np.ones(1, bool))
            gate.astype(np.uint8).tofile(folder / f"gate_{side}_{index}.bin")
    patience = longest_patience(network, stalls)
    what = f"Simulation of {network.name!r} in Verilator"
    result = json.loads(run_program([str(program), str(folder), str(frames), str(patience)], folder, what))
    if not result["finished"]:
        raise SimulationError(f"{what} must pass {frames} frames, not stop before cycle {result['cycles']}")
    if result["frame_error"]:
        raise SimulationError(f"{what} must not report a frame error, but does")
    files = {end.name: folder / f"taken_{index}.bin" for index, end in enumerate(network.outputs)}
    taken = {name: np.fromfile(file, np.int64) for name, file in files.items()}
    return FreeRun(taken, result["cycles"], result["seconds"])


def longest_patience(network: Network, stalls: Stalls) -> int:
    """Return the cycles without a beat at the ends that prove a standstill: all steps of one frame."""
    gates = [len(gate) for gate in (*stalls.inputs.values(), *stalls.outputs.values())]
    moves = sum(node.steps + node.schedule().latency for node in network.nodes) + sum(f.depth for f in network.fifos)
    return (1 + moves) * max([1, *gates])


def _ends(network: Network) -> str:
    """Return the C++ code that binds the ports of the compiled model."""
    prefixes = axi_prefixes(network)

    def end(terminal: Terminal) -> str:
        port = f"top.{prefixes[terminal.name]}_t"
        width = terminal.stream.width
        sizes = f"{-(-width // 8)}, {(1 << (width - 1) % 8 + 1) - 1}, {terminal.stream.beats}"
        return f"{{&{port}data, {sizes}, &{port}valid, &{port}ready, &{port}last}}"

    def function(name: str, terminals: tuple[Terminal, ...]) -> str:
        return f"static std::vector<End> {name}(Vtop& top) {{ return {{{', '.join(map(end, terminals))}}}; }}\n"

    return function("inputs_of", network.inputs) + function("outputs_of", network.outputs)
