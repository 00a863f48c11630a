"""Shortcuts with too few places: hardware and simulator deadlock alike, and the remedy resolves it in both."""

from pathlib import Path

import pytest

from dataflow import InputError
from hwsim import Stalls, random_stalls, simulate
from hwsim.cycle.deadlock import remedy_of
from sim_tests.cases import random_frames
from sim_tests.residual_cases import RESIDUAL_CASES
from sim_tests.standstill import assert_stops_alike, deadlock_of
from sim_tests.test_cases import simulators, slow
from sim_tests.verification import verify_rtl

NETWORK = RESIDUAL_CASES[1].network()


@pytest.mark.parametrize("stalled", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("simulator", [*simulators()[:2], *map(slow, simulators()[2:])])
def test_one_place_less_than_the_fewest(simulator: str, stalled: bool, tmp_path: Path) -> None:
    # The first sum needs all twelve bits, so all must have a place on the shortcut meanwhile.
    network = NETWORK.with_depths({"fork0.1 -> add0.1": 11})
    sentence = (
        r"^Network 'residual-12' must be able to move, not deadlock: "
        r"'fork0' waits for a place in 'fork0\.1 -> add0\.1' \(full with 11\); "
        r"'conv0_0' waits for a beat in 'fork0 -> conv0_0'; 'add0' waits for a beat in 'conv0_0 -> add0'; "
        r"a depth of 12 for 'fork0\.1 -> add0\.1' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 1)
    stalls = random_stalls(network, 2) if stalled else Stalls.none()
    frames = random_frames(network, 3)
    assert_stops_alike(network, frames, stalls, simulator=simulator, build_dir=tmp_path)
    deadlock = deadlock_of(network)
    assert deadlock is not None
    assert deadlock.full == ("fork0.1 -> add0.1",)
    freed = network.with_depths(remedy_of(network, deadlock))
    assert freed.fifos == NETWORK.fifos
    verification = verify_rtl(freed, frames, simulator=simulator, stalls=stalls, build_dir=tmp_path)
    assert verification.passed, str(verification)
