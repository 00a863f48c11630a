"""The compiled cycle simulator against the contract stepped cycle by cycle, on every write and read."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dataflow import Fifo, InputError, Network, fold
from hwsim import Run, Stalls, random_stalls, simulate
from hwsim.cycle import step_slowly
from hwsim.cycle.deadlock import remedy_of
from hwsim.cycle.stepper import Stepper
from sim_tests.cases import CASES, Case, dense_case, dense_network
from sim_tests.standstill import deadlock_of
from sim_tests.strategies import dense_networks
from tests.examples import examples
from tests.hwsim.pattern_networks import Pattern, branching_networks, network_of, pattern_networks


def assert_exact(network: Network, frames: int, stalls: Stalls) -> Run:
    """Compare all results of both, and return the fast run."""
    slow = step_slowly(network, frames, stalls=stalls)
    run = simulate(network, frames, stalls=stalls, record=True)
    for fifo in network.fifos:
        beats = frames * network.stream(fifo).beats
        assert len(slow.writes[fifo.name]) == len(slow.reads[fifo.name]) == beats
        np.testing.assert_array_equal(run.writes[fifo.name], slow.writes[fifo.name], err_msg=fifo.name, strict=True)
        np.testing.assert_array_equal(run.reads[fifo.name], slow.reads[fifo.name], err_msg=fifo.name, strict=True)
    assert (run.total, run.cycles) == (slow.total, slow.cycles)
    assert {node.name: (node.busy, node.starved, node.blocked) for node in run.nodes} == slow.activity
    assert {fifo.name: (fifo.max_occupancy, fifo.max_taken) for fifo in run.fifos} == slow.highest
    for fifo in run.fifos:
        stored = int((slow.reads[fifo.name] - slow.writes[fifo.name]).sum())
        assert fifo.mean_occupancy == stored / slow.cycles
    start = min(slow.writes[network.fifos_out_of(end.name)[0].name][0] for end in network.inputs)
    ends = [(slow.reads[network.fifos_into(end.name)[0].name], end.stream.beats) for end in network.outputs]
    assert run.first_beat_latency == max(times[0] for times, _ in ends) - start
    assert run.first_frame_latency == max(times[beats - 1] for times, beats in ends) - start
    unrecorded = simulate(network, frames, stalls=stalls)
    assert not unrecorded.writes
    assert not unrecorded.reads
    assert (unrecorded.nodes, unrecorded.fifos, unrecorded.total) == (run.nodes, run.fifos, run.total)
    return run


def stalls_of(network: Network, seed: int | None) -> Stalls:
    """Return random stalls of a length that follows from the seed, or none."""
    return Stalls.none() if seed is None else random_stalls(network, seed, cycles=1 + seed * 7 % 200)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "seed", [None, pytest.param(0, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.long), 2]
)
def test_every_case(case: Case, seed: int | None) -> None:
    network = case.network()
    for frames in (1, 2, 5):
        assert_exact(network, frames, stalls_of(network, seed))


@pytest.mark.long
@settings(max_examples=examples(60))
@given(dense_networks(), st.integers(1, 4), st.none() | st.integers(0, 1000))
def test_random_dense_networks(network: Network, frames: int, seed: int | None) -> None:
    assume(network.interval * frames < 4000)
    assert_exact(network, frames, stalls_of(network, seed))


@pytest.mark.long
@settings(max_examples=examples(120, many=400))
@given(pattern_networks(), st.integers(1, 12), st.none() | st.integers(0, 1000))
def test_random_schedules(network: Network, frames: int, seed: int | None) -> None:
    stalls = stalls_of(network, seed)
    try:
        step_slowly(network, frames, stalls=stalls)
    except InputError:
        event("deadlock")
        with pytest.raises(InputError, match=r"^Network 'net' must be able to move, not deadlock: .*$"):
            simulate(network, frames, stalls=stalls)
        return
    run = assert_exact(network, frames, stalls)
    event("periodic within the frames" if run.simulated_frames < frames else "stepped to the end")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_periodic_state_continues_what_stepping_gives(case: Case) -> None:
    network = case.network()
    frames = 150
    stepper = Stepper(network, Stalls.none(), recorded_frames=frames)
    while stepper.frames < frames:
        stepper.step()
    run = simulate(network, frames, record=True)
    assert run.simulated_frames < frames
    assert run.total == stepper.marks[frames].end
    for fifo in network.fifos:
        np.testing.assert_array_equal(run.writes[fifo.name], stepper.writes(fifo, frames).ravel())
        np.testing.assert_array_equal(run.reads[fifo.name], stepper.reads(fifo, frames).ravel())


def test_the_periodic_state_counts_the_phase_of_the_gates() -> None:
    network = CASES[0].network()
    stalls = Stalls({"input": np.array([True, False, True, True, False])}, {"class": np.array([True, False, False])})
    run = assert_exact(network, 60, stalls)
    assert run.periodic is not None
    assert run.periodic.cycles % 15 == 0
    assert run.simulated_frames < 60
    assert Fraction(run.interval) == Fraction(run.periodic.cycles, run.periodic.frames)


def test_ten_thousand_frames_cost_no_more_than_a_few() -> None:
    network = fold(dense_network((784, 64, 64, 10)), {"fc0": {"pe": 8, "simd": 49}})
    few, many = simulate(network, 50), simulate(network, 10_000)
    assert few.simulated_frames == many.simulated_frames < 20
    assert many.periodic == few.periodic
    assert isinstance(many.interval, int)
    assert many.interval == network.interval
    assert many.interval_deviation == 0.0
    assert many.total == few.total + 9950 * many.interval
    busy = {node.name: node.busy for node in many.nodes}
    assert busy == {node.name: 10_000 * node.schedule().steps for node in network.nodes}
    assert all(node.busy + node.starved + node.blocked == many.cycles for node in many.nodes)


def test_figures_of_one_frame_do_not_include_the_search_for_the_interval() -> None:
    network = CASES[0].network()
    run = simulate(network, 1)
    assert run.simulated_frames == 1
    assert run.interval == network.interval
    assert isinstance(run.interval, int)
    assert run.total == run.first_frame_latency + 1
    assert [node.busy for node in run.nodes] == [node.schedule().steps for node in network.nodes]


def test_an_interval_that_alternates() -> None:
    # The source may start in one of two cycles, a frame is three beats: three and a half frames in 21 cycles.
    node = Pattern("n", ("xxx",), ("..x",))
    network = network_of([node], [Fifo("in", "n"), Fifo("n", "out")])
    run = assert_exact(network, 41, Stalls({"in": np.array([True, False])}))
    assert (run.interval, run.interval_deviation) == (6, 0.0)
    run = assert_exact(network, 41, Stalls({"in": np.array([True, True, True, True, False, False, False])}))
    assert run.periodic is not None
    assert (run.periodic.frames, run.periodic.cycles) == (4, 21)
    assert run.interval == 5.25
    assert run.interval_deviation > 0


def test_interval_is_exact_while_parts_drift_apart() -> None:
    # 16 cycles per frame upstream, 17 downstream: hundreds of frames until all places between are taken.
    network = fold(dense_network((16, 1, 1, 17)), {"fc2": {"pe": 17}})
    run = simulate(network, 5)
    assert run.periodic is None
    assert (run.interval, run.interval_deviation) == (17, 0.0)
    assert isinstance(run.interval, int)
    later = simulate(network, 1000)
    assert later.periodic is not None
    assert (later.interval, later.interval_deviation) == (17, 0.0)


def test_stalls_too_long_for_a_period_give_the_mean() -> None:
    network = CASES[0].network()
    gate = np.random.default_rng(0).random(1_000_003) < 0.5
    run = simulate(network, 3, stalls=Stalls({"input": gate}))
    assert run.periodic is None
    assert isinstance(run.interval, float)
    assert network.interval <= run.interval < 1.5 * network.interval


def test_a_deeper_fifo_delays_nothing() -> None:
    network = dense_case("inert-wide")
    deeper = network.with_depths({fifo.name: fifo.depth + 1 for fifo in network.fifos})
    shallow_run, deep_run = simulate(network, 9, record=True), simulate(deeper, 9, record=True)
    assert shallow_run.total > deep_run.total
    for fifo in network.fifos:
        assert (deep_run.writes[fifo.name] <= shallow_run.writes[fifo.name]).all()


SPLIT = Pattern("split", ("xxxx",), ("xxxx", "xxxx"))
LEFT_FIRST = Pattern("join", ("xxxx....", "....xxxx"), (".......x",))


def reconvergent(depth: int) -> Network:
    """Return a network whose join reads one branch completely before the other, which needs four places for it."""
    fifos = [
        Fifo("in", "split"),
        Fifo("split", "join", 0, 0, 2),
        Fifo("split", "join", 1, 1, depth),
        Fifo("join", "out"),
    ]
    return network_of([SPLIT, LEFT_FIRST], fifos, name="diamond")


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("seed", [None, 5])
def test_a_deadlock_is_explained(frames: int, seed: int | None) -> None:
    network = reconvergent(3)
    sentence = (
        r"^Network 'diamond' must be able to move, not deadlock: "
        r"'split' waits for a place in 'split\.1 -> join\.1' \(full with 3\); "
        r"'join' waits for a beat in 'split -> join'; a depth of 4 for 'split\.1 -> join\.1' resolves it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, frames, stalls=stalls_of(network, seed))
    with pytest.raises(InputError, match=r"^Network 'diamond' must be able to move, not deadlock in cycle \d+$"):
        step_slowly(network, frames, stalls=stalls_of(network, seed))


def test_one_place_more_frees_the_deadlock() -> None:
    assert_exact(reconvergent(4), 5, Stalls.none())


def test_a_deadlock_that_takes_two_fifos_is_freed_by_both() -> None:
    # The join reads the first branch completely before the others, which both need two places for it.
    split = Pattern("split", ("xx",), ("xx", "xx", "xx"))
    join = Pattern("join", ("xx....", "..xx..", "....xx"), (".....x",))
    branches = [Fifo("split", "join", port, port, 1) for port in range(3)]
    network = network_of([split, join], [Fifo("in", "split"), *branches, Fifo("join", "out")])
    sentence = (
        r"^Network 'net' must be able to move, not deadlock: "
        r"'split' waits for a place in "
        r"'split\.1 -> join\.1' \(full with 1\) and 'split\.2 -> join\.2' \(full with 1\); "
        r"'join' waits for a beat in 'split -> join'; "
        r"depths of 2 for 'split\.1 -> join\.1' and 2 for 'split\.2 -> join\.2' resolve it$"
    )
    with pytest.raises(InputError, match=sentence):
        simulate(network, 1)
    assert_exact(network.with_depths({"split.1 -> join.1": 2, "split.2 -> join.2": 2}), 3, Stalls.none())


@settings(max_examples=examples(60))
@given(branching_networks())
def test_the_depths_that_free_a_deadlock_are_the_smallest(network: Network) -> None:
    deadlock = deadlock_of(network)
    if deadlock is None:
        event("no deadlock")
        step_slowly(network, 1)
        return
    depths = remedy_of(network, deadlock)
    event(f"{len(depths)} FIFOs")
    freed = network.with_depths(depths)
    assert deadlock_of(freed) is None
    for name, depth in depths.items():
        assert deadlock_of(freed.with_depths({name: depth - 1})) is not None


@pytest.mark.parametrize("frames", [0, -3])
def test_no_frames_are_refused(frames: int) -> None:
    with pytest.raises(InputError, match=rf"^Number of frames must be at least 1, not {frames}$"):
        simulate(CASES[0].network(), frames)


@pytest.mark.parametrize("frames", [1.0, True, "3"])
def test_frames_that_are_no_number_are_refused(frames: object) -> None:
    with pytest.raises(TypeError, match=rf"^Number of frames must be an integer, not {frames!r}$"):
        simulate(CASES[0].network(), frames)  # type: ignore[arg-type]


def test_stalls_of_another_network_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Input with a stall gate must be one of input, not 'other'$"):
        simulate(CASES[0].network(), 1, stalls=Stalls({"other": np.ones(1, bool)}))
