"""The cycle simulator compared with Verilator on CNV: the same design, with the same cycles at its outputs."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.networks import cnv, folded_cnv
from benchmarks.rows import Measurement, processor_seconds_of
from dataflow import Network
from hwsim import simulate
from hwsim.cycle.stepper import Stepper
from hwsim.stalls import Stalls
from sim_tests.free_running import FreeRun, run_free
from xnorflow.folding import fold_for_board

__all__ = ["rows"]

#: Frames that Verilator runs, and that the cycle simulator covers with the periodic state.
FEW, MANY = 3, 10_000

#: The board for which CNV is folded.
BOARD = "ulx3s-85f"

#: Frames that the cycle simulator steps one by one.
STEPPED = 50


def rows() -> list[Measurement]:
    """Return simulated cycles per second of processor time of both, one thread each, and their ratios."""
    figures = []
    for name, network in networks().items():
        with TemporaryDirectory() as folder:
            free = min((run_free(network, FEW, build_dir=Path(folder)) for _ in range(3)), key=lambda run: run.seconds)
        _check(network, free)
        stepped = stepped_cycles(network) / processor_seconds_of(partial(step, network))
        many = processor_seconds_of(partial(simulate, network, MANY))
        extrapolated = free.seconds * simulate(network, MANY).total / free.cycles
        rate, gain = free.cycles / free.seconds, extrapolated / many
        figures += [
            Measurement(f"{name}, Verilator -O3 driven from C++, {FEW} frames", rate, "cycles/s"),
            Measurement(f"{name}, cycle simulator, each of {STEPPED} frames stepped", stepped, "cycles/s"),
            Measurement(f"{name}, gain before the periodic state", stepped / rate, "times", ">= 30"),
            Measurement(f"{name}, exact timing of {MANY:,} frames", many, "s"),
            Measurement(f"{name}, gain over Verilator's {extrapolated:,.0f} s for these", gain, "times", ">= 5,000"),
        ]
    return figures


def networks() -> dict[str, Network]:
    """Return the measured designs: the usual folding, and the one that `xnorflow fold` chooses for a board."""
    usual, board = folded_cnv(), fold_for_board(cnv(), BOARD).network
    return {f"CNV at interval {usual.interval}": usual, f"CNV for {BOARD} at interval {board.interval}": board}


def step(network: Network) -> Stepper:
    """Step every frame, without stalls and without detecting the periodic state."""
    stepper = Stepper(network, Stalls.none())
    while stepper.frames < STEPPED:
        stepper.step()
    return stepper


def stepped_cycles(network: Network) -> int:
    """Return the number of cycles that `step` simulates."""
    return step(network).marks[STEPPED].end


def _check(network: Network, free: FreeRun) -> None:
    """Raise an error unless every output beat passed in the cycle that the cycle simulator returns."""
    run = simulate(network, FEW, record=True)
    for end in network.outputs:
        np.testing.assert_array_equal(free.taken[end.name], run.reads[network.fifos_into(end.name)[0].name])
