"""Networks that deadlock: the RTL must stop where the simulator says, after the same beats."""

from pathlib import Path

import numpy as np
import pytest

from dataflow import InputError, Network
from hwsim import Stalls, simulate
from hwsim.cycle.deadlock import DeadlockError
from hwsim.cycle.slow import SlowStandstillError, step_slowly
from sim_tests.verification import record_rtl, setup_of

__all__ = ["assert_stops_alike", "deadlock_of"]


def deadlock_of(network: Network) -> DeadlockError | None:
    """Return the simulator's error if the network deadlocks, else None."""
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
    """Check that the RTL moves every beat in its cycle until the deadlock, and no beat after it."""
    with pytest.raises(SlowStandstillError) as stop:
        step_slowly(network, len(frames), stalls=stalls)
    setup = setup_of(network, frames, stalls)
    (recording,) = record_rtl(network, [setup], simulator=simulator, build_dir=build_dir)
    assert recording.stood
    for fifo, writes, reads in zip(network.fifos, recording.writes, recording.reads, strict=True):
        assert writes.cycles.tolist() == stop.value.writes[fifo.name].tolist(), fifo.name
        assert reads.cycles.tolist() == stop.value.reads[fifo.name].tolist(), fifo.name
