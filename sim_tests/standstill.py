"""Networks that stand still for ever: the RTL does so where the simulator says it, after the same beats."""

from pathlib import Path

import numpy as np

from dataflow import InputError, Network
from hwsim import Stalls, simulate
from hwsim.cycle import kernel
from hwsim.cycle.deadlock import DeadlockError
from hwsim.cycle.program import flatten, initial_state
from sim_tests.verification import record_rtl, setup_of

__all__ = ["assert_stops_alike", "deadlock_of"]


def deadlock_of(network: Network) -> DeadlockError | None:
    """Return the error that tells why no frame gets through, if the simulator says so."""
    try:
        simulate(network, 1)
    except InputError as error:
        cause = error.__cause__
    else:
        return None
    assert isinstance(cause, DeadlockError)
    return cause


def assert_stops_alike(
    network: Network, frames: np.ndarray, stalls: Stalls, *, simulator: str, build_dir: Path
) -> None:
    """Check that the RTL moves every beat in its cycle until nothing can move any more, and no beat after it."""
    program = flatten(network, stalls, kept_frames=len(frames))
    state = initial_state(program)
    assert not kernel.advance(program, state, len(frames))
    recording = record_rtl(network, setup_of(network, frames, stalls), simulator=simulator, build_dir=build_dir)
    assert recording.stood
    for row, fifo in enumerate(network.fifos):
        written, read = state.filled[row, [kernel.WRITTEN, kernel.READ]].tolist()
        times = state.times[program.fifos[row, kernel.FIRST_SLOT] :]
        assert recording.writes[row].cycles.tolist() == times[:written, kernel.WRITES].tolist(), fifo.name
        assert recording.reads[row].cycles.tolist() == times[:read, kernel.READS].tolist(), fifo.name
