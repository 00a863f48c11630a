"""Parts of a network that drift apart: their rate is known before they stop, and skipped frames are exact."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dataflow import InputError, Network, fold
from hwsim import Run, Stalls, simulate
from hwsim.cycle.rate import RateFinder
from hwsim.cycle.stepper import Stepper
from sim_tests.cases import dense_network
from sim_tests.strategies import dense_networks
from tests.examples import examples
from tests.hwsim.pattern_networks import pattern_networks

#: 16 cycles per frame upstream, 17 downstream; and three rates, with FIFOs that take long to fill.
DRIFTING = {
    "two rates": fold(dense_network((16, 1, 1, 17)), {"fc2": {"pe": 17}}).with_depths({"input -> binarize": 200}),
    "three rates": fold(dense_network((40, 7, 6, 43)), {"fc0": {"pe": 7}, "fc2": {"pe": 43, "simd": 1}}).with_depths(
        {"input -> binarize": 900, "binarize -> fc0": 300}
    ),
}


def figures(run: Run) -> tuple[object, ...]:
    return run.total, run.cycles, run.nodes, run.fifos, run.first_beat_latency, run.first_frame_latency


def assert_leaps_are_exact(network: Network, frames: int) -> Run:
    """Compare a run with one whose times are recorded, which skips no frame."""
    leapt, stepped = simulate(network, frames), simulate(network, frames, record=True)
    assert figures(leapt) == figures(stepped)
    assert leapt.periodic == stepped.periodic
    return leapt


@pytest.mark.parametrize("name", DRIFTING)
@pytest.mark.parametrize("frames", [77, 400, 1500])
def test_leaps_over_even_drift(name: str, frames: int) -> None:
    run = assert_leaps_are_exact(DRIFTING[name], frames)
    assert run.simulated_frames < frames


@pytest.mark.long
@settings(max_examples=examples(60))
@given(dense_networks(), st.integers(20, 300), st.integers(1, 40))
def test_random_dense_networks_with_a_deep_fifo(network: Network, frames: int, depth: int) -> None:
    assume(network.interval < 300)
    deep = max(network.fifos, key=lambda fifo: network.stream(fifo).beats)
    run = assert_leaps_are_exact(network.with_depths({deep.name: depth}), frames)
    event("leapt" if run.simulated_frames < frames and run.periodic is None else "stepped")


@pytest.mark.long
@settings(max_examples=examples(100))
@given(pattern_networks(), st.integers(10, 200))
def test_random_networks_with_branches(network: Network, frames: int) -> None:
    try:
        run = assert_leaps_are_exact(network, frames)
    except InputError:
        assume(False)
    event("leapt" if run.simulated_frames < frames and run.periodic is None else "stepped")


@pytest.mark.long
@settings(max_examples=examples(60))
@given(pattern_networks())
def test_the_rate_is_that_of_the_periodic_state(network: Network) -> None:
    try:
        stepper, rate = Stepper(network, Stalls.none()), None
    except InputError:
        assume(False)
    assert stepper.rates is not None
    while stepper.periodic is None and stepper.frames < 600:
        stepper.step()
        if rate is None and stepper.rates.rate is not None:
            rate = stepper.rates.rate
            event(f"known {'before' if stepper.periodic is None else 'with'} the periodic state")
        if stepper.frames > 1:
            assert stepper.rates.least is not None
            assert stepper.rates.most is not None
    assume(stepper.periodic is not None)
    assert stepper.periodic is not None
    exact = Fraction(stepper.periodic.cycles, stepper.periodic.frames)
    assert rate in (None, exact)
    assert stepper.rates.least <= exact <= stepper.rates.most
    assert stepper.rate == exact


def test_a_rate_that_repeats_after_three_frames() -> None:
    finder = RateFinder()
    times = np.array([0, 100, 7])
    for frame in range(30):
        assert (finder.rate is not None) == (frame > 9)
        finder.add(times.copy())
        times += [[6, 5, 5], [5, 6, 5], [5, 5, 6]][frame % 3]
    assert (finder.rate, finder.period) == (Fraction(16, 3), 3)
    assert (finder.least, finder.most) == (Fraction(21, 4), Fraction(11, 2))
    assert finder.reaches(Fraction(16, 3)) is True
    assert finder.reaches(5) is False


def test_bounds_decide_before_the_rate_is_known() -> None:
    finder = RateFinder()
    assert finder.reaches(10) is None
    finder.add(np.array([0, 0]))
    finder.add(np.array([8, 9]))
    assert finder.rate is None
    assert finder.reaches(9) is True
    assert finder.reaches(7) is False
    assert finder.reaches(8) is None
