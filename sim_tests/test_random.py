"""Whole random networks: reference, cycle simulator and RTL agree."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dataflow import Network
from hwsim import Stalls, random_stalls
from hwsim.cycle.deadlock import remedy_of
from sim_tests.cases import random_frames
from sim_tests.simulators import available
from sim_tests.standstill import assert_stops_alike, deadlock_of
from sim_tests.strategies import conv_networks, dense_networks, residual_networks, wiring_networks
from sim_tests.verification import verify_rtl
from tests.examples import examples

pytestmark = pytest.mark.sim


def agreement(
    simulator: str, networks: st.SearchStrategy[Network], most_frames: int, examples: int
) -> Callable[[], None]:
    """Return the test that random networks agree in a simulator.

    Networks that deadlock must do so in both, after the same beats in the same cycles, and not with the depths that
    resolve the deadlock.
    """

    @settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(network=networks, frames=st.integers(1, most_frames), seed=st.integers(0, 2**16), stalled=st.booleans())
    def agree(network: Network, frames: int, seed: int, stalled: bool) -> None:
        stalls = random_stalls(network, seed) if stalled else Stalls.none()
        values = random_frames(network, frames, seed=seed)
        deadlock = deadlock_of(network)
        with TemporaryDirectory() as folder:
            if deadlock is not None:
                event("deadlock")
                stopped, network = network, network.with_depths(remedy_of(network, deadlock))
                assert_stops_alike(stopped, values, stalls, simulator=simulator, build_dir=Path(folder))
            verification = verify_rtl(network, values, simulator=simulator, stalls=stalls, build_dir=Path(folder))
        assert verification.passed, str(verification)

    return agree


def needs(simulator: str) -> pytest.MarkDecorator:
    reason = available()[simulator]
    return pytest.mark.skipif(reason is not None, reason=str(reason))


DENSE, CONVOLUTIONS = (dense_networks(), 12), (conv_networks(), 3)
SHORTCUTS, WIRING = (residual_networks(), 2), (wiring_networks(), 2)

test_random_networks_in_amaranth = agreement("amaranth", *DENSE, examples(8, many=35))
test_random_convolutions_in_amaranth = agreement("amaranth", *CONVOLUTIONS, examples(6, many=26))
test_random_shortcuts_in_amaranth = agreement("amaranth", *SHORTCUTS, examples(4, many=18))
test_random_wiring_in_amaranth = agreement("amaranth", *WIRING, examples(4, many=18))
test_random_networks_in_icarus = pytest.mark.slow(needs("icarus")(agreement("icarus", *DENSE, 5)))
test_random_convolutions_in_icarus = pytest.mark.slow(needs("icarus")(agreement("icarus", *CONVOLUTIONS, 4)))
test_random_shortcuts_in_icarus = pytest.mark.slow(needs("icarus")(agreement("icarus", *SHORTCUTS, 3)))
test_random_wiring_in_icarus = pytest.mark.slow(needs("icarus")(agreement("icarus", *WIRING, 4)))
test_random_networks_in_verilator = pytest.mark.slow(needs("verilator")(agreement("verilator", *DENSE, 2)))
test_random_shortcuts_in_verilator = pytest.mark.slow(needs("verilator")(agreement("verilator", *SHORTCUTS, 2)))
test_random_wiring_in_verilator = pytest.mark.slow(needs("verilator")(agreement("verilator", *WIRING, 2)))
